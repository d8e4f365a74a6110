"""What operators and passes move between a chip and its memory, in bytes, for a whole batch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from resprof.records.trace import Phase

OPTIMIZER = "optimizer"
"""The row of what belongs to no stage: the update."""


class Op(StrEnum):
    """What an operator does; in backward it is the gradient of that."""

    CAST = "cast"
    """To the precision of autocast, and of gradients back from it."""
    CONV = "conv"
    LINEAR = "linear"
    BN = "bn"
    RELU = "relu"
    ADD = "add"
    PAD = "pad"
    MAX_POOL = "max_pool"
    AVG_POOL = "avg_pool"
    LOSS = "loss"
    INPUT_GRAD = "input grad"
    WEIGHT_GRAD = "weight grad"
    ACCUMULATE = "accumulate"
    """Adds a pass's weight gradient to those of the passes before."""
    UNSCALE = "unscale"
    """Looks for infinities before the gradient scaler allows an update."""
    UPDATE = "update"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A tensor by its name, and how many bytes of it are moved.

    ``of_images`` tells what grows with the batch from what belongs to the network.
    """

    tensor: str
    bytes: int
    of_images: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one operator computes and moves when it runs once; ``flops`` are two per MAC."""

    op: Op
    reads: tuple[Moved, ...]
    writes: tuple[Moved, ...]
    flops: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """An operator at its place; ``layer`` is the module's path, empty outside of the network.

    It runs ``times`` times in a call. Operators with the same ``group`` are one pass where passes
    are fused.
    """

    phase: Phase
    stage: str
    block: str
    layer: str
    work: Work
    group: str
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Operators that go over device memory together, with all that they move in a call.

    ``layer`` is the first one's, ``ops`` are in order of execution. ``bytes`` are of a call, in
    which the pass may run several times.
    """

    phase: Phase
    stage: str
    block: str
    layer: str
    ops: tuple[Op, ...]
    flops: int
    bytes: int
