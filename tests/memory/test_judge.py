"""Predicted live peaks against the allocation events of torch's CPU profiler."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resprof.answers.memory.traces import live_peaks
from resprof.model.networks import resolve
from resprof.model.recipe import (
    Checkpoint,
    Mode,
    Optimizer,
    OptimizerImpl,
    Phase,
    Precision,
    Recipe,
)

TOLERANCE = 0.0005

_TRAIN = Recipe(
    mode=Mode.TRAIN,
    batch=2,
    image=(64, 64),
    optimizer=Optimizer.SGD_MOMENTUM,
    optimizer_impl=OptimizerImpl.FOREACH,
    accumulate=1,
    checkpoint=Checkpoint.NONE,
)
_BLOCK = {"checkpoint": Checkpoint.BLOCK}
_INFER = {
    "mode": Mode.INFER,
    "optimizer": None,
    "optimizer_impl": None,
    "accumulate": None,
    "checkpoint": None,
}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("cifar-resnet20", {"image": (32, 32), "batch": 8}),
        ("cifar-plain20", {"image": (32, 32), "batch": 8, "accumulate": 2}),
        ("resnet18", {"image": (160, 160), "optimizer": Optimizer.ADAM}),
        ("resnet18", {"image": (160, 160), "precision": Precision.BF16, **_BLOCK}),
        ("resnet18", {"precision": Precision.AMP_BF16, "optimizer_impl": OptimizerImpl.FOR_LOOP}),
        ("resnet50", {"image": (64, 96), **_BLOCK, "accumulate": 2}),
        ("resnet50-v1.5", {"precision": Precision.BF16, "optimizer_impl": OptimizerImpl.FUSED}),
        ("resnet50", _INFER),
    ],
)
def test_live_peaks_are_the_profilers_in_every_phase(name: str, change: dict[str, object]) -> None:
    recipe = replace(_TRAIN, **change)  # type: ignore[arg-type]
    found = live_peaks(resolve(name), recipe)
    assert abs(found.error) < TOLERANCE
    assert Phase.FORWARD in found.measured
    for phase, measured in found.measured.items():
        assert found.predicted[phase] == pytest.approx(measured, rel=TOLERANCE), phase
