"""What is measured: a network by its recipe on a device, ready to be called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from resprof.measure.engines import run_by
from resprof.records.recipe import Engine, Mode, Recipe
from resprof.steps.network import Network
from resprof.steps.setup import arrange, memory_format, optimizer_of, whole_dtype
from resprof.steps.steps import Steps
from resprof.steps.watch import Watch

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
