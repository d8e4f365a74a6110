"""In what two environments differ: everything, save what is of the moment or of the recipe."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from resprof.answers.environment import differences, holds_for
from resprof.model.environment import (
    Environment,
    Gpu,
    GpuSettings,
    Machine,
    NvmlReport,
    NvmlState,
    TorchBuild,
)

FULL = Environment(
    date="2026-01-01T00:00:00+00:00",
    resprof="1.0",
    python="CPython 3.11",
    machine=Machine(
        architecture="x86_64",
        cpu_model="a processor",
        cores=2,
        memory_bytes=2**34,
        system="a system",
        kernel="a kernel",
        load=0.5,
    ),
    torch=TorchBuild(
        version="2.99",
        cuda="13.0",
        cudnn=91000,
        cpu_capability="AVX2",
        threads=2,
        interop_threads=2,
        tf32_matmul=False,
        tf32_conv=False,
        cudnn_benchmark=False,
    ),
    gpu=Gpu(
        name="a GPU",
        uuid="GPU-1",
        capability="9.0",
        memory_bytes=2**36,
        driver="550.1",
        pci_bus_id="00000000:41:00.0",
    ),
    nvml=NvmlReport(
        state=NvmlState.AVAILABLE,
        message=None,
        settings=GpuSettings(
            name="a GPU",
            uuid="GPU-1",
            pci_bus_id="00000000:41:00.0",
            driver="550.1",
            cuda_driver="13.0",
            memory_bytes=2**36,
            ecc=True,
            mig=False,
            persistence=True,
            compute_mode="default",
            power_limit_w=700.0,
            power_default_w=700.0,
            sm_clock_max_hz=2e9,
            memory_clock_max_hz=2e9,
            processes=0,
        ),
    ),
)
MOMENT = {"date", "machine.load", "nvml.settings.processes"}
RECIPE = {"torch.tf32_matmul", "torch.tf32_conv", "torch.cudnn_benchmark"}


def leaves(record: Any, prefix: str = "") -> list[str]:
    """The paths of all fields that hold a value and no record."""
    found: list[str] = []
    for each in fields(record):
        value = getattr(record, each.name)
        found += (
            leaves(value, f"{prefix}{each.name}.")
            if is_dataclass(value)
            else [f"{prefix}{each.name}"]
        )
    return found


def changed(record: Any, path: str) -> Any:
    """The record with another value there."""
    name, _, rest = path.partition(".")
    value = getattr(record, name)
    if rest:
        return replace(record, **{name: changed(value, rest)})
    if isinstance(value, NvmlState):
        return replace(record, **{name: NvmlState.FAILED})
    other = (
        not value
        if isinstance(value, bool)
        else f"{value}?"
        if value is None or isinstance(value, str)
        else value + 1
    )
    return replace(record, **{name: other})


def value_at(record: Any, path: str) -> Any:
    for name in path.split("."):
        record = getattr(record, name)
    return record


def test_the_leaves_are_all_there() -> None:
    assert {"date", "machine.cores", "torch.threads", "gpu.driver", *MOMENT, *RECIPE} <= set(
        leaves(FULL)
    )


@pytest.mark.parametrize("path", leaves(FULL))
def test_a_field_that_may_change_a_figure_is_a_difference_and_no_other_is(path: str) -> None:
    other = changed(FULL, path)
    expected = [(path, value_at(FULL, path), value_at(other, path))]
    no_account = path in MOMENT | RECIPE | {"resprof"}
    found = [(each.field, each.baseline, each.candidate) for each in differences(FULL, other)]
    assert found == ([] if no_account else expected)
    assert holds_for(FULL, other) is (path in MOMENT)


def test_the_same_environment_has_no_differences() -> None:
    assert differences(FULL, FULL) == ()
    assert holds_for(FULL, FULL)


@pytest.mark.parametrize("part", ["gpu", "torch"])
def test_a_part_that_is_missing_is_a_difference_on_either_side(part: str) -> None:
    without: Environment = replace(FULL, **{part: None})  # type: ignore[arg-type]
    found = {each.field for each in differences(FULL, without)}
    known = {path for path in leaves(FULL) if path.startswith(f"{part}.")} - RECIPE
    assert found == known
    assert {each.field for each in differences(without, FULL)} == known
    assert not holds_for(FULL, without)


def test_what_nobody_asked_nvml_is_no_difference() -> None:
    silent = replace(FULL, nvml=None)
    assert differences(FULL, silent) == differences(silent, FULL) == ()
    refused = replace(FULL, nvml=NvmlReport(state=NvmlState.NO_PERMISSION))
    assert differences(FULL, refused) != ()
    assert not holds_for(FULL, silent)


def test_differences_come_in_the_records_order() -> None:
    other = changed(changed(changed(FULL, "gpu.driver"), "python"), "torch.version")
    assert [each.field for each in differences(FULL, other)] == [
        "python",
        "torch.version",
        "gpu.driver",
    ]
