"""What `resprof show` and `resprof list` answer."""

from __future__ import annotations

from dataclasses import dataclass

from resprof.records.cost import Shape
from resprof.records.flops import PaperFigure


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowRow:
    """A row of Table 1: what the stage is made of, in the paper's notation."""

    stage: str
    output: Shape
    layers: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowTotal:
    """What a network of Table 1 costs for one image."""

    params: int
    macs: int
    flops: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowResult:
    """A network in the form of Table 1."""

    model: str
    title: str
    recipe: None = None
    rows: tuple[ShowRow, ...]
    total: ShowTotal
    paper: PaperFigure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """A network that can be asked for; ``options`` are the suffixes that it takes."""

    model: str
    label: str
    options: tuple[str, ...]
    layers: int
    image: tuple[int, int]
    params: int
    macs: int
    flops: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListResult:
    """Every listed network, in one result without a model."""

    model: None = None
    recipe: None = None
    rows: tuple[ListRow, ...]
    total: None = None
