"""An architecture as data: everything that tells one network of the paper from another."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

OPTIMIZER = "optimizer"
"""The row of what belongs to no stage: the update."""


LOSS = "loss"
"""What belongs to no row of Table 1: it follows the network in forward and precedes it in
backward."""


class Shortcut(StrEnum):
    """What a residual block adds to its output (He et al. 2015, Sec. 4.1)."""

    A = "A"
    """Identity; where the shape changes: every second pixel, new channels zero."""
    B = "B"
    """A 1x1 projection where the shape changes, identity elsewhere."""
    C = "C"
    """A 1x1 projection everywhere."""


class StrideIn(StrEnum):
    """Which convolution of a bottleneck block downsamples."""

    FIRST_1X1 = "1x1"
    """v1: the paper's published models."""
    MIDDLE_3X3 = "3x3"
    """v1.5: torchvision, MLPerf, NVIDIA."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stem:
    """The convolution before the first stage, and whether a 3x3/2 max pool follows it."""

    channels: int
    kernel: int
    stride: int
    pool: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A run of equal blocks on maps of one size.

    ``inner`` is the width of a block's 3x3, ``outer`` that of its output.
    """

    name: str
    blocks: int
    inner: int
    outer: int
    stride: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One network, completely: its family's walk and its module both read nothing else.

    ``block`` is what a stage repeats, in the family's word.
    ``image`` is (height, width) in pixels. ``width`` is the factor by which all channels of the
    stages have been multiplied already. ``pooled`` is the side of the average pool's output and
    ``hidden`` the fully connected layers before the classifier.
    """

    id: str
    family: str
    depth: int
    block: str
    stem: Stem | None
    stages: tuple[Stage, ...]
    shortcut: Shortcut | None
    stride_in: StrideIn | None
    groups: int
    pooled: int
    hidden: tuple[int, ...]
    image: tuple[int, int]
    classes: int
    in_channels: int
    width: float

    @property
    def halvings(self) -> int:
        """How often the network halves its maps."""
        stem = 0 if self.stem is None else (self.stem.stride == 2) + self.stem.pool
        return stem + sum(stage.stride == 2 for stage in self.stages)
