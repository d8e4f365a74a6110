"""Traces a network: two small batches for all sizes, one for a size that stands alone."""

from __future__ import annotations

from dataclasses import replace

import torch

from resprof.records.environment import DeviceKind
from resprof.records.recipe import Recipe
from resprof.records.trace import Trace
from resprof.steps.empty import STEPS
from resprof.steps.network import Network
from resprof.tracing.affine import alone, join
from resprof.tracing.record import record
from resprof.tracing.selfcheck import check_torch

TRACED = (2, 3)
"""The batch sizes that are traced for all others from 2 on."""


def trace(
    network: Network, recipe: Recipe, *, key: str, kernels: DeviceKind = DeviceKind.CUDA
) -> Trace:
    """The memory events of setup and two steps, for every batch from 2 on or the recipe's alone.

    A batch of one is traced by itself, and so is a recipe whose events are not the same at both
    traced sizes; ``batches`` says so. ``kernels`` says whose operators run, CUDA's for a
    prediction.

    Raises ``UnknownTorch`` for a torch that works otherwise, ``NotTraceable`` for an operator that
    needs data, ``UsageError`` for a batch that the network refuses.
    """
    check_torch()
    if recipe.batch >= min(TRACED):
        first, second = (
            record(network, replace(recipe, batch=batch), kernels=kernels) for batch in TRACED
        )
        joined = join(
            first,
            second,
            key=key,
            torch=torch.__version__,
            steps=STEPS,
            stages=network.stages,
        )
        if joined is not None:
            return joined
    return trace_alone(network, recipe, key=key, kernels=kernels)


def trace_alone(
    network: Network, recipe: Recipe, *, key: str, kernels: DeviceKind = DeviceKind.CUDA
) -> Trace:
    """The same for the recipe's batch and no other."""
    check_torch()
    raw = record(network, recipe, kernels=kernels)
    return alone(raw, key=key, torch=torch.__version__, steps=STEPS, stages=network.stages)
