"""How much of a network one pass over device memory does."""

from __future__ import annotations

from enum import StrEnum


class Fusion(StrEnum):
    """What counts as one pass: it reads what it is given once and writes what it gives once."""

    UNFUSED = "unfused"
    """Every operator is a pass of its own, as torch runs them eagerly."""
    FUSED = "fused"
    """A convolution takes along what only looks at single elements of its result."""
    WHOLE = "whole"
    """The whole network: no map ever leaves the chip."""
