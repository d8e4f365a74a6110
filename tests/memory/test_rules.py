"""The allocator's rules one by one, each with its arithmetic.

Source: c10/cuda/CUDACachingAllocator.cpp, the function named in each group.
"""

from __future__ import annotations

import pytest

from resprof.memory.allocator import CachingAllocator, DeviceFull
from resprof.memory.rules import AllocatorKind, block_bytes, segment_bytes

MIB = 1024 * 1024
EXPANDABLE = AllocatorKind.EXPANDABLE


# round_size


@pytest.mark.parametrize(
    ("requested", "block"), [(1, 512), (511, 512), (512, 512), (513, 1024), (1_000_000, 1_000_448)]
)
def test_a_request_is_rounded_up_to_512_bytes(requested: int, block: int) -> None:
    # 1,000,000 / 512 = 1953.125, so 1954 * 512 = 1,000,448
    assert block_bytes(requested) == block


# get_allocation_size


@pytest.mark.parametrize(
    ("size", "segment"),
    [
        (512, 2 * MIB),
        (MIB, 2 * MIB),
        (MIB + 512, 20 * MIB),
        (10 * MIB - 512, 20 * MIB),
        (10 * MIB, 10 * MIB),
        (10 * MIB + 512, 12 * MIB),
        (33 * MIB, 34 * MIB),
    ],
)
def test_size_of_a_new_segment(size: int, segment: int) -> None:
    assert segment_bytes(size) == segment
    allocator = CachingAllocator()
    allocator.allocate(size)
    assert allocator.reserved == segment


# get_pool


def test_small_and_large_requests_share_no_segment() -> None:
    allocator = CachingAllocator()
    allocator.free(allocator.allocate(20 * MIB))
    allocator.allocate(512)
    assert allocator.reserved == 20 * MIB + 2 * MIB
    allocator.allocate(MIB + 1)
    assert allocator.reserved == 20 * MIB + 2 * MIB


# get_free_block


def test_the_smallest_free_block_that_is_large_enough_is_taken() -> None:
    allocator = CachingAllocator()
    addresses = [allocator.allocate(size * MIB) for size in (40, 30, 20)]
    for address in addresses:
        allocator.free(address)
    assert allocator.allocate(25 * MIB) == addresses[1]


@pytest.mark.parametrize("kind", AllocatorKind)
def test_of_equal_blocks_the_one_of_the_lowest_address_is_taken(kind: AllocatorKind) -> None:
    allocator = CachingAllocator(kind)
    first, _, second, _, third, _ = (allocator.allocate(30 * MIB) for _ in range(6))
    assert first < second < third
    for address in (third, first, second):
        allocator.free(address)
    assert [allocator.allocate(30 * MIB) for _ in range(3)] == [first, second, third]


# should_split


def test_the_small_pool_splits_off_every_rest() -> None:
    allocator = CachingAllocator()
    first = allocator.allocate(MIB - 512)
    assert allocator.block_size(first) == MIB - 512
    second = allocator.allocate(MIB)
    third = allocator.allocate(512)
    assert (second, third) == (first + MIB - 512, first + 2 * MIB - 512)
    assert allocator.reserved == 2 * MIB


def test_the_large_pool_splits_off_a_rest_of_more_than_a_mebibyte() -> None:
    allocator = CachingAllocator()
    kept_whole = allocator.allocate(11 * MIB)  # 12 - 11 = 1 MiB, which is not more than 1 MiB
    assert allocator.block_size(kept_whole) == 12 * MIB
    split = allocator.allocate(11 * MIB - 512)  # a rest of 1 MiB + 512
    assert allocator.block_size(split) == 11 * MIB - 512
    assert allocator.free_blocks() == [(split + 11 * MIB - 512, MIB + 512)]
    assert allocator.allocated == 12 * MIB + 11 * MIB - 512
    assert allocator.requested == 11 * MIB + 11 * MIB - 512


# free_block, try_merge_blocks


def test_freed_blocks_merge_with_their_neighbours_on_both_sides() -> None:
    allocator = CachingAllocator()
    low, middle, high = (allocator.allocate(6 * MIB) for _ in range(3))
    assert allocator.free_blocks() == [(high + 6 * MIB, 2 * MIB)]  # 20 - 3 * 6
    allocator.free(low)
    assert sorted(allocator.free_blocks()) == [(low, 6 * MIB), (high + 6 * MIB, 2 * MIB)]
    allocator.free(high)
    assert sorted(allocator.free_blocks()) == [(low, 6 * MIB), (high, 8 * MIB)]
    allocator.free(middle)
    assert allocator.free_blocks() == [(low, 20 * MIB)]
    assert (allocator.allocated, allocator.reserved) == (0, 20 * MIB)


def test_segments_do_not_merge_with_each_other() -> None:
    allocator = CachingAllocator()
    for address in [allocator.allocate(20 * MIB), allocator.allocate(20 * MIB)]:
        allocator.free(address)
    allocator.allocate(40 * MIB)
    assert allocator.reserved == 80 * MIB


# malloc, release_blocks


def test_segments_that_are_free_as_a_whole_are_given_back_before_giving_up() -> None:
    allocator = CachingAllocator(capacity_bytes=62 * MIB)
    allocator.free(allocator.allocate(20 * MIB))
    part, rest = allocator.allocate(12 * MIB), allocator.allocate(8 * MIB)
    assert allocator.reserved == 20 * MIB
    allocator.free(allocator.allocate(30 * MIB))
    allocator.free(allocator.allocate(512))
    assert allocator.reserved == 20 * MIB + 30 * MIB + 2 * MIB
    allocator.free(rest)
    # 42 do not fit beside 52; without the free 30 and 2 they do: 20 + 42 = 62. The segment of
    # 20 stays, for a part of it is live.
    allocator.allocate(42 * MIB)
    assert (allocator.reserved, allocator.retries) == (62 * MIB, 1)
    assert allocator.peak.reserved_bytes == 62 * MIB
    with pytest.raises(DeviceFull) as full:
        allocator.allocate(10 * MIB)
    assert (full.value.shortage.device_bytes, full.value.shortage.free_bytes) == (10 * MIB, 0)
    allocator.free(part)
    allocator.allocate(10 * MIB)
    assert allocator.reserved == 62 * MIB


def test_what_a_failure_says() -> None:
    allocator = CachingAllocator(capacity_bytes=25 * MIB)
    allocator.allocate(3 * MIB)
    with pytest.raises(DeviceFull) as full:
        allocator.allocate(19 * MIB + 1)  # 17 are left of the segment; a new one has 20
    assert full.value.shortage.requested_bytes == 19 * MIB + 1
    assert (full.value.shortage.device_bytes, full.value.shortage.free_bytes) == (20 * MIB, 5 * MIB)
    assert (allocator.requested, allocator.reserved) == (3 * MIB, 20 * MIB)


# expandable segments: map_block, find_expandable_block, unmap_block


def test_an_expandable_segment_grows_by_pages() -> None:
    allocator = CachingAllocator(EXPANDABLE)
    first = allocator.allocate(30 * MIB)  # two pages of 20
    assert (allocator.reserved, allocator.allocated) == (40 * MIB, 30 * MIB)
    second = allocator.allocate(25 * MIB)  # 10 are there, 15 are missing: one page
    assert second == first + 30 * MIB
    assert allocator.reserved == 60 * MIB
    allocator.allocate(512)
    assert allocator.reserved == 60 * MIB + 2 * MIB
    assert len(allocator.segment_ranges()) == 2


def test_with_expandable_segments_every_rest_is_split_off() -> None:
    allocator = CachingAllocator(EXPANDABLE)
    address = allocator.allocate(20 * MIB - 512)
    assert allocator.block_size(address) == 20 * MIB - 512
    assert allocator.free_blocks() == [(address + 20 * MIB - 512, 512)]


def test_the_end_of_an_expandable_segment_is_used_last() -> None:
    allocator = CachingAllocator(EXPANDABLE)
    early = allocator.allocate(12 * MIB)
    allocator.allocate(2 * MIB)
    allocator.free(early)
    # Free are 12 MiB at the start and 6 at the end; the end counts as large as it can become.
    assert allocator.allocate(5 * MIB) == early
    assert allocator.reserved == 20 * MIB


def test_whole_free_pages_are_unmapped_before_giving_up() -> None:
    allocator = CachingAllocator(EXPANDABLE, capacity_bytes=119 * MIB)
    first = allocator.allocate(50 * MIB)
    last = allocator.allocate(10 * MIB)  # pages 1 to 3: 0..60
    small = allocator.allocate(512)
    allocator.free(small)
    allocator.free(first)
    assert allocator.reserved == 62 * MIB
    # 60 want three pages more, which makes 122. Given back are the pages 0..20 and 20..40 of the
    # free 50 MiB and the small one; page 40..60 is held by the last block. 20 + 60 = 80.
    again = allocator.allocate(60 * MIB)
    assert again == last + 10 * MIB
    assert (allocator.reserved, allocator.retries) == (80 * MIB, 1)
    assert sorted(allocator.free_blocks()) == [(first + 40 * MIB, 10 * MIB)]
    # Addresses span 119 * 9 / 8 = 133.9 MiB, 140 in pages. There is room at 0..40 and at 120..140:
    # the lower one is taken.
    assert allocator.segment_ranges() == [(first, first + 140 * MIB)]
    assert allocator.allocate(15 * MIB) == first
    assert allocator.reserved == 100 * MIB


def test_fragments_that_stop_the_default_allocator_do_not_stop_the_expandable_one() -> None:
    def run(kind: AllocatorKind) -> int:
        allocator = CachingAllocator(kind)
        for size in (30, 32, 34, 36):
            allocator.free(allocator.allocate(size * MIB))
        return allocator.reserved

    assert run(AllocatorKind.DEFAULT) == (30 + 32 + 34 + 36) * MIB
    assert run(EXPANDABLE) == 40 * MIB


def test_no_bytes_take_no_block() -> None:
    allocator = CachingAllocator(capacity_bytes=0)
    allocator.free(allocator.allocate(0))
    assert (allocator.allocated, allocator.reserved) == (0, 0)
