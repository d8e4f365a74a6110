"""The tables that hold our counts against those of other tools."""

from __future__ import annotations

from collections.abc import Sequence

from resprof import units
from resprof.records.flops import FlopsResult, WitnessCheck
from resprof.records.reconcile import ToolFigure
from resprof.records.table import Column, Form, Origin, Table
from resprof.report.tables.edit import without
from resprof.report.tables.flops import paper_notes

_COUNTED = Origin.COUNTED


def reconcile_table(result: FlopsResult, *, full: bool = False) -> Table:
    """What every other tool prints for this network, and what makes the difference.

    The column for torchvision's sibling is left out where there is none, unless ``full``.
    """
    sibling = result.sibling
    beside = {figure.tool: figure.value for figure in sibling.figures} if sibling else {}
    columns = (
        Column(key="tool", title="tool"),
        Column(key="calls_it", title="calls it", priority=2),
        Column(key="value", title=f"for {result.model}", form=Form.COUNT, origin=_COUNTED),
        Column(
            key="sibling_value",
            title=f"for {sibling.model}" if sibling else "",
            form=Form.COUNT,
            origin=_COUNTED,
            priority=1,
        ),
        Column(key="terms", title="how it arises", form=Form.PROSE),
    )
    rows = [
        (figure.tool, figure.calls_it, figure.value, beside.get(figure.tool), _how(figure))
        for figure in result.reconcile or ()
    ]
    table = Table(
        name=f"reconcile-{result.model}",
        title=f"What other tools print for {result.model}, and why",
        subtitle="the exact number that each reports for one image, forward, in eval mode",
        columns=columns,
        rows=tuple(rows),
        notes=_reconcile_notes(result),
    )
    return table if sibling or full else without(table, "sibling_value")


def _reconcile_notes(result: FlopsResult) -> tuple[str, ...]:
    ours = units.format_count(result.total.forward_macs // result.recipe.batch)
    notes = (f"MACs are ours: {ours} for {result.model}.", *paper_notes(result))
    sibling = result.sibling
    if sibling is None:
        return notes
    extra = units.format_count(abs(sibling.extra_macs))
    more = "more" if sibling.extra_macs >= 0 else "less"
    return (
        *notes,
        f"torchvision's network of that name is {sibling.model}, which needs {extra} MACs {more}.",
    )


def check_table(model: str, checks: Sequence[WitnessCheck]) -> Table:
    """The formula walk held against the other counts of the same network."""
    return Table(
        name=f"check-{model}",
        title=f"{model}: counted again by others",
        subtitle="MACs of convolutions and fully connected layers, one image, layer by layer",
        columns=(
            Column(key="witness", title="witness"),
            Column(key="counts", title="counts"),
            Column(key="macs", title="its MACs", form=Form.COUNT, origin=_COUNTED),
            Column(key="ours", title="ours", form=Form.COUNT, origin=_COUNTED),
            Column(key="agrees", title="agrees"),
            Column(key="explanation", title="", form=Form.PROSE, priority=1),
        ),
        rows=tuple(
            (check.witness, check.counts, check.macs, check.ours, check.agrees, check.explanation)
            for check in checks
        ),
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
