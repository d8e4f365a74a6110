from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resprof.memory.allocator import CachingAllocator, DeviceFull
from resprof.memory.rules import AllocatorKind
from tests.memory.slow_allocator import OutOfMemory, SlowAllocator

MIB = 1024 * 1024

SIZES = st.one_of(
    st.sampled_from([1, 512, 1023, 512 * 1024, MIB, MIB + 1, 2 * MIB, 9 * MIB, 10 * MIB - 1]),
    st.sampled_from([10 * MIB, 19 * MIB, 20 * MIB, 21 * MIB + 5, 38 * MIB, 64 * MIB]),
    st.integers(1, 2 * MIB),
    st.integers(MIB, 80 * MIB),
)
KINDS = st.sampled_from(AllocatorKind)
CAPACITIES = st.one_of(st.none(), st.integers(1, 400 * MIB))


@dataclass(frozen=True)
class Step:
    """Allocates ``size`` bytes or, where it is 0, frees one of what is live."""

    size: int
    which: int


STEPS = st.lists(
    st.builds(Step, size=st.one_of(st.just(0), SIZES), which=st.integers(0, 1000)), max_size=60
)


@settings(max_examples=300, deadline=None)
@given(STEPS, KINDS, CAPACITIES)
def test_it_does_what_the_slow_one_does(
    steps: list[Step], kind: AllocatorKind, capacity: int | None
) -> None:
    fast, slow = (
        CachingAllocator(kind, capacity_bytes=capacity),
        SlowAllocator(kind, capacity),
    )
    live = []
    for step in steps:
        if step.size:
            try:
                address = fast.allocate(step.size)
            except DeviceFull:
                with pytest.raises(OutOfMemory):
                    slow.allocate(step.size)
            else:
                live.append((address, slow.allocate(step.size)))
        elif live:
            address, block = live.pop(step.which % len(live))
            fast.free(address)
            slow.free(block)
        assert (fast.requested, fast.allocated, fast.reserved) == slow.totals()
        assert places(fast) == slow.places()


def places(allocator: CachingAllocator) -> list[tuple[int, int, int]]:
    """Segment, offset in it, and size of every live block."""
    live = sorted(allocator.live_blocks())
    return [
        (index, address - start, size)
        for index, (start, end) in enumerate(sorted(allocator.segment_ranges()))
        for address, size in live
        if start <= address < end
    ]


@settings(max_examples=300, deadline=None)
@given(STEPS, KINDS, CAPACITIES)
def test_what_always_holds(steps: list[Step], kind: AllocatorKind, capacity: int | None) -> None:
    allocator = CachingAllocator(kind, capacity_bytes=capacity)
    live: list[int] = []
    failures: list[DeviceFull] = []
    for step in steps:
        if step.size:
            try:
                live.append(allocator.allocate(step.size))
            except DeviceFull as full:
                failures.append(full)
        elif live:
            allocator.free(live.pop(step.which % len(live)))
        assert allocator.requested <= allocator.allocated <= allocator.reserved
        assert allocator.peak.reserved_bytes >= allocator.reserved
        assert capacity is None or allocator.peak.reserved_bytes <= capacity
        check_tiling(allocator)
    assert all(full.shortage.device_bytes > full.shortage.free_bytes for full in failures)
    for address in live:
        allocator.free(address)
    assert (allocator.requested, allocator.allocated) == (0, 0)


def check_tiling(allocator: CachingAllocator) -> None:
    """Live, free and unmapped blocks cover each segment without gap or overlap."""
    mapped = [*allocator.live_blocks(), *allocator.free_blocks()]
    assert sum(size for _, size in mapped) == allocator.reserved
    assert all(size % 512 == 0 and address % 512 == 0 for address, size in mapped)
    pieces = sorted([*mapped, *allocator.unmapped_ranges()])
    for start, end in sorted(allocator.segment_ranges()):
        while start < end:
            address, size = pieces.pop(0)
            assert address == start
            start += size  # noqa: PLW2901
        assert start == end
    assert not pieces


@settings(max_examples=100, deadline=None)
@given(STEPS, KINDS)
def test_a_capacity_of_what_was_reserved_is_enough_for_the_default_kind(
    steps: list[Step], kind: AllocatorKind
) -> None:
    if kind is AllocatorKind.EXPANDABLE:
        return

    def run(capacity: int | None) -> tuple[int, int]:
        allocator = CachingAllocator(kind, capacity_bytes=capacity)
        live: list[int] = []
        for step in steps:
            if step.size:
                live.append(allocator.allocate(step.size))
            elif live:
                allocator.free(live.pop(step.which % len(live)))
        return allocator.peak.allocated_bytes, allocator.peak.reserved_bytes

    unlimited = run(None)
    assert run(unlimited[1]) == unlimited
