import re

import pytest

from resprof.model.devices import Device, device, device_of, devices

DRIVER_NAMES = {
    "Tesla V100-SXM2-32GB": "v100-sxm2-32gb",
    "Tesla V100-PCIE-32GB": "v100-pcie-32gb",
    "Tesla T4": "t4",
    "NVIDIA A10": "a10",
    "NVIDIA A100-SXM4-40GB": "a100-sxm4-40gb",
    "NVIDIA A100-SXM4-80GB": "a100-sxm4-80gb",
    "NVIDIA A100-PCIE-40GB": "a100-pcie-40gb",
    "NVIDIA A100 80GB PCIe": "a100-pcie-80gb",
    "NVIDIA RTX A6000": "rtx-a6000",
    "NVIDIA L4": "l4",
    "NVIDIA L40S": "l40s",
    "NVIDIA GeForce RTX 3090": "rtx-3090",
    "NVIDIA GeForce RTX 4090": "rtx-4090",
    "NVIDIA GeForce RTX 5090": "rtx-5090",
    "NVIDIA H100 80GB HBM3": "h100-sxm",
    "NVIDIA H100 PCIe": "h100-pcie",
    "NVIDIA H200": "h200-sxm",
    "NVIDIA B200": "b200-sxm",
    "AMD Instinct MI250X": "mi250x",
    "AMD Instinct MI300X": "mi300x",
}
OTHER_NAMES = (
    "NVIDIA A10G",
    "NVIDIA L40",
    "NVIDIA H100 NVL",
    "NVIDIA GeForce RTX 3090 Ti",
    "NVIDIA GeForce RTX 4090 D",
    "NVIDIA H200 NVL",
    "Tesla V100-SXM2-16GB",
    "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
)


def by_id(each: Device) -> str:
    return each.id


@pytest.mark.parametrize("each", devices(), ids=by_id)
def test_printed_fp16_peak_is_units_times_fma_times_clock(each: Device) -> None:
    operations_per_clock = 2 * each.units * each.fp16_fma_per_unit_clock
    peak = operations_per_clock * each.tensor_clock_hz
    # The implied clock is rounded to a MHz, so the product is as exact as half of one.
    assert peak == pytest.approx(each.fp16_flops_per_s, abs=operations_per_clock * 0.5e6)


@pytest.mark.parametrize("each", devices(), ids=by_id)
def test_printed_fp32_peak_is_units_times_lanes_times_boost_clock(each: Device) -> None:
    lanes = each.fp32_flops_per_s / (2 * each.units * each.boost_clock_hz)
    # Printed with two or three digits: 14.0 of a V100 stands for 14.1, 75 of a B200 for 74.5.
    assert min(abs(lanes / whole - 1) for whole in (64, 128)) < 0.01


@pytest.mark.parametrize("each", devices(), ids=by_id)
def test_peaks_of_other_precisions_stand_in_whole_ratios(each: Device) -> None:
    if each.bf16_flops_per_s is not None:
        assert each.bf16_flops_per_s == each.fp16_flops_per_s
    if each.tf32_flops_per_s is not None:
        assert each.fp16_flops_per_s / each.tf32_flops_per_s == pytest.approx(2, rel=0.03)
    if each.fp8_flops_per_s is not None:
        assert each.fp8_flops_per_s / each.fp16_flops_per_s == pytest.approx(2, rel=0.03)
    if each.int8_ops_per_s is not None:
        times = each.int8_ops_per_s / each.fp16_flops_per_s
        assert min(abs(times - whole) for whole in (1, 2, 4)) < 0.05
    if each.fp16_acc16_flops_per_s is not None:
        assert each.fp16_acc16_flops_per_s / each.fp16_flops_per_s == pytest.approx(2, rel=0.03)


@pytest.mark.parametrize("each", devices(), ids=by_id)
def test_figures_are_of_the_right_size(each: Device) -> None:
    assert 8e12 <= each.fp32_flops_per_s < each.fp16_flops_per_s
    assert 3e11 <= each.bandwidth_bytes_per_s <= 1e13
    assert 16e9 <= each.memory_bytes <= 200e9
    assert 4 * 2**20 <= each.l2_bytes <= 128 * 2**20
    assert each.power_w >= 70
    assert each.source
    assert each.driver_devices in {1, 2}


def test_ids_are_distinct_and_found() -> None:
    ids = [each.id for each in devices()]
    assert len(set(ids)) == len(ids)
    assert all(device(each.id) is each for each in devices())
    assert device("h100") is None


@pytest.mark.parametrize(("name", "found"), DRIVER_NAMES.items())
def test_a_drivers_name_fits_just_one_device(name: str, found: str) -> None:
    assert [each.id for each in devices() if re.search(each.match, name)] == [found]
    assert device_of(name) is device(found)


def test_every_device_is_recognised_by_some_name() -> None:
    assert set(DRIVER_NAMES.values()) == {each.id for each in devices()}


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_another_device_is_not_taken_for_a_listed_one(name: str) -> None:
    assert device_of(name) is None
