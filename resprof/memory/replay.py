"""A trace's events through the allocator: the peaks, every event, or the course of memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

from resprof.memory.allocator import DEFAULT, CachingAllocator, DeviceFull
from resprof.memory.overlay import Overlay, overlaid
from resprof.memory.rules import AllocatorSettings
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CoursePoint:
    """The most bytes from this event up to the next point's."""

    event: int
    requested_bytes: int
    allocated_bytes: int
    reserved_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CoursePhase:
    """A phase of a step, from its first event up to the ``end``, which is the next phase's."""

    step: int
    phase: Phase
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryCourse:
    """What a workload holds, predicted; ``events`` is how many allocations and frees there are."""

    model: str
    recipe: Recipe
    events: int
    points: tuple[CoursePoint, ...]
    phases: tuple[CoursePhase, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Full:
    """Where a replay ended early: ``position`` counts the stream's codes; the rest in bytes."""

    position: int
    requested: int
    wanted: int
    free: int
    allocated: int
    reserved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """The most bytes at any time; ``full`` is None where everything fitted."""

    requested: int
    allocated: int
    reserved: int
    retries: int
    full: Full | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Bytes after each of the stream's codes, and the block that each allocation got."""

    requested: Sequence[int]
    allocated: Sequence[int]
    reserved: Sequence[int]
    block_sizes: Sequence[int]


def replay(
    stream: Stream,
    batch: int,
    settings: AllocatorSettings = DEFAULT,
    *,
    capacity_bytes: int | None = None,
) -> Peaks:
    """The peaks of a stream at one batch size, up to where it fails if it does."""
    allocator = CachingAllocator(settings, capacity_bytes=capacity_bytes)
    requests = stream.requests(batch)
    addresses = [0] * len(requests)
    allocate, free = allocator.allocate, allocator.free
    full = None
    code = 0
    try:
        for code in stream.codes:
            if code >= 0:
                addresses[code] = allocate(requests[code])
            else:
                free(addresses[~code])
    except DeviceFull as error:
        full = Full(
            position=stream.codes.index(code),
            requested=error.requested,
            wanted=error.wanted,
            free=error.free,
            allocated=allocator.allocated,
            reserved=allocator.reserved,
        )
    return Peaks(
        requested=allocator.peak_requested,
        allocated=allocator.peak_allocated,
        reserved=allocator.peak_reserved,
        retries=allocator.retries,
        full=full,
    )


def follow(stream: Stream, batch: int, settings: AllocatorSettings = DEFAULT) -> History:
    """The same without a limit, with what there is after each event, and slower for it."""
    allocator = CachingAllocator(settings)
    requests = stream.requests(batch)
    addresses = [0] * len(requests)
    block_sizes = [0] * len(requests)
    requested: list[int] = []
    allocated: list[int] = []
    reserved: list[int] = []
    for code in stream.codes:
        if code >= 0:
            addresses[code] = allocator.allocate(requests[code])
            block_sizes[code] = allocator.block_size(addresses[code])
        else:
            allocator.free(addresses[~code])
        requested.append(allocator.requested)
        allocated.append(allocator.allocated)
        reserved.append(allocator.reserved)
    return History(
        requested=requested, allocated=allocated, reserved=reserved, block_sizes=block_sizes
    )


MOST_POINTS = 320
"""About one for every two pixels of a chart's width."""


def memory_course(
    model: str,
    recipe: Recipe,
    trace: Trace,
    overlay: Overlay,
    settings: AllocatorSettings = DEFAULT,
    *,
    most_points: int = MOST_POINTS,
) -> MemoryCourse:
    """What ``recipe.batch`` holds from event to event; no phase shares a point with another."""
    full = overlaid(trace, overlay)
    stream = flatten(full)
    history = follow(stream, recipe.batch, settings)
    phases = tuple(_phases(full, stream))
    step = max(1, -(-len(stream.codes) // most_points))
    points = [
        _point(history, start, min(start + step, phase.end))
        for phase in phases
        for start in range(phase.start, phase.end, step)
    ]
    return MemoryCourse(
        model=model,
        recipe=recipe,
        events=len(stream.codes),
        points=tuple(points),
        phases=phases,
    )


def _phases(trace: Trace, stream: Stream) -> list[CoursePhase]:
    found, start = [], 0
    in_order = (trace.events[index] for index in stream.events)
    for (step, phase), events in groupby(in_order, key=lambda event: (event.step, event.phase)):
        end = start + sum(1 for _ in events)
        found.append(CoursePhase(step=step, phase=phase, start=start, end=end))
        start = end
    return found


def _point(history: History, start: int, end: int) -> CoursePoint:
    return CoursePoint(
        event=start,
        requested_bytes=max(history.requested[start:end]),
        allocated_bytes=max(history.allocated[start:end]),
        reserved_bytes=max(history.reserved[start:end]),
    )
