"""The memory events of a training step or an inference, for any batch size."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What happens to a block of memory."""

    ALLOCATE = "allocate"
    FREE = "free"
    MOVE = "move"
    """The block goes on under another name: what looked like a new tensor was written in place."""


class Role(StrEnum):
    """What a block holds."""

    PARAMETER = "parameter"
    BUFFER = "buffer"
    """Batch norm's running statistics."""
    INPUT = "input"
    GRADIENT = "gradient"
    OPTIMIZER = "optimizer"
    """The optimiser's state and, with fp16 autocast, the gradient scaler's."""
    ACTIVATION = "activation"
    """Kept for backward, also where a checkpointed block made it again."""
    TEMPORARY = "temporary"
    WORKSPACE = "workspace"
    """What only a GPU takes: library workspaces and reserves."""


class Phase(StrEnum):
    """When it happens."""

    SETUP = "setup"
    FORWARD = "forward"
    BACKWARD = "backward"
    OPTIMIZER = "optimizer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event; ``constant + per_image * batch`` are the bytes that were asked for.

    ``block`` numbers the storage, from 0 in order of appearance; FREE and MOVE name a block that
    is live, MOVE's ``onto`` is the number that it goes on under. ``operator`` is torch's name
    (``aten.convolution``), that of the last one before a FREE. ``module`` is the path of the module
    that ran it, in backward as in forward, or whose parameter the block belongs to (gradient,
    optimiser state), and ``stage`` its row of Table 1; both are empty outside of the network.
    ``step`` counts training steps from 1, 0 in setup.
    """

    action: Action
    block: int
    onto: int | None = None
    constant: int
    per_image: int
    operator: str
    module: str
    stage: str
    phase: Phase
    step: int
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The events of setup and of some steps, in order.

    ``key`` says what was traced: network and recipe without the batch. ``batches`` are the sizes
    that were traced to find ``constant`` and ``per_image``; with one size only, ``per_image`` is 0
    and the trace holds for that batch alone, with two for every batch from the smaller one on.
    ``largest_elements`` is (constant, per image) of the tensor that grows fastest with the batch.
    """

    key: str
    torch: str
    batches: tuple[int, ...]
    steps: int
    events: tuple[Event, ...]
    largest_elements: tuple[int, int]
