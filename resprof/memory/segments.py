"""Where a pool's memory comes from, and which of its blocks are free.

Segments never touch each other in address, so two blocks that do are neighbours in one segment.

Source: alloc_block, release_blocks, try_allocate_expandable_block, find_expandable_block, map_block
and unmap_block of c10/cuda/CUDACachingAllocator.cpp.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Protocol

from resprof.memory.rules import LARGE_SEGMENT, SEGMENT_STEP, round_up, segment_bytes

ADDRESS_BITS = 120
"""More than a processor has: of the largest batch that can be asked for no request has 2^90 bytes,
and with 2^30 of them addresses end here."""
ADDRESS = (1 << ADDRESS_BITS) - 1


class Pool:
    """Free blocks, all of which are mapped and none of which touches another.

    ``keys`` are sorted integers, size above address: the first one from a size on is the best
    fit, the one of the lowest address among equals. ``size_at`` has a free block's size by its
    start and ``start_of`` its start by its end.

    A block is split where at least ``least_rest`` bytes would be left.
    """

    __slots__ = ("keys", "least_rest", "page", "size_at", "start_of", "unmapped")

    def __init__(self, *, least_rest: int, page: int) -> None:
        self.keys: list[int] = []
        self.size_at: dict[int, int] = {}
        self.start_of: dict[int, int] = {}
        self.least_rest = least_rest
        self.page = page
        self.unmapped: dict[int, int] = {}
        """Expandable segments only: address ranges without memory, size by start."""

    def add(self, address: int, size: int) -> None:
        """Adds a block that touches no free one."""
        insort(self.keys, size << ADDRESS_BITS | address)
        self.size_at[address] = size
        self.start_of[address + size] = address

    def take(self, index: int) -> tuple[int, int]:
        """Removes the block of ``keys[index]``: its address and size."""
        key = self.keys.pop(index)
        address, size = key & ADDRESS, key >> ADDRESS_BITS
        del self.size_at[address], self.start_of[address + size]
        return address, size

    def remove(self, address: int) -> int:
        """Removes the block at that address and returns its size."""
        size = self.size_at.pop(address)
        del self.start_of[address + size]
        del self.keys[bisect_left(self.keys, size << ADDRESS_BITS | address)]
        return size

    def put(self, address: int, size: int) -> None:
        """Adds a block and merges it with the free ones that it touches."""
        before = self.start_of.get(address)
        if before is not None:
            size += self.remove(before)
            address = before
        if address + size in self.size_at:
            size += self.remove(address + size)
        self.add(address, size)

    def blocks(self) -> list[tuple[int, int]]:
        """Address and size of every free block, the smallest first."""
        return [(key & ADDRESS, key >> ADDRESS_BITS) for key in self.keys]


_UNBOUNDED_SPACE = round_up(2**110, LARGE_SEGMENT)
"""An expandable segment's address range where the device has no end."""


class Device:
    """The memory that segments are made of; gives what is asked for as long as it is there."""

    __slots__ = ("capacity", "peak", "reserved")

    def __init__(self, capacity: int | None) -> None:
        self.capacity = capacity
        self.reserved = self.peak = 0

    @property
    def free(self) -> int:
        """What is left; only a device with an end runs out."""
        return 0 if self.capacity is None else self.capacity - self.reserved

    def take(self, size: int) -> bool:
        """Takes that many bytes; says whether there were enough."""
        if self.capacity is not None and self.reserved + size > self.capacity:
            return False
        self.reserved += size
        self.peak = max(self.peak, self.reserved)
        return True

    def give_back(self, size: int) -> None:
        """Returns memory to the device."""
        self.reserved -= size


class Segments(Protocol):
    """What the allocator asks of either way."""

    def prefer(self, pool: Pool, index: int) -> int:
        """The block to use instead of the best fit, both as indices of ``pool.keys``."""

    def grow(self, pool: Pool, size: int) -> tuple[int, int] | None:
        """A block that is large enough and in no list; None where the device has not enough."""

    def wanted(self, pool: Pool, size: int) -> int:
        """What ``grow`` asks of the device."""

    def release(self, pool: Pool) -> None:
        """Gives back all that is free and can be given back."""

    def ranges(self) -> list[tuple[int, int]]:
        """Start and end of every segment."""


class FixedSegments:
    """One cudaMalloc for each segment.

    Addresses only ever rise, by assumption: that decides between free blocks of equal size.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._size_at: dict[int, int] = {}
        self._next = SEGMENT_STEP

    def prefer(self, pool: Pool, index: int) -> int:  # noqa: ARG002
        """The best fit."""
        return index

    def wanted(self, pool: Pool, size: int) -> int:  # noqa: ARG002
        """A whole segment."""
        return segment_bytes(size)

    def grow(self, pool: Pool, size: int) -> tuple[int, int] | None:  # noqa: ARG002
        """A new segment, as one block."""
        segment = segment_bytes(size)
        if not self._device.take(segment):
            return None
        start = self._next
        self._next += segment + SEGMENT_STEP  # a gap, so that segments do not touch
        self._size_at[start] = segment
        return start, segment

    def release(self, pool: Pool) -> None:
        """Every segment that is free as a whole."""
        for address, size in pool.blocks():
            if self._size_at.get(address) == size:
                pool.remove(address)
                del self._size_at[address]
                self._device.give_back(size)

    def ranges(self) -> list[tuple[int, int]]:
        """Start and end of every segment."""
        return [(start, start + size) for start, size in self._size_at.items()]


class ExpandableSegments:
    """Address ranges that are mapped page by page as they are needed; one per pool, as a rule."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._space_at: dict[int, int] = {}
        self._next = LARGE_SEGMENT

    def prefer(self, pool: Pool, index: int) -> int:
        """A block that can still grow counts as large as it can become, so others come first."""
        keys = pool.keys
        while index + 1 < len(keys) and _reach(pool, keys[index + 1]) < _reach(pool, keys[index]):
            index += 1
        return index

    def wanted(self, pool: Pool, size: int) -> int:
        """The pages that are missing at the lowest address with room."""
        start = self._room(pool, size)
        have = 0 if start is None else pool.size_at.get(start, 0)
        return round_up(size - have, pool.page)

    def grow(self, pool: Pool, size: int) -> tuple[int, int] | None:
        """Maps pages behind or between free blocks, at the lowest address with room.

        Pages that were mapped before the device ran out stay mapped.
        """
        start = self._room(pool, size)
        if start is None:
            start = self._reserve(pool)
        while (have := pool.size_at.get(start, 0)) < size:
            hole = start + have
            if not self._map(pool, hole, min(size - have, pool.unmapped[hole])):
                return None
        return start, pool.remove(start)

    def release(self, pool: Pool) -> None:
        """Unmaps every whole page that is free; what is left of its block stays."""
        for address, size in pool.blocks():
            first = round_up(address, pool.page)
            last = (address + size) // pool.page * pool.page
            if first >= last:
                continue
            pool.remove(address)
            if address < first:
                pool.add(address, first - address)
            if last < address + size:
                pool.add(last, address + size - last)
            self._device.give_back(last - first)
            self._unmap(pool, first, last)

    def ranges(self) -> list[tuple[int, int]]:
        """Start and end of every address range, mapped or not."""
        return [(start, start + space) for start, space in self._space_at.items()]

    def _room(self, pool: Pool, size: int) -> int | None:
        """The lowest start of free and unmapped ranges that add up to ``size``."""
        for hole in sorted(pool.unmapped):
            start = pool.start_of.get(hole, hole)
            end = start
            while end - start < size and (end in pool.size_at or end in pool.unmapped):
                end += pool.size_at.get(end) or pool.unmapped[end]
            if end - start >= size:
                return start
        return None

    def _reserve(self, pool: Pool) -> int:
        """A new address range of 9/8 of the device."""
        capacity = self._device.capacity
        space = _UNBOUNDED_SPACE if capacity is None else round_up(capacity * 9 // 8, pool.page)
        start = self._next
        # A gap, so that segments do not touch; the next one starts on a page of either pool.
        self._next = round_up(start + space + LARGE_SEGMENT, LARGE_SEGMENT)
        self._space_at[start] = pool.unmapped[start] = space
        return start

    def _map(self, pool: Pool, hole: int, size: int) -> bool:
        mapped = round_up(size, pool.page)
        if not self._device.take(mapped):
            return False
        room = pool.unmapped.pop(hole)
        if mapped < room:
            pool.unmapped[hole + mapped] = room - mapped
        pool.put(hole, mapped)
        return True

    def _unmap(self, pool: Pool, first: int, last: int) -> None:
        for start, size in tuple(pool.unmapped.items()):
            if start + size == first:
                first = start
                del pool.unmapped[start]
            elif start == last:
                last = start + size
                del pool.unmapped[start]
        if self._space_at.get(first) == last - first:
            del self._space_at[first]
        else:
            pool.unmapped[first] = last - first


def _reach(pool: Pool, key: int) -> int:
    size = key >> ADDRESS_BITS
    return size + pool.unmapped.get((key & ADDRESS) + size, 0)
