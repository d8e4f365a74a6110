"""The memory events of a step, for any batch size, and how they are joined from what was seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple

from resprof.model.recipe import Phase


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


class Seen(NamedTuple):
    """One action on one block; a tuple, for there are many."""

    action: Action
    block: int
    onto: int | None
    operator: str
    module: str
    phase: Phase
    step: int


@dataclass(slots=True, kw_only=True)
class Block:
    """A storage: its bytes, the elements of the tensor that made it, what it turns out to hold.

    ``module`` is the path of the module that it belongs to, empty outside of the network.
    """

    bytes: int
    elements: int
    module: str
    role: Role = Role.TEMPORARY


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTrace:
    """The actions in order, and the blocks by their numbers."""

    batch: int
    seen: tuple[Seen, ...]
    blocks: tuple[Block, ...]


class Ledger:
    """Writes down what happens to blocks, and where the run is when it does."""

    def __init__(self) -> None:
        self.phase = Phase.SETUP
        self.step = 0
        self._operator = ""
        self._module = ""
        self._seen: list[Seen] = []
        self._blocks: list[Block] = []
        self._gone_makes_move: tuple[int, int] | None = None

    def enter(self, phase: Phase, step: int) -> None:
        """From now on actions are of this phase and step, and of no operator yet."""
        self.phase, self.step = phase, step
        self.operator("", "")

    def operator(self, name: str, module: str) -> None:
        """From now on actions are of this operator."""
        self._operator, self._module = name, module
        self._gone_makes_move = None

    def allocate(self, size: int, elements: int) -> int:
        """The number of a new block of that many bytes."""
        self._blocks.append(Block(bytes=size, elements=elements, module=self._module))
        number = len(self._blocks) - 1
        self._see(Action.ALLOCATE, number)
        return number

    def free(self, block: int) -> None:
        """The block goes, or went on under the number that ``move_if_gone`` expected."""
        if self._gone_makes_move is not None and self._gone_makes_move[0] == block:
            _, onto = self._gone_makes_move
            self._gone_makes_move = None
            self._seen.pop()
            self._see(Action.MOVE, block, onto)
        else:
            self._see(Action.FREE, block)

    def move_if_gone(self, block: int, onto: int) -> None:
        """If ``block`` is freed before the next operator, ``onto`` took its place all along."""
        newest = self._seen[-1]
        same_size = self._blocks[block].bytes == self._blocks[onto].bytes
        if newest.action is Action.ALLOCATE and newest.block == onto and same_size:
            self._gone_makes_move = (block, onto)

    def becomes(self, block: int, role: Role, module: str | None = None) -> None:
        """The block turns out to hold this, and to belong to that module."""
        self._blocks[block].role = role
        if module is not None:
            self._blocks[block].module = module

    def keep(self, blocks: Iterable[int]) -> None:
        """These are kept for backward."""
        for block in blocks:
            self._blocks[block].role = Role.ACTIVATION

    def raw(self, batch: int) -> RawTrace:
        """All that is written down."""
        return RawTrace(batch=batch, seen=tuple(_ordered(self._seen)), blocks=tuple(self._blocks))

    def _see(self, action: Action, block: int, onto: int | None = None) -> None:
        self._seen.append(
            Seen(action, block, onto, self._operator, self._module, self.phase, self.step)
        )


def _ordered(seen: list[Seen]) -> Iterator[Seen]:
    """Sorts blocks that go at once, for which an allocator ends in one state in any order.

    When autocast ends, its cache is emptied in the order of a hash table of addresses, which is
    another one in each run (aten/src/ATen/autocast_mode.cpp).
    """
    for gone, run in groupby(seen, key=_gone):
        actions = list(run)
        if gone is not None:
            actions.sort(key=lambda action: action.block)
        yield from actions


def _gone(seen: Seen) -> tuple[str, str, Phase, int] | None:
    if seen.action is not Action.FREE:
        return None
    return seen.operator, seen.module, seen.phase, seen.step


Stages = Sequence[tuple[str, tuple[str, ...]]]
"""Each stage's name and the paths of its modules."""


def join(
    first: RawTrace,
    second: RawTrace,
    *,
    key: str,
    torch: str,
    steps: int,
    stages: Stages,
) -> Trace | None:
    """The trace for all batch sizes; None where the two differ in more than bytes.

    Bytes and elements are those of ``first`` and an equal share for each further image.
    """
    if first.seen != second.seen or len(first.blocks) != len(second.blocks):
        return None
    pairs = list(zip(first.blocks, second.blocks, strict=True))
    if any((one.role, one.module) != (other.role, other.module) for one, other in pairs):
        return None
    further = second.batch - first.batch
    amounts = []
    elements = []
    for one, other in pairs:
        per_image, rest = divmod(other.bytes - one.bytes, further)
        if rest or per_image < 0 or one.bytes < per_image * first.batch:
            return None
        amounts.append((one.bytes - per_image * first.batch, per_image))
        more = (other.elements - one.elements) // further
        elements.append((more, one.elements - more * first.batch))
    per_image, constant = max(elements)
    return Trace(
        key=key,
        torch=torch,
        batches=(first.batch, second.batch),
        steps=steps,
        events=_events(first, amounts, stages),
        largest_elements=(constant, per_image),
    )


def alone(raw: RawTrace, *, key: str, torch: str, steps: int, stages: Stages) -> Trace:
    """The trace for the batch size of ``raw`` and no other."""
    return Trace(
        key=key,
        torch=torch,
        batches=(raw.batch,),
        steps=steps,
        events=_events(raw, [(block.bytes, 0) for block in raw.blocks], stages),
        largest_elements=(max(block.elements for block in raw.blocks), 0),
    )


def _events(raw: RawTrace, amounts: list[tuple[int, int]], stages: Stages) -> tuple[Event, ...]:
    """An allocation belongs to the module of its block, a free to the one that ran last."""
    events = []
    stage_of = _stage_of_modules(raw, stages)
    for action, number, onto, operator, module, phase, step in raw.seen:
        block = raw.blocks[number]
        constant, per_image = amounts[number]
        where = block.module if action is Action.ALLOCATE else module
        events.append(
            Event(
                action=action,
                block=number,
                onto=onto,
                constant=constant,
                per_image=per_image,
                operator=operator,
                module=where,
                stage=stage_of[where],
                phase=phase,
                step=step,
                role=block.role,
            )
        )
    return tuple(events)


def _stage_of_modules(raw: RawTrace, stages: Stages) -> dict[str, str]:
    """A module is of the stage that names it or one that it lies in; others are of none."""
    named = {path: stage for stage, paths in stages for path in paths}
    paths = {action.module for action in raw.seen} | {block.module for block in raw.blocks}
    stage_of = {}
    for path in paths:
        parts = path.split(".")
        outer = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        stage_of[path] = next((named[name] for name in outer if name in named), "")
    return stage_of
