"""Sizes and roundings of PyTorch's CUDA caching allocator.

Source: c10/core/AllocatorConfig.h (the constants; torch 2.13) and round_size,
get_allocation_size and roundup_power2_next_division of c10/cuda/CUDACachingAllocator.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from resprof.errors import UsageError


class AllocatorKind(StrEnum):
    """How the caching allocator gets memory from the device."""

    DEFAULT = "default"
    """One cudaMalloc for each segment."""
    EXPANDABLE = "expandable"
    """``expandable_segments:True``: one segment for each pool, which grows by pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocatorSettings:
    """What PYTORCH_ALLOC_CONF says about the caching allocator; the defaults are PyTorch's.

    ``roundup_power2_divisions`` is one number for requests of every size, a power of two, 0 for
    off. Free blocks of ``max_split_bytes`` and more are not split; None is no limit.
    """

    kind: AllocatorKind = AllocatorKind.DEFAULT
    roundup_power2_divisions: int = 0
    max_split_bytes: int | None = None


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
OVERSIZE_SLACK = 20 * MIB
"""By how much less than this an unsplittable block may exceed a request (the default of
max_non_split_rounding_mb)."""
NO_LIMIT = 2**62


def round_up(size: int, step: int) -> int:
    """The next multiple of ``step``."""
    return -(-size // step) * step


def block_bytes(requested: int, divisions: int = 0) -> int:
    """The size of the block that a request is looked for with.

    With ``divisions`` (a power of two) a request above 512 B times that many is rounded up to the
    next of as many equal steps between two powers of two, any other to 512 B.
    """
    if divisions <= 1 or requested <= GRANULE * divisions:
        return max(GRANULE, round_up(requested, GRANULE))
    power = 1 << (requested.bit_length() - 1)
    return round_up(requested, power // divisions)


def segment_bytes(size: int) -> int:
    """What is asked of the device for a block of that size, without expandable segments."""
    if size <= SMALL_REQUEST:
        return SMALL_SEGMENT
    if size < OWN_SEGMENT_FROM:
        return LARGE_SEGMENT
    return round_up(size, SEGMENT_STEP)


def check_settings(settings: AllocatorSettings) -> None:
    """Refuses what PyTorch refuses too."""
    divisions, max_split = settings.roundup_power2_divisions, settings.max_split_bytes
    if divisions < 0 or divisions.bit_count() > 1:
        raise UsageError(
            f"roundup_power2_divisions {divisions} is not a power of two",
            hint="it is 0 (off) or a power of two such as 4 or 8",
        )
    if max_split is not None and (max_split <= LARGE_SEGMENT or max_split % MIB):
        raise UsageError(
            f"a max split size of {max_split} bytes is not possible",
            hint="it is a whole number of MiB (max_split_size_mb) and more than 20 of them",
        )
