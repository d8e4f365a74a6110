"""Which printed peaks hold for a device, and what of a driver's report says that they may not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from resprof.answers.roofline.peaks import (
    MeasuredPeaks,
    PeakSource,
    datasheet_peaks,
    device_notes,
    measured_peaks,
    misfits,
)
from resprof.errors import UsageError
from resprof.model.devices import Device, device, devices
from resprof.model.environment import Environment
from resprof.model.recipe import Arithmetic, Precision
from tests.factories import ON_GPU

GIB, MIB = 2**30, 2**20
REPORTED = (
    # As torch says in messages that memory ran out, and in listings of properties.
    ("t4", 14.56 * GIB),
    ("t4", 14.75 * GIB),
    ("a100-sxm4-40gb", 42_298_834_944),
    ("a100-sxm4-40gb", 39.50 * GIB),
    ("a100-sxm4-80gb", 79.25 * GIB),
    ("l40s", 44.40 * GIB),
    ("l40s", 44.53 * GIB),
    ("rtx-4090", 23.64 * GIB),
    ("rtx-4090", 23.68 * GIB),
    # As nvidia-smi says, which counts what the driver keeps (modal-labs/modal-client#2797).
    ("h100-sxm", 81_559 * MIB),
    ("a100-sxm4-80gb", 81_920 * MIB),
    ("a100-sxm4-40gb", 40_960 * MIB),
    ("a10", 23_028 * MIB),
    ("l40s", 46_068 * MIB),
    ("l4", 23_034 * MIB),
    ("t4", 15_360 * MIB),
)
A100 = round(79.25 * GIB)
H100 = 81_559 * MIB
FITTING = {
    Precision.FP32: "fp32_flops_per_s",
    Precision.TF32: "tf32_flops_per_s",
    Precision.FP16: "fp16_flops_per_s",
    Precision.AMP_FP16: "fp16_flops_per_s",
    Precision.BF16: "bf16_flops_per_s",
    Precision.AMP_BF16: "bf16_flops_per_s",
}


def known(device_id: str) -> Device:
    found = device(device_id)
    assert found is not None
    return found


def reported(card: Device, memory_bytes: int, **settings: object) -> Environment:
    """A run on the card, whose driver reports that."""
    assert ON_GPU.gpu is not None
    assert ON_GPU.nvml is not None
    assert ON_GPU.nvml.settings is not None
    clock = card.tensor_clock_hz
    told = replace(
        ON_GPU.nvml.settings,
        **{"mig": False, "sm_clock_max_hz": clock, **settings},  # type: ignore[arg-type]
    )
    return replace(
        ON_GPU,
        gpu=replace(ON_GPU.gpu, memory_bytes=memory_bytes),
        nvml=replace(ON_GPU.nvml, settings=told),
    )


def codes(notes: Iterator[object]) -> list[str]:
    return [note.code for note in notes]  # type: ignore[attr-defined]


@pytest.mark.parametrize("card", devices(), ids=lambda card: card.id)
@pytest.mark.parametrize("precision", Precision)
def test_each_precision_has_its_own_peak_or_none(card: Device, precision: Precision) -> None:
    """Never sparse ones, nor those of another arithmetic."""
    printed = getattr(card, FITTING[precision])
    if printed is None:
        with pytest.raises(UsageError, match="has no"):
            datasheet_peaks(card, precision)
        return
    peaks = datasheet_peaks(card, precision)
    assert peaks.source is PeakSource.DATASHEET
    assert peaks.flops_per_s == printed / card.driver_devices
    assert peaks.bandwidth_bytes_per_s == card.bandwidth_bytes_per_s / card.driver_devices
    assert peaks.ridge == pytest.approx(printed / card.bandwidth_bytes_per_s)


def test_a_card_that_a_driver_shows_as_two_has_half_of_it() -> None:
    card = known("mi250x")
    assert datasheet_peaks(card, Precision.FP16).flops_per_s == card.fp16_flops_per_s / 2
    assert "part-of-device" in codes(device_notes(card))
    assert not codes(device_notes(known("a100-sxm4-80gb")))
    assert codes(device_notes(known("b200-sxm"))) == ["datasheet"]


@pytest.mark.parametrize(("device_id", "memory_bytes"), REPORTED)
def test_what_a_driver_reports_of_a_whole_card_is_no_misfit(
    device_id: str, memory_bytes: float
) -> None:
    card = known(device_id)
    assert not list(misfits(card, reported(card, round(memory_bytes)), Precision.FP16))


@pytest.mark.parametrize("card", devices(), ids=lambda card: card.id)
def test_another_capacity_is_another_build(card: Device) -> None:
    """Cards of one name come with 5/4 of the memory, 4/5 of it (an A100 of 64 GB), or half."""
    printed = card.memory_bytes / card.driver_devices
    for factor in (0.5, 0.8, 1.25):
        environment = reported(card, round(printed * factor * 2**30 / 10**9))
        assert "memory-size" in codes(misfits(card, environment, Precision.FP32))


def test_a_slice_of_a_card_is_said_to_be_one() -> None:
    card = known("a100-sxm4-80gb")
    environment = reported(card, A100, mig=True)
    assert codes(misfits(card, environment, Precision.FP16)) == ["mig"]
    environment = reported(card, A100 // 7, mig=True)
    assert codes(misfits(card, environment, Precision.FP16)) == ["mig", "memory-size"]


@pytest.mark.parametrize(
    ("clock_hz", "precision", "said"),
    [
        (1_980e6, Precision.FP32, None),
        (1_980e6, Precision.BF16, "exceed"),
        (1_830e6, Precision.BF16, None),
        (1_830e6, Precision.FP32, "cannot reach the peak"),
        (None, Precision.BF16, None),
    ],
)
def test_a_peak_is_that_of_a_clock(
    clock_hz: float | None, precision: Precision, said: str | None
) -> None:
    """An H100's tensor peak is printed for 1830 MHz, its fp32 peak for 1980 MHz."""
    card = known("h100-sxm")
    environment = reported(card, H100, sm_clock_max_hz=clock_hz)
    notes = list(misfits(card, environment, precision))
    assert [note.code for note in notes] == (["clock"] if said else [])
    assert all(said in note.message for note in notes if said)


def test_without_nvml_only_memory_is_looked_at() -> None:
    card = known("h100-sxm")
    environment = replace(reported(card, H100), nvml=None)
    assert not list(misfits(card, environment, Precision.BF16))
    assert not list(misfits(card, replace(environment, gpu=None), Precision.BF16))


MEASURED = tuple(
    MeasuredPeaks(
        device="NVIDIA H100 80GB HBM3",
        arithmetic=arithmetic,
        flops_per_s=rate,
        bandwidth_bytes_per_s=2.9e12,
        how="by script",
        date="2026-01-01T00:00:00+00:00",
        torch=None,
        driver=None,
    )
    for arithmetic, rate in ((Arithmetic.FP32, 5e13), (Arithmetic.BF16, 7e14))
)


def test_measured_peaks_are_those_of_the_arithmetic_and_of_the_device() -> None:
    found = measured_peaks(MEASURED, Precision.AMP_BF16, MEASURED[0].device)
    assert found is not None
    assert (found.source, found.flops_per_s) == (PeakSource.MEASURED, 7e14)
    assert measured_peaks(MEASURED, Precision.TF32, None) is None
    with pytest.raises(UsageError, match="H200"):
        measured_peaks(MEASURED, Precision.BF16, "NVIDIA H200")
