"""Sizes and roundings of PyTorch's CUDA caching allocator.

Source: c10/core/AllocatorConfig.h (the constants; torch 2.13), round_size and get_allocation_size
of c10/cuda/CUDACachingAllocator.cpp.
"""

from __future__ import annotations

from enum import StrEnum


class AllocatorKind(StrEnum):
    """How the caching allocator gets memory from the device; else its settings are the defaults."""

    DEFAULT = "default"
    """One cudaMalloc for each segment."""
    EXPANDABLE = "expandable"
    """``expandable_segments:True``: one segment for each pool, which grows by pages."""


MIB = 2**20
GRANULE = 512
"""Every block is a multiple of this."""
SMALL_REQUEST = MIB
"""The largest request that the small pool serves."""
SMALL_SEGMENT = 2 * MIB
LARGE_SEGMENT = 20 * MIB
"""What requests above 1 MiB and below 10 MiB share."""
OWN_SEGMENT_FROM = 10 * MIB
SEGMENT_STEP = 2 * MIB
"""Segments of one large request are rounded up to this. All segments are multiples of it."""


def round_up(size: int, step: int) -> int:
    """The next multiple of ``step``."""
    return -(-size // step) * step


def block_bytes(requested: int) -> int:
    """The size of the block that a request is looked for with."""
    return max(GRANULE, round_up(requested, GRANULE))


def segment_bytes(size: int) -> int:
    """What is asked of the device for a block of that size, without expandable segments."""
    if size <= SMALL_REQUEST:
        return SMALL_SEGMENT
    if size < OWN_SEGMENT_FROM:
        return LARGE_SEGMENT
    return round_up(size, SEGMENT_STEP)
