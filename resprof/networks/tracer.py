"""Traces a network: two small batches for all sizes, one for a size that stands alone.

Predictions rest on internals of torch: when autograd lets go of a tensor, what a fake kernel
returns, how gradients are added up. They may change with any version, so each process looks at
figures that can be worked out by hand before it trusts the ones that cannot.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn

from resprof.memory.trace import Action, RawTrace, Role, Trace, alone, join
from resprof.model.environment import DeviceKind
from resprof.model.recipe import Checkpoint, Mode, Optimizer, OptimizerImpl, Phase, Recipe
from resprof.networks.recorder import UnknownTorch, record
from resprof.networks.step import STEPS, Network

_BATCH, _SIDE, _CHANNELS, _WIDTH, _CLASSES = 2, 8, 3, 4, 5
_FP32, _INT64 = 4, 8


class _Tiny(nn.Module):
    """conv, bn, relu; conv, bn, plus the shortcut, relu; average pool, fully connected."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(_CHANNELS, _WIDTH, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(_WIDTH)
        self.conv2 = nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(_WIDTH)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(_WIDTH, _CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = self.relu(self.bn1(self.conv1(x)))
        out = self.conv2(x)
        out = self.bn2(out)
        out += x
        logits: Tensor = self.fc(self.pool(self.relu(out)).flatten(1))
        return logits


@cache
def check_torch() -> None:
    """Raises ``UnknownTorch`` where this torch does something else; looks once per process."""
    network = Network(
        build=_Tiny, stages=(), blocks=(), image=(_CHANNELS, _SIDE, _SIDE), classes=_CLASSES
    )
    recipe = Recipe(
        mode=Mode.TRAIN,
        batch=_BATCH,
        image=(_SIDE, _SIDE),
        optimizer=Optimizer.SGD_MOMENTUM,
        optimizer_impl=OptimizerImpl.FOREACH,
        accumulate=1,
        checkpoint=Checkpoint.NONE,
    )
    try:
        raw = record(network, recipe, kernels=DeviceKind.CUDA)
    except (AttributeError, TypeError, AssertionError) as error:
        raise UnknownTorch(torch.__version__, f"its internals differ ({error})") from error
    _compare("live after a step", live_at_end(raw), _standing())
    kept = sum(block.bytes for block in raw.blocks if block.role is Role.ACTIVATION)
    _compare("kept for backward", kept, STEPS * _kept())
    moves = sum(action.action is Action.MOVE for action in raw.seen)
    _compare("gradients added in place", moves, STEPS)
    owners = {action.module for action in raw.seen if action.phase is Phase.BACKWARD}
    if not {"conv1", "bn1", "conv2", "bn2", "fc"} <= owners:
        raise UnknownTorch(torch.__version__, "it does not tell whose backward runs")


def live_at_end(raw: RawTrace) -> int:
    """Bytes of the blocks that are never freed."""
    changes = Counter({Action.ALLOCATE: 1, Action.FREE: -1})
    return sum(changes[action.action] * raw.blocks[action.block].bytes for action in raw.seen)


def _compare(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise UnknownTorch(torch.__version__, f"{what}: {found}, not {expected}")


def _standing() -> int:
    """Parameters, gradients and momenta; buffers; input and labels."""
    parameters = 9 * _CHANNELS * _WIDTH + 9 * _WIDTH * _WIDTH + 2 * 2 * _WIDTH
    parameters += _WIDTH * _CLASSES + _CLASSES
    buffers = 2 * (2 * _WIDTH * _FP32 + _INT64)
    given = _BATCH * (_CHANNELS * _SIDE**2 * _FP32 + _INT64)
    return 3 * _FP32 * parameters + buffers + given


def _kept() -> int:
    """Both convolutions' and both batch norms' outputs, two statistics each, the pooled features.

    And of the loss the log-probabilities and the sum of the labels' weights.
    """
    one_map = _BATCH * _WIDTH * _SIDE**2
    return _FP32 * (4 * one_map + 2 * 2 * _WIDTH + _BATCH * (_WIDTH + _CLASSES) + 1)


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
