"""PyTorch's CUDA caching allocator as a pure model, for one stream.

Source: malloc, get_free_block, should_split, alloc_found_block, free_block and try_merge_blocks of
c10/cuda/CUDACachingAllocator.cpp. Not modelled: further streams, CUDA graphs' private pools, and
garbage_collection_threshold, which is off by default. The device gives a segment exactly as long
as the capacity is not exceeded.
"""

from __future__ import annotations

from bisect import bisect_left

from resprof.memory.rules import (
    GRANULE,
    LARGE_SEGMENT,
    NO_LIMIT,
    OVERSIZE_SLACK,
    SMALL_REQUEST,
    SMALL_SEGMENT,
    AllocatorKind,
    AllocatorSettings,
    block_bytes,
    check_settings,
)
from resprof.memory.segments import (
    ADDRESS_BITS,
    Device,
    ExpandableSegments,
    FixedSegments,
    Pool,
    Segments,
)

DEFAULT = AllocatorSettings()


class DeviceFull(Exception):
    """An allocation found no memory, not even after all that was cached had been given back."""

    def __init__(self, *, requested: int, wanted: int, free: int) -> None:
        super().__init__(f"{requested} bytes asked for, {wanted} of the device, {free} free")
        self.requested = requested
        self.wanted = wanted
        self.free = free


class CachingAllocator:
    """Allocates and frees by address; ``requested``, ``allocated`` and their peaks are bytes.

    ``capacity_bytes`` is what the device has for segments, None is without end. A request of no
    bytes takes no block and has address 0.
    """

    def __init__(
        self, settings: AllocatorSettings = DEFAULT, *, capacity_bytes: int | None = None
    ) -> None:
        check_settings(settings)
        expandable = settings.kind is AllocatorKind.EXPANDABLE
        oversize = NO_LIMIT if settings.max_split_bytes is None else settings.max_split_bytes
        self._device = Device(capacity_bytes)
        self._segments: Segments = (
            ExpandableSegments(self._device) if expandable else FixedSegments(self._device)
        )
        self._small = Pool(least_rest=GRANULE, split_below=NO_LIMIT, page=SMALL_SEGMENT)
        self._large = Pool(
            least_rest=GRANULE if expandable else SMALL_REQUEST + 1,
            split_below=NO_LIMIT if expandable else oversize,
            page=LARGE_SEGMENT,
        )
        self._divisions = settings.roundup_power2_divisions
        self._oversize = oversize
        # The best fit is taken as it is: asking the rules below would change nothing.
        self._plain = not expandable and oversize == NO_LIMIT
        self._live: dict[int, tuple[int, int]] = {}
        self.requested = self.peak_requested = 0
        self.allocated = self.peak_allocated = 0
        self.retries = 0
        """How often everything cached was given back to make room."""

    @property
    def reserved(self) -> int:
        """Bytes in segments."""
        return self._device.taken

    @property
    def peak_reserved(self) -> int:
        """The most bytes that were in segments at once."""
        return self._device.peak

    def allocate(self, requested: int) -> int:
        """The address of a block for that many bytes; raises ``DeviceFull``."""
        if requested == 0:
            return 0
        size = block_bytes(requested, self._divisions)
        pool = self._small if size <= SMALL_REQUEST else self._large
        index = bisect_left(pool.keys, size << ADDRESS_BITS)
        if not self._plain:
            index = self._choose(pool, index, size)
        if index < len(pool.keys):
            address, found = pool.take(index)
        else:
            address, found = self._grow(pool, size, requested)
        rest = found - size
        if rest >= pool.least_rest and size < pool.split_below:
            pool.add(address + size, rest)
            found = size
        self._live[address] = (requested, found)
        self.requested += requested
        self.allocated += found
        # Comparisons, for this runs for every event and a call of max costs more.
        if self.requested > self.peak_requested:  # noqa: PLR1730
            self.peak_requested = self.requested
        if self.allocated > self.peak_allocated:  # noqa: PLR1730
            self.peak_allocated = self.allocated
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

    def _choose(self, pool: Pool, index: int, size: int) -> int:
        """The free block to use, given the best fit, both as indices of ``pool.keys``.

        Past its end where a new block is needed.
        """
        keys = pool.keys
        if index == len(keys):
            return index
        index = self._segments.prefer(pool, index)
        found = keys[index] >> ADDRESS_BITS
        if size < self._oversize:
            return index if found < self._oversize else len(keys)
        return index if found < size + OVERSIZE_SLACK else len(keys)

    def _grow(self, pool: Pool, size: int, requested: int) -> tuple[int, int]:
        """A block from the device, for which cached ones may have to go."""
        segments = self._segments
        found = segments.grow(pool, size)
        if (
            found is None
            and self._oversize < NO_LIMIT
            and segments.release_oversize(pool, size, self._oversize)
        ):
            found = segments.grow(pool, size)
        if found is None:
            self.retries += 1
            segments.release(self._large)
            segments.release(self._small)
            found = segments.grow(pool, size)
        if found is None:
            raise DeviceFull(
                requested=requested,
                wanted=segments.wanted(pool, size),
                free=self._device.free,
            )
        return found
