"""Tiles on a scripted call and on real networks: their order, their sum, no trace left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from resprof.answers.bench.subject import subject
from resprof.measure.clock import CpuClock
from resprof.measure.run import Tile, Tiling
from resprof.measure.subject import Work, prepare
from resprof.measure.tiles import Tiled
from resprof.model.architecture import LOSS
from resprof.model.networks import family_of, resolve, workload_of
from resprof.model.recipe import Checkpoint, Phase, Recipe, infer, train

_TRAIN = train(batch=2, image=(32, 32))
_INFER = infer(batch=2, image=(32, 32))


def _work(recipe: Recipe, name: str = "cifar-resnet8") -> Work:
    architecture = resolve(name, image=recipe.image)
    return prepare(subject(workload_of(architecture, recipe)), recipe, torch.device("cpu"))


def _tiles(work: Work, tiling: Tiling) -> tuple[Tile, ...]:
    tiled = Tiled(work, tiling)
    with tiled.installed():
        tiled(lambda: None)
    return tiled.tiles


def _stages(name: str) -> list[str]:
    return [stage for stage, _ in family_of(resolve(name)).stages(resolve(name))]


@pytest.mark.parametrize(
    "name", ["cifar-resnet8", "cifar-resnet8-B", "cifar-plain8", "resnet18", "resnet50", "vgg16"]
)
@pytest.mark.parametrize("checkpoint", Checkpoint)
def test_a_training_step_goes_forth_through_the_stages_and_back(
    name: str, checkpoint: Checkpoint
) -> None:
    stages = _stages(name)
    work = _work(replace(_TRAIN, checkpoint=checkpoint), name)
    assert _tiles(work, Tiling.STAGES) == (
        Tile(phase=Phase.OPTIMIZER),  # lets the gradients go
        *(Tile(phase=Phase.FORWARD, stage=stage) for stage in (*stages, LOSS)),
        *(Tile(phase=Phase.BACKWARD, stage=stage) for stage in (LOSS, *reversed(stages))),
        Tile(phase=Phase.OPTIMIZER),
    )


def test_inference_goes_through_the_stages_once() -> None:
    expected = tuple(Tile(phase=Phase.FORWARD, stage=stage) for stage in _stages("resnet18"))
    assert _tiles(_work(_INFER, "resnet18"), Tiling.STAGES) == expected


def test_phases_are_forward_backward_optimizer_for_each_pass() -> None:
    optimizer, forward, backward = (
        Tile(phase=phase) for phase in (Phase.OPTIMIZER, Phase.FORWARD, Phase.BACKWARD)
    )
    once = _tiles(_work(_TRAIN), Tiling.PHASES)
    assert once == (optimizer, forward, backward, optimizer)
    twice = _tiles(_work(replace(_TRAIN, accumulate=2)), Tiling.PHASES)
    assert twice == (optimizer, forward, backward, forward, backward, optimizer)


def test_marks_come_when_a_stage_is_done_and_its_gradient_is_there() -> None:
    """Backward through a stage has ended when its weights have their gradients, not before."""
    work = _work(_TRAIN)
    seen: list[dict[str, bool]] = []

    def look() -> None:
        seen.append(
            {
                stage: all(p.grad is not None for module in modules for p in module.parameters())
                for stage, modules in work.stages.items()
            }
        )

    tiled = Tiled(work, Tiling.STAGES)
    with tiled.installed():
        tiled(look)
    for tile, grads in zip(tiled.tiles, seen, strict=True):
        if tile.phase is Phase.BACKWARD and tile.stage != LOSS:
            stages = list(work.stages)
            done = stages[stages.index(str(tile.stage)) :]
            assert [stage for stage in stages if grads[stage]] == done


@pytest.mark.parametrize("recipe", [_INFER, _TRAIN])
def test_the_tiles_add_up_to_the_call(recipe: Recipe) -> None:
    work = _work(recipe)
    tiled = Tiled(work, Tiling.STAGES)
    clock = CpuClock()
    with tiled.installed():
        tiled(lambda: None)
        before = clock.now()
        seconds = clock.tiled(tiled)
        outside = clock.now() - before
    assert len(seconds) == len(tiled.tiles)
    assert min(seconds) >= 0
    assert 0.9 * outside <= sum(seconds) <= outside


@pytest.mark.parametrize("tiling", [Tiling.PHASES, Tiling.STAGES])
def test_outside_of_installed_the_network_knows_of_nothing(tiling: Tiling) -> None:
    work = _work(_TRAIN)
    watch = work.steps.watch
    tiled = Tiled(work, tiling)

    def fail() -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"), tiled.installed():
        tiled(fail)
    assert work.steps.watch is watch
    for module in work.steps.model.modules():
        hooks: Any = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
        assert not any(hooks)


def test_an_instrumented_step_trains_as_a_clean_one_does() -> None:
    clean, instrumented = _work(_TRAIN), _work(_TRAIN)
    tiled = Tiled(instrumented, Tiling.STAGES)
    with tiled.installed():
        tiled(lambda: None)
    clean.call()
    pairs = zip(clean.steps.model.parameters(), instrumented.steps.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
