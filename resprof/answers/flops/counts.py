"""Counting a network and holding it against the paper, other tools and a second count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from resprof.counting.cost import BlockCost, Cost, NetworkCost, Shape
from resprof.counting.walk import count
from resprof.model.architecture import Architecture
from resprof.model.networks import describe, resolve
from resprof.model.published import Verdict, deviation, judge, paper_flops
from resprof.model.recipe import Mode
from resprof.units import format_si

if TYPE_CHECKING:
    from resprof.counting.reconcile import ToolFigure
    from resprof.counting.unique import UniqueConv


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


def flops(
    architecture: Architecture,
    *,
    per: Per = Per.STAGE,
    mode: Mode = Mode.INFER,
    batch: int = 1,
    with_unique: bool = False,
    with_reconcile: bool = False,
    check: tuple[WitnessCheck, ...] | None = None,
) -> FlopsResult:
    """Counts one network: rows per stage, block or layer that add up to the total."""
    cost = count(architecture)
    scaled = cost.total.times(batch)
    total = Total(
        params=scaled.params,
        macs=_macs(scaled, mode),
        flops=2 * _macs(scaled, mode),
        forward_macs=scaled.macs,
        backward_macs=scaled.backward_macs,
        elements=scaled.elements,
        buffers=scaled.buffers,
    )
    tools, sibling = _others(cost) if with_reconcile else (None, None)
    return FlopsResult(
        model=architecture.id,
        title=describe(architecture),
        architecture=architecture,
        recipe=CountRecipe(mode=mode, batch=batch, image=architecture.image),
        per=per,
        rows=tuple(_layer_rows(cost, mode, batch, total.macs))
        if per is Per.LAYER
        else tuple(_part_rows(cost, per, mode, batch, total.macs)),
        total=total,
        paper=paper_figure(cost),
        elsewhere=elsewhere(cost),
        unique=_unique(cost) if with_unique else None,
        check=check,
        reconcile=tools,
        sibling=sibling,
    )


def paper_figure(cost: NetworkCost) -> PaperFigure | None:
    """What the paper prints for this network, beside ours; None where it prints nothing."""
    published = paper_flops(cost.architecture)
    if published is None:
        return None
    ours = Fraction(
        cost.total.params if published.kind == "params" else cost.total.macs,
    )
    return PaperFigure(
        id=published.id,
        where=published.where,
        printed=published.printed,
        unit=published.unit,
        ours=float(ours / published.scale),
        deviation=deviation(published.printed, ours / published.scale),
        verdict=judge(published.printed, ours / published.scale),
    )


def elsewhere(cost: NetworkCost) -> str | None:
    """What other tools print for torchvision's network of this name, and why they differ."""
    from resprof.counting.reconcile import TORCHVISION, reconcile

    sibling = _torchvisions(cost)
    stated, *tools = reconcile(sibling or cost)
    if stated.value is None:
        return None
    which = "torchvision"
    if sibling is not None:
        name = sibling.architecture.id
        which = f"torchvision's {TORCHVISION[name].name} is {name}; it"
    printed = ", ".join(
        f"{tool.tool} {format_si(tool.value)}" for tool in tools if tool.per_mac == 1 and tool.value
    )
    return (
        f"{which} states {stated.printed} GFLOPS, which are MACs. Others add batch norm, ReLU, "
        f"pools or biases to the same network: {printed}."
    )


def _unique(cost: NetworkCost) -> tuple[UniqueConv, ...]:
    from resprof.counting.unique import unique_convolutions

    return unique_convolutions(cost)


def _others(cost: NetworkCost) -> tuple[tuple[ToolFigure, ...], Sibling | None]:
    """What other tools print for this network, and for torchvision's of the same name."""
    from resprof.counting.reconcile import reconcile

    theirs = _torchvisions(cost)
    if theirs is None:
        return reconcile(cost), None
    sibling = Sibling(
        model=theirs.architecture.id,
        extra_macs=theirs.total.macs - cost.total.macs,
        figures=reconcile(theirs),
    )
    return reconcile(cost), sibling


def _torchvisions(cost: NetworkCost) -> NetworkCost | None:
    """Torchvision's network of the same name, None where that is this very one or there is none."""
    from resprof.counting.reconcile import torchvision_sibling

    ours = cost.architecture
    name = torchvision_sibling(ours)
    return None if name is None else count(resolve(name, image=ours.image, classes=ours.classes))


def _macs(cost: Cost, mode: Mode) -> int:
    return cost.macs + (cost.backward_macs if mode is Mode.TRAIN else 0)


def _part_rows(
    cost: NetworkCost, per: Per, mode: Mode, batch: int, total: int
) -> Iterable[PartRow]:
    for part in cost.stages() if per is Per.STAGE else cost.blocks:
        scaled = part.cost.times(batch)
        macs = _macs(scaled, mode)
        yield PartRow(
            stage=part.stage,
            block=part.name if isinstance(part, BlockCost) else None,
            output=part.output,
            params=scaled.params,
            macs=macs,
            flops=2 * macs,
            share=macs / total,
            forward_macs=scaled.macs,
            backward_macs=scaled.backward_macs,
            elements=scaled.elements,
        )


def _layer_rows(cost: NetworkCost, mode: Mode, batch: int, total: int) -> Iterable[LayerRow]:
    for placed in cost.layers():
        layer = placed.layer
        scaled = layer.cost.times(batch)
        macs = _macs(scaled, mode)
        yield LayerRow(
            stage=placed.stage,
            block=placed.block,
            layer=placed.name,
            kind=layer.kind,
            input=layer.input,
            output=layer.output,
            kernel=layer.kernel,
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            groups=layer.groups,
            params=scaled.params,
            macs=macs,
            flops=2 * macs,
            share=macs / total,
            forward_macs=scaled.macs,
            input_grad_macs=scaled.input_grad_macs,
            weight_grad_macs=scaled.weight_grad_macs,
            elements=scaled.elements,
        )
