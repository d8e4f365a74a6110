"""PyTorch's CUDA caching allocator as a pure model, for one stream and with default settings.

Source: malloc, get_free_block, should_split, alloc_found_block, free_block and try_merge_blocks of
c10/cuda/CUDACachingAllocator.cpp. Not modelled: further streams, CUDA graphs' private pools, and
what is off by default (garbage_collection_threshold, max_split_size_mb, roundup_power2_divisions).
The device gives a segment exactly as long as the capacity is not exceeded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from resprof.memory.rules import (
    GRANULE,
    LARGE_SEGMENT,
    SMALL_REQUEST,
    SMALL_SEGMENT,
    AllocatorKind,
    block_bytes,
)
from resprof.memory.segments import (
    ADDRESS_BITS,
    Device,
    ExpandableSegments,
    FixedSegments,
    Pool,
    Segments,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What the allocator counts, in bytes, at one moment or each at its own highest.

    ``requested_bytes`` are what tensors asked for, "requested_bytes.all" of
    ``torch.cuda.memory_stats``; ``allocated_bytes`` the blocks that hold them,
    ``torch.cuda.memory_allocated``; ``reserved_bytes`` the segments that hold those,
    ``torch.cuda.memory_reserved``.
    """

    requested_bytes: int
    allocated_bytes: int
    reserved_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPeak(Levels):
    """The most bytes at any time, each level at its own moment.

    ``process_bytes`` is the process as the driver sees it: what is reserved and the CUDA context.
    """

    process_bytes: int

    @property
    def needed_bytes(self) -> int:
        """What has to fit: the process without segments that are only cached."""
        return self.allocated_bytes + self.process_bytes - self.reserved_bytes


class Level(StrEnum):
    """The four sums of a ``MemoryPeak``."""

    REQUESTED = "requested"
    ALLOCATED = "allocated"
    RESERVED = "reserved"
    PROCESS = "process"

    def of(self, peak: MemoryPeak) -> int:
        """That sum, in bytes."""
        size: int = getattr(peak, f"{self}_bytes")
        return size


def each_level(choose: Callable[[Iterable[int]], int], levels: Sequence[Levels]) -> Levels:
    """The levels chosen one by one, such as with ``max``; 0 where there are none to choose from."""
    if not levels:
        return Levels(requested_bytes=0, allocated_bytes=0, reserved_bytes=0)
    return Levels(
        requested_bytes=choose(each.requested_bytes for each in levels),
        allocated_bytes=choose(each.allocated_bytes for each in levels),
        reserved_bytes=choose(each.reserved_bytes for each in levels),
    )


def with_process(peak: Levels, process_bytes: int) -> MemoryPeak:
    """The allocator's peak with the process's."""
    return MemoryPeak(
        requested_bytes=peak.requested_bytes,
        allocated_bytes=peak.allocated_bytes,
        reserved_bytes=peak.reserved_bytes,
        process_bytes=process_bytes,
    )


def with_context(peak: Levels, context_bytes: int) -> MemoryPeak:
    """The allocator's peak in a process whose CUDA context takes that much."""
    return with_process(peak, peak.reserved_bytes + context_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """An allocation that finds no memory: what it asks for and what there is, in bytes.

    ``device_bytes`` is what the allocator then asks of the device, ``free_bytes`` what the device
    has left, beside what is allocated and reserved already.
    """

    requested_bytes: int
    device_bytes: int
    free_bytes: int
    allocated_bytes: int
    reserved_bytes: int


class DeviceFull(Exception):
    """An allocation found no memory, not even after all that was cached had been given back."""

    def __init__(self, shortage: Shortage) -> None:
        super().__init__(str(shortage))
        self.shortage = shortage


class CachingAllocator:
    """Allocates and frees by address; ``requested``, ``allocated``, ``reserved`` are bytes now.

    ``capacity_bytes`` is what the device has for segments, None is without end. A request of no
    bytes takes no block and has address 0.
    """

    def __init__(
        self, kind: AllocatorKind = AllocatorKind.DEFAULT, *, capacity_bytes: int | None = None
    ) -> None:
        expandable = kind is AllocatorKind.EXPANDABLE
        self._device = Device(capacity_bytes)
        self._segments: Segments = (
            ExpandableSegments(self._device) if expandable else FixedSegments(self._device)
        )
        self._small = Pool(least_rest=GRANULE, page=SMALL_SEGMENT)
        self._large = Pool(
            least_rest=GRANULE if expandable else SMALL_REQUEST + 1, page=LARGE_SEGMENT
        )
        self._live: dict[int, tuple[int, int]] = {}
        self.requested = self._peak_requested = 0
        self.allocated = self._peak_allocated = 0
        self.retries = 0
        """How often everything cached was given back to make room."""

    @property
    def reserved(self) -> int:
        """Bytes in segments."""
        return self._device.reserved

    @property
    def levels(self) -> Levels:
        """What there is now."""
        return Levels(
            requested_bytes=self.requested,
            allocated_bytes=self.allocated,
            reserved_bytes=self._device.reserved,
        )

    @property
    def peak(self) -> Levels:
        """The most that there was at once of each."""
        return Levels(
            requested_bytes=self._peak_requested,
            allocated_bytes=self._peak_allocated,
            reserved_bytes=self._device.peak,
        )

    def allocate(self, requested: int) -> int:
        """The address of a block for that many bytes; raises ``DeviceFull``."""
        if requested == 0:
            return 0
        size = block_bytes(requested)
        pool = self._small if size <= SMALL_REQUEST else self._large
        index = bisect_left(pool.keys, size << ADDRESS_BITS)
        if index < len(pool.keys):
            address, block = pool.take(self._segments.prefer(pool, index))
        else:
            address, block = self._grow(pool, size, requested)
        rest = block - size
        if rest >= pool.least_rest:
            pool.add(address + size, rest)
            block = size
        self._live[address] = (requested, block)
        self.requested += requested
        self.allocated += block
        # Comparisons, for this runs for every event and a call of max costs more.
        if self.requested > self._peak_requested:  # noqa: PLR1730
            self._peak_requested = self.requested
        if self.allocated > self._peak_allocated:  # noqa: PLR1730
            self._peak_allocated = self.allocated
        return address

    def free(self, address: int) -> None:
        """Frees what ``allocate`` returned."""
        if address == 0:
            return
        requested, size = self._live.pop(address)
        self.requested -= requested
        self.allocated -= size
        # A block of the small pool has exactly the size that was looked for, so it tells the pool.
        (self._small if size <= SMALL_REQUEST else self._large).put(address, size)

    def block_size(self, address: int) -> int:
        """The size of a live block, what was not split off included."""
        return self._live[address][1] if address else 0

    def live_blocks(self) -> list[tuple[int, int]]:
        """Address and size of every live block."""
        return [(address, size) for address, (_, size) in self._live.items()]

    def free_blocks(self) -> list[tuple[int, int]]:
        """Address and size of every free block."""
        return [*self._small.blocks(), *self._large.blocks()]

    def unmapped_ranges(self) -> list[tuple[int, int]]:
        """Start and size of what expandable segments have not mapped."""
        return [*self._small.unmapped.items(), *self._large.unmapped.items()]

    def segment_ranges(self) -> list[tuple[int, int]]:
        """Start and end of every segment."""
        return self._segments.ranges()

    def _grow(self, pool: Pool, size: int, requested: int) -> tuple[int, int]:
        """A block from the device, for which cached ones may have to go."""
        segments = self._segments
        block = segments.grow(pool, size)
        if block is None:
            self.retries += 1
            segments.release(self._large)
            segments.release(self._small)
            block = segments.grow(pool, size)
        if block is None:
            raise DeviceFull(
                Shortage(
                    requested_bytes=requested,
                    device_bytes=segments.wanted(pool, size),
                    free_bytes=self._device.free,
                    allocated_bytes=self.allocated,
                    reserved_bytes=self._device.reserved,
                )
            )
        return block
