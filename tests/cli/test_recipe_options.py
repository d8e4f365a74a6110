"""A recipe's options are declared once: the library and the commands have the same."""

from __future__ import annotations

import inspect
from typing import Any, get_args

import pytest

import resprof
from resprof.cli.commands.bench import bench
from resprof.cli.commands.budget import budget
from resprof.cli.commands.memory import memory
from resprof.model.recipe import OPTIONS, TRAINING, RecipeWords, recipe_in_words

_MEASURED = {"engine", "cudnn_benchmark"}


def test_the_library_takes_what_predictions_depend_on() -> None:
    assert set(RecipeWords.__annotations__) == OPTIONS.keys() - {"mode", "batch"} - _MEASURED


@pytest.mark.parametrize(
    ("command", "lacking"), [(bench, set()), (memory, _MEASURED), (budget, {*_MEASURED, "batch"})]
)
def test_a_command_has_the_options_of_a_recipe(command: Any, lacking: set[str]) -> None:
    asked = inspect.signature(command).parameters
    assert OPTIONS.keys() - asked.keys() == lacking
    for name in TRAINING:
        _, option = get_args(asked[name].annotation)
        assert option.help == OPTIONS[name].help


def test_what_training_alone_has_is_none_in_inference() -> None:
    step = recipe_in_words((32, 32), mode="train", batch=1)
    forward = recipe_in_words((32, 32), mode="infer", batch=1)
    assert {getattr(forward, name) for name in TRAINING} == {None}
    assert all(getattr(step, name) == OPTIONS[name].training for name in TRAINING)


def test_the_library_has_no_other_options() -> None:
    with pytest.raises(TypeError, match="engine"):
        resprof.predict_memory("cifar-resnet8", engine="compile")  # type: ignore[call-arg]
