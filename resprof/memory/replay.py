"""A trace's events through the allocator: the peaks, every event, or memory over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

from resprof.memory.allocator import (
    CachingAllocator,
    DeviceFull,
    Levels,
    Shortage,
    each_level,
)
from resprof.memory.overlay import Overlay, overlaid
from resprof.memory.rules import AllocatorKind
from resprof.memory.trace import Action, Trace
from resprof.model.recipe import Phase, Recipe


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
            raise ValueError(f"the trace does not cover a batch of {batch}")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A stream put through the allocator: the peaks, up to where memory ran out if it did.

    ``failed_at`` counts the stream's codes; it and ``shortage`` are None where everything fitted.
    """

    peak: Levels
    retries: int
    failed_at: int | None
    shortage: Shortage | None


def replay(
    stream: Stream,
    batch: int,
    kind: AllocatorKind = AllocatorKind.DEFAULT,
    *,
    capacity_bytes: int | None = None,
) -> Replay:
    """The peaks of a stream at one batch size, up to where it fails if it does."""
    allocator = CachingAllocator(kind, capacity_bytes=capacity_bytes)
    requests = stream.requests(batch)
    addresses = [0] * len(requests)
    allocate, free = allocator.allocate, allocator.free
    failed_at = shortage = None
    code = 0
    try:
        for code in stream.codes:
            if code >= 0:
                addresses[code] = allocate(requests[code])
            else:
                free(addresses[~code])
    except DeviceFull as full:
        failed_at, shortage = stream.codes.index(code), full.shortage
    return Replay(
        peak=allocator.peak, retries=allocator.retries, failed_at=failed_at, shortage=shortage
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailedReplay:
    """What there is after each of the stream's codes, and the size of each allocation's block."""

    levels: Sequence[Levels]
    block_sizes: Sequence[int]


def follow(
    stream: Stream, batch: int, kind: AllocatorKind = AllocatorKind.DEFAULT
) -> DetailedReplay:
    """The same without a limit, with what there is after each event, and slower for it."""
    allocator = CachingAllocator(kind)
    requests = stream.requests(batch)
    addresses = [0] * len(requests)
    block_sizes = [0] * len(requests)
    levels = []
    for code in stream.codes:
        if code >= 0:
            addresses[code] = allocator.allocate(requests[code])
            block_sizes[code] = allocator.block_size(addresses[code])
        else:
            allocator.free(addresses[~code])
        levels.append(allocator.levels)
    return DetailedReplay(levels=levels, block_sizes=block_sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseSpan:
    """A phase of a step, from its first allocation or free up to ``end``, the next phase's."""

    step: int
    phase: Phase
    start: int
    end: int


def phase_spans(trace: Trace, stream: Stream) -> list[PhaseSpan]:
    """The phases of each step in order; each starts where the last one ends."""
    spans: list[PhaseSpan] = []
    in_order = (trace.events[index] for index in stream.events)
    for (step, phase), events in groupby(in_order, key=lambda event: (event.step, event.phase)):
        start = spans[-1].end if spans else 0
        spans.append(
            PhaseSpan(step=step, phase=phase, start=start, end=start + sum(1 for _ in events))
        )
    return spans


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelinePoint:
    """The most bytes from this event up to the next point's."""

    event: int
    most: Levels


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryTimeline:
    """A workload's predicted memory from event to event; ``events`` counts allocations and frees.

    No phase shares a point with another.
    """

    model: str
    recipe: Recipe
    events: int
    points: tuple[TimelinePoint, ...]
    phases: tuple[PhaseSpan, ...]


MOST_POINTS = 320
"""About one for every two pixels of a chart's width."""


def memory_timeline(
    model: str,
    recipe: Recipe,
    trace: Trace,
    overlay: Overlay,
    kind: AllocatorKind = AllocatorKind.DEFAULT,
    *,
    most_points: int = MOST_POINTS,
) -> MemoryTimeline:
    """Memory from event to event at ``recipe.batch``, in about that many points."""
    full = overlaid(trace, overlay)
    stream = flatten(full)
    levels = follow(stream, recipe.batch, kind).levels
    phases = phase_spans(full, stream)
    step = max(1, -(-len(stream.codes) // most_points))
    points = [
        TimelinePoint(
            event=start, most=each_level(max, levels[start : min(start + step, phase.end)])
        )
        for phase in phases
        for start in range(phase.start, phase.end, step)
    ]
    return MemoryTimeline(
        model=model,
        recipe=recipe,
        events=len(stream.codes),
        points=tuple(points),
        phases=tuple(phases),
    )
