"""Differences of environment in the order in which they weigh on speed, each once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from resprof.answers.environment import Category, ranked_differences
from tests.answers.test_environments import FULL, MOMENT, RECIPE, changed, leaves


def _changed(*paths: str) -> Any:
    other = FULL
    for path in paths:
        other = changed(other, path)
    return other


def test_what_weighs_most_comes_first_and_each_field_once() -> None:
    paths = ("python", "torch.threads", "gpu.uuid", "torch.version", "gpu.name", "gpu.driver")
    found = ranked_differences(FULL, _changed(*paths))
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
    both = ranked_differences(FULL, _changed(f"gpu.{name}", f"nvml.settings.{name}"))
    assert [each.field for each in both] == [f"gpu.{name}"]
    alone = ranked_differences(FULL, _changed(f"nvml.settings.{name}"))
    assert [each.field for each in alone] == [f"nvml.settings.{name}"]


def test_no_difference_is_dropped_that_is_said_only_once() -> None:
    paths = [path for path in leaves(FULL) if path not in MOMENT | RECIPE | {"resprof"}]
    for path in paths:
        (found,) = ranked_differences(FULL, _changed(path))
        assert found.field == path


def test_values_keep_their_sides() -> None:
    (found,) = ranked_differences(FULL, replace(FULL, python="CPython 3.99"))
    assert (found.baseline, found.candidate) == (FULL.python, "CPython 3.99")
    assert found.category is Category.HOST
