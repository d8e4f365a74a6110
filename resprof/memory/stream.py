"""The events of a trace as flat lists of integers, resolved once for all batch sizes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from resprof.records.trace import Action, Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Allocations, numbered from 0 in order, and their frees.

    ``codes`` has ``n`` where allocation ``n`` happens and ``~n`` where it is freed, ``events`` the
    index of the trace's event beside it. ``amounts`` are the distinct (constant, per image) bytes
    and ``amount_of`` says which of them allocation ``n`` asks for. ``fixed_batch`` is the one
    batch size that the stream holds for, None where it holds for all.
    """

    codes: tuple[int, ...]
    events: tuple[int, ...]
    amounts: tuple[tuple[int, int], ...]
    amount_of: tuple[int, ...]
    fixed_batch: int | None

    def requests(self, batch: int) -> list[int]:
        """What each allocation asks for, in bytes."""
        if batch < 1 or (self.fixed_batch is not None and batch != self.fixed_batch):
            raise ValueError(f"the trace says nothing about a batch of {batch}")
        sizes = [constant + per_image * batch for constant, per_image in self.amounts]
        return [sizes[amount] for amount in self.amount_of]

    def peak_requested(self, batch: int) -> int:
        """The most bytes asked for at once, without an allocator.

        It never falls as the batch grows, because no allocation shrinks.
        """
        requests = self.requests(batch)
        changes = (requests[code] if code >= 0 else -requests[~code] for code in self.codes)
        return max(accumulate(changes), default=0)


def flatten(trace: Trace) -> Stream:
    """Resolves names and moves; ``ValueError`` for events that contradict each other."""
    codes: list[int] = []
    events: list[int] = []
    amounts: dict[tuple[int, int], int] = {}
    amount_of: list[int] = []
    allocation_of: dict[int, int] = {}
    for index, event in enumerate(trace.events):
        if event.action is Action.ALLOCATE:
            if event.block in allocation_of:
                raise ValueError(f"event {index} allocates block {event.block}, which is live")
            if event.constant < 0 or event.per_image < 0:
                raise ValueError(f"event {index} allocates less for a larger batch")
            amount = (event.constant, event.per_image)
            codes.append(len(amount_of))
            allocation_of[event.block] = len(amount_of)
            amount_of.append(amounts.setdefault(amount, len(amounts)))
        elif event.block not in allocation_of:
            raise ValueError(f"event {index} names block {event.block}, which is not live")
        elif event.action is Action.FREE:
            codes.append(~allocation_of.pop(event.block))
        else:
            if event.onto is None or event.onto in allocation_of:
                raise ValueError(f"event {index} moves onto a block that cannot take it")
            allocation_of[event.onto] = allocation_of.pop(event.block)
            continue
        events.append(index)
    return Stream(
        codes=tuple(codes),
        events=tuple(events),
        amounts=tuple(amounts),
        amount_of=tuple(amount_of),
        fixed_batch=trace.batches[0] if len(trace.batches) == 1 else None,
    )
