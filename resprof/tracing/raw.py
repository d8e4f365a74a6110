"""What a trace at one batch size sees, before it becomes events. Loads no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from resprof.records.trace import Action, Phase, Role


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
