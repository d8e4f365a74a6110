"""What `resprof flops` answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from resprof.records.architecture import Architecture
from resprof.records.claim import Verdict
from resprof.records.cost import Shape
from resprof.records.recipe import Mode

if (
    TYPE_CHECKING
):  # only asked for by two options, and every record costs a start half a millisecond
    from resprof.records.reconcile import ToolFigure
    from resprof.records.unique import UniqueConv


class Per(StrEnum):
    """How finely a count is broken down."""

    STAGE = "stage"
    BLOCK = "block"
    LAYER = "layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRecipe:
    """What was counted: forward (infer) or forward and backward (train), for how many images."""

    mode: Mode
    batch: int
    image: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    """A stage, or a block named as in the paper; ``block`` is None in rows per stage.

    ``macs`` are those of the mode; forward and backward stand beside them. ``share`` is the part
    of the network's ``macs``.
    """

    stage: str
    block: str | None
    output: Shape
    params: int
    macs: int
    flops: int
    share: float
    forward_macs: int
    backward_macs: int
    elements: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """A layer by its module path, with everything a convolution is made of."""

    stage: str
    block: str
    layer: str
    kind: str
    input: Shape
    output: Shape
    kernel: tuple[int, int] | None
    stride: tuple[int, int] | None
    padding: tuple[int, int] | None
    dilation: tuple[int, int] | None
    groups: int | None
    params: int
    macs: int
    flops: int
    share: float
    forward_macs: int
    input_grad_macs: int
    weight_grad_macs: int
    elements: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """The sum of the rows."""

    params: int
    macs: int
    flops: int
    forward_macs: int
    backward_macs: int
    elements: int
    buffers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperFigure:
    """The paper's figure for this network beside ours, in the printed unit and for one image."""

    id: str
    where: str
    printed: str
    unit: str
    ours: float
    deviation: float
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessCheck:
    """A second count of the same network by another tool, and where the two differ.

    ``macs`` and ``ours`` are those of a pass over one image, ``macs`` None where the other tool is
    not installed. ``agrees`` is None where it cannot judge. ``differing`` names layers.
    """

    witness: str
    counts: str
    macs: int | None
    ours: int
    agrees: bool | None
    differing: tuple[str, ...]
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """torchvision's network of the same name, where it is another one than ours (v1.5, option B).

    ``extra_macs`` are the multiply-adds that it needs for one image beyond ours.
    """

    model: str
    extra_macs: int
    figures: tuple[ToolFigure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlopsResult:
    """One network counted; ``rows`` add up to ``total``.

    ``elsewhere`` is a sentence on what other tools print for the network of this name, None where
    torchvision has none.
    """

    model: str
    title: str
    architecture: Architecture
    recipe: CountRecipe
    per: Per
    rows: tuple[PartRow, ...] | tuple[LayerRow, ...]
    total: Total
    paper: PaperFigure | None
    elsewhere: str | None
    unique: tuple[UniqueConv, ...] | None = None
    check: tuple[WitnessCheck, ...] | None = None
    reconcile: tuple[ToolFigure, ...] | None = None
    sibling: Sibling | None = None
