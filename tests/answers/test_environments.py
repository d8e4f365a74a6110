"""In what two environments differ: everything, save what is of the moment or of the recipe."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from resprof.answers.environment import Category, differences, holds_for, ranked_differences
from resprof.model.environment import Environment, NvmlReport, NvmlState
from tests.factories import ON_GPU

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
        leaves(ON_GPU)
    )


@pytest.mark.parametrize("path", leaves(ON_GPU))
def test_a_field_that_may_change_a_figure_is_a_difference_and_no_other_is(path: str) -> None:
    other = changed(ON_GPU, path)
    expected = [(path, value_at(ON_GPU, path), value_at(other, path))]
    no_account = path in MOMENT | RECIPE | {"resprof"}
    found = [(each.field, each.baseline, each.candidate) for each in differences(ON_GPU, other)]
    assert found == ([] if no_account else expected)
    assert holds_for(ON_GPU, other) is (path in MOMENT)


def test_the_same_environment_has_no_differences() -> None:
    assert differences(ON_GPU, ON_GPU) == ()
    assert holds_for(ON_GPU, ON_GPU)


@pytest.mark.parametrize("part", ["gpu", "torch"])
def test_a_part_that_is_missing_is_a_difference_on_either_side(part: str) -> None:
    without: Environment = replace(ON_GPU, **{part: None})  # type: ignore[arg-type]
    found = {each.field for each in differences(ON_GPU, without)}
    known = {path for path in leaves(ON_GPU) if path.startswith(f"{part}.")} - RECIPE
    assert found == known
    assert {each.field for each in differences(without, ON_GPU)} == known
    assert not holds_for(ON_GPU, without)


def test_what_nobody_asked_nvml_is_no_difference() -> None:
    silent = replace(ON_GPU, nvml=None)
    assert differences(ON_GPU, silent) == differences(silent, ON_GPU) == ()
    refused = replace(ON_GPU, nvml=NvmlReport(state=NvmlState.NO_PERMISSION))
    assert differences(ON_GPU, refused) != ()
    assert not holds_for(ON_GPU, silent)


def test_differences_come_in_the_records_order() -> None:
    other = changed(changed(changed(ON_GPU, "gpu.driver"), "python"), "torch.version")
    assert [each.field for each in differences(ON_GPU, other)] == [
        "python",
        "torch.version",
        "gpu.driver",
    ]


# By weight on speed.


def _changed(*paths: str) -> Any:
    other = ON_GPU
    for path in paths:
        other = changed(other, path)
    return other


def test_what_weighs_most_comes_first_and_each_field_once() -> None:
    paths = ("python", "torch.threads", "gpu.uuid", "torch.version", "gpu.name", "gpu.driver")
    found = ranked_differences(ON_GPU, _changed(*paths))
    assert [each.field for each in found] == [
        "gpu.name",
        "gpu.driver",
        "torch.version",
        "torch.threads",
        "python",
        "gpu.uuid",
    ]
    places = list(Category)
    assert sorted(found, key=lambda each: places.index(each.category)) == list(found)


@pytest.mark.parametrize("name", ["driver", "name", "uuid", "pci_bus_id", "memory_bytes"])
def test_what_nvml_says_again_of_the_gpu_is_said_once(name: str) -> None:
    both = ranked_differences(ON_GPU, _changed(f"gpu.{name}", f"nvml.settings.{name}"))
    assert [each.field for each in both] == [f"gpu.{name}"]
    alone = ranked_differences(ON_GPU, _changed(f"nvml.settings.{name}"))
    assert [each.field for each in alone] == [f"nvml.settings.{name}"]


def test_no_difference_is_dropped_that_is_said_only_once() -> None:
    paths = [path for path in leaves(ON_GPU) if path not in MOMENT | RECIPE | {"resprof"}]
    for path in paths:
        (found,) = ranked_differences(ON_GPU, _changed(path))
        assert found.field == path


def test_values_keep_their_sides() -> None:
    (found,) = ranked_differences(ON_GPU, replace(ON_GPU, python="CPython 3.99"))
    assert (found.baseline, found.candidate) == (ON_GPU.python, "CPython 3.99")
    assert found.category is Category.HOST
