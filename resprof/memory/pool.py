"""The free blocks of one pool: by size for best fit, by address for merging.

Segments never touch each other in address, so two blocks that do are neighbours in one segment.
"""

from __future__ import annotations

from bisect import bisect_left, insort

ADDRESS_BITS = 64
ADDRESS = (1 << ADDRESS_BITS) - 1


class Pool:
    """Free blocks, all of which are mapped and none of which touches another.

    ``keys`` are sorted integers, size above address: the first one from a size on is the best
    fit, the one of the lowest address among equals. ``size_at`` has a free block's size by its
    start and ``start_of`` its start by its end.

    A block is split where at least ``least_rest`` bytes would be left and the request is smaller
    than ``split_below``.
    """

    __slots__ = ("keys", "least_rest", "page", "size_at", "split_below", "start_of", "unmapped")

    def __init__(self, *, least_rest: int, split_below: int, page: int) -> None:
        self.keys: list[int] = []
        self.size_at: dict[int, int] = {}
        self.start_of: dict[int, int] = {}
        self.least_rest = least_rest
        self.split_below = split_below
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
