"""How a count stands to other tools: what they print and why, and what they count here and now.

Only counting again loads torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from resprof import units
from resprof.answers.flops.flops import FlopsResult, WitnessCheck, after_model, paper_notes
from resprof.counting.cost import NetworkCost, Shape, count
from resprof.counting.reconcile import ToolFigure
from resprof.errors import EnvironmentMissing
from resprof.model.architecture import Architecture
from resprof.model.recipe import Mode
from resprof.render.table import Column, Form, Origin, Table, tabulate

if TYPE_CHECKING:
    from torch import nn

    from resprof.counting.witness import WitnessCount


_GROUPED = (
    "not counted as a difference: torch's counter ignores groups in the weight gradient of a "
    "grouped convolution (pytorch issue 183405)"
)


def check_counts(architecture: Architecture, mode: Mode) -> tuple[WitnessCheck, ...]:
    """Forward by fvcore and by torch, layer by layer; in training also backward by torch."""
    from resprof.networks.loading import torch_loaded

    with torch_loaded():
        import torch

        from resprof.counting.witness import count_with_torch
        from resprof.counting.witness_fvcore import count_with_fvcore
        from resprof.networks.build import build

    cost = count(architecture)
    with torch.device("meta"):
        model = build(architecture)
    image = (architecture.in_channels, *architecture.image)
    ours = {placed.name: placed.layer.cost.macs for placed in cost.layers()}
    fvcore = _counted(count_with_fvcore, model, image)
    by_torch = count_with_torch(model, image)
    checks = [_forward("fvcore", fvcore, ours, cost), _forward("torch", by_torch, ours, cost)]
    if mode is Mode.TRAIN:
        checks.append(_backward(by_torch, cost))
    return tuple(checks)


def _counted(
    witness: Callable[[nn.Module, Shape], WitnessCount], model: nn.Module, image: Shape
) -> WitnessCount | str:
    try:
        return witness(model, image)
    except EnvironmentMissing as error:
        return error.message
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            return "there is not enough memory here to run it"
        raise


def _forward(
    name: str, theirs: WitnessCount | str, ours: dict[str, int], cost: NetworkCost
) -> WitnessCheck:
    if isinstance(theirs, str):
        return WitnessCheck(
            witness=name,
            counts="forward",
            macs=None,
            ours=cost.total.macs,
            agrees=None,
            differing=(),
            explanation=theirs,
        )
    found = {module.module: module.macs for module in theirs.modules}
    expected = {layer: macs for layer, macs in ours.items() if macs}
    differing = tuple(
        layer
        for layer in dict.fromkeys((*expected, *found))
        if expected.get(layer) != found.get(layer)
    )
    agrees = not differing and theirs.forward_macs == cost.total.macs
    explanation = f"{len(found)} layers, all equal as integers"
    if not agrees:
        shown = ", ".join(differing[:3]) + (" ..." if len(differing) > 3 else "")
        explanation = f"{len(differing)} layers differ: {shown}"
    return WitnessCheck(
        witness=f"{name} {theirs.version}",
        counts="forward",
        macs=theirs.forward_macs,
        ours=cost.total.macs,
        agrees=agrees,
        differing=differing,
        explanation=explanation,
    )


def _backward(theirs: WitnessCount, cost: NetworkCost) -> WitnessCheck:
    grouped = cost.architecture.groups > 1
    agrees = theirs.backward_macs == cost.total.backward_macs
    same = "input and weight gradients of every layer, without the gradient of the image"
    return WitnessCheck(
        witness=f"torch {theirs.version}",
        counts="backward",
        macs=theirs.backward_macs,
        ours=cost.total.backward_macs,
        agrees=None if grouped else agrees,
        differing=(),
        explanation=_GROUPED if grouped else same if agrees else "the totals differ",
    )


_COLUMNS = (
    Column(key="witness", title="witness"),
    Column(key="counts", title="counts"),
    Column(key="macs", title="its MACs", form=Form.COUNT, origin=Origin.COUNTED),
    Column(key="ours", title="ours", form=Form.COUNT, origin=Origin.COUNTED),
    Column(key="agrees", title="agrees"),
    Column(key="explanation", title="", form=Form.PROSE, priority=1),
)


def check_table(result: FlopsResult, *, as_sheet: bool = False) -> Table:
    """The formula walk held against the other counts of the same network."""
    return tabulate(
        after_model(result, _COLUMNS) if as_sheet else _COLUMNS,
        result.check or (),
        name=f"check-{result.model}",
        title=f"{result.model}: cross-checked with other counters",
        subtitle="MACs of convolutions and fully connected layers, one image, layer by layer",
    )


def reconcile_table(result: FlopsResult, *, as_sheet: bool = False) -> Table:
    """What every other tool prints for this network, and what makes the difference.

    The column for torchvision's sibling is left out where there is none, but never in a sheet.
    """
    sibling = result.sibling
    theirs = {figure.tool: figure.value for figure in sibling.figures} if sibling else {}
    value = Column(key="value", title=f"for {result.model}", form=Form.COUNT, origin=Origin.COUNTED)
    of_sibling = replace(
        value,
        key="sibling_value",
        title=f"for {sibling.model}" if sibling else "",
        priority=1,
        value=lambda figure: theirs.get(figure.tool),
    )
    columns = (
        Column(key="tool", title="tool"),
        Column(key="calls_it", title="calls it", priority=2),
        value,
        *([of_sibling] if sibling or as_sheet else ()),
        Column(key="terms", title="breakdown", form=Form.PROSE, value=_how),
    )
    return tabulate(
        after_model(result, columns) if as_sheet else columns,
        result.reconcile or (),
        name=f"reconcile-{result.model}",
        title=f"What other tools report for {result.model}, and why",
        subtitle="exact numbers for one image, forward, in eval mode",
        notes=_reconcile_notes(result),
    )


def _how(figure: ToolFigure) -> str:
    if figure.value is None:
        return figure.reason or ""
    start = "MACs" if figure.per_mac == 1 else f"{figure.per_mac} x MACs"
    terms = (
        f"{'+' if term.amount >= 0 else '-'} {units.format_count(abs(term.amount))} {term.name}"
        for term in figure.terms
    )
    return " ".join((start, *terms))


def _reconcile_notes(result: FlopsResult) -> tuple[str, ...]:
    ours = units.format_count(result.total.cost.macs // result.batch)
    notes = (f"MACs: our count, {ours} for {result.model}.", *paper_notes(result))
    sibling = result.sibling
    if sibling is None:
        return notes
    extra = units.format_count(abs(sibling.extra_macs))
    more = "more" if sibling.extra_macs >= 0 else "less"
    return (
        *notes,
        f"torchvision's network of that name is {sibling.model}, with {extra} {more} MACs.",
    )
