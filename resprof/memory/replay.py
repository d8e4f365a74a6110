"""A stream through the allocator: the peaks alone, quickly, or everything after every event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resprof.memory.allocator import DEFAULT, CachingAllocator, DeviceFull
from resprof.memory.stream import Stream
from resprof.records.memory import AllocatorSettings


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
