"""What is measured: a network by its recipe on a device, launched by one of the engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from resprof.errors import EnvironmentMissing
from resprof.model.recipe import Engine, Mode, Recipe
from resprof.networks.step import (
    Network,
    Steps,
    Watch,
    arrange,
    memory_format,
    optimizer_of,
    whole_dtype,
)

_BEFORE_CAPTURE = 3
"""Steps on a side stream before a capture, as torch's notes on CUDA graphs ask for: they choose
algorithms and make workspaces and the optimiser's state, none of which may happen within."""


def run_by(engine: Engine, steps: Steps) -> Callable[[], object]:
    """The step as the engine runs it. What an engine prepares happens in the first call.

    Raises ``EnvironmentMissing`` for a CUDA graph without a CUDA device.
    """
    match engine:
        case Engine.EAGER:
            return steps.step
        case Engine.COMPILE:
            compiled = torch.compile(steps.model)
            steps.model = cast("torch.nn.Module", compiled)
            return steps.step
        case Engine.GRAPH:
            if steps.given[0].device.type != "cuda":
                raise EnvironmentMissing(
                    "CUDA graphs need a CUDA device", hint="leave out --engine graph"
                )
            return _Graph(steps)


class _Graph:
    """Captures the step when it is called first, replays it from then on."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._replay: Callable[[], object] | None = None

    def __call__(self) -> None:
        if self._replay is None:
            self._replay = _captured(self._steps)
        self._replay()


def _captured(steps: Steps) -> Callable[[], object]:
    device = steps.given[0].device
    outside = torch.cuda.current_stream(device)
    aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    aside.wait_stream(outside)
    with torch.cuda.stream(aside):
        for _ in range(_BEFORE_CAPTURE):
            steps.step()
    outside.wait_stream(aside)
    steps.clear()  # so that the gradients are made within, in the graph's own memory
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        steps.step()
    return graph.replay  # a bound method: it keeps the graph alive


SEED = 20151210
"""Seeds weights and inputs; the day the paper appeared."""
_SETTLE_PASSES = 4
_SETTLE_BATCH = 2
"""Batch norm wants more than one value per channel; more images would cost time and memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A network to measure; ``settle`` sets a model's statistics of batch norm from batches."""

    network: Network
    settle: Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A subject on its device.

    ``call`` is what is timed: a step by the recipe's engine. ``steps`` runs the same step eagerly
    and part by part. ``stages`` are the modules of each stage in order of execution, empty where
    the engine leaves no modules to follow.
    """

    call: Callable[[], object]
    steps: Steps
    stages: Mapping[str, tuple[nn.Module, ...]]


def prepare(subject: Subject, recipe: Recipe, device: torch.device) -> Work:
    """Builds the network with seeded weights and a seeded normal batch, moves both there.

    In inference the batch norms' statistics are set by passes over further batches first: a fresh
    network's values grow from block to block until they are no longer finite.
    """
    torch.manual_seed(SEED)
    network = subject.network
    model = network.build()
    # Drawn on the host, so that every device sees the same batch.
    random = torch.Generator().manual_seed(SEED)

    def images(batch: int) -> Tensor:
        drawn = torch.randn(batch, *network.image, generator=random)
        return drawn.to(device, memory_format=memory_format(recipe))

    model.to(device=device, memory_format=memory_format(recipe))  # type: ignore[call-overload]
    given: tuple[Tensor, ...] = (images(recipe.batch),)
    if recipe.mode is Mode.TRAIN:
        labels = torch.randint(network.classes, (recipe.batch,), generator=random)
        given += (labels.to(device),)
    else:
        subject.settle(model, *(images(_SETTLE_BATCH) for _ in range(_SETTLE_PASSES)))
    model, given = _cast(model, given, recipe)  # after the statistics, which want fp32
    arrange(model, network, recipe, Watch())
    steps = Steps(model, given, recipe, optimizer=_optimizer(model, recipe), watch=Watch())
    stages = {
        stage: tuple(model.get_submodule(path) for path in paths) for stage, paths in network.stages
    }
    return Work(
        call=run_by(recipe.engine, steps),
        steps=steps,
        stages={} if recipe.engine is Engine.COMPILE else stages,
    )


def _cast(
    model: nn.Module, given: tuple[Tensor, ...], recipe: Recipe
) -> tuple[nn.Module, tuple[Tensor, ...]]:
    dtype = whole_dtype(recipe)
    if dtype is None:
        return model, given
    return model.to(dtype=dtype), (given[0].to(dtype), *given[1:])


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer | None:
    if recipe.mode is not Mode.TRAIN:
        return None
    return optimizer_of(model, recipe, capturable=recipe.engine is Engine.GRAPH)
