"""Counting a network and holding it against the paper, other tools and a second count."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING

from resprof.analysis.printed import deviation, judge
from resprof.catalog.networks import describe, resolve
from resprof.catalog.published import paper_flops
from resprof.counting.walk import count
from resprof.records.architecture import Architecture
from resprof.records.cost import BlockCost, Cost, NetworkCost
from resprof.records.flops import (
    CountRecipe,
    FlopsResult,
    LayerRow,
    PaperFigure,
    PartRow,
    Per,
    Sibling,
    Total,
    WitnessCheck,
)
from resprof.records.recipe import Mode
from resprof.units import format_si

if TYPE_CHECKING:
    from resprof.records.reconcile import ToolFigure
    from resprof.records.unique import UniqueConv


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
