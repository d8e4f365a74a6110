"""What was predicted: what fits where, where memory goes, what bounds the time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from resprof.records.chart import Chart
from resprof.records.document import Exhibit
from resprof.records.recipe import Mode, Precision
from resprof.records.report import Counted, Fit, Predicted
from resprof.records.table import Table
from resprof.report.charts.memory import memory_chart
from resprof.report.charts.roofline import roofline_chart
from resprof.report.charts.stages import stages_chart
from resprof.report.charts.table import chart_table
from resprof.report.charts.timeline import timeline_chart
from resprof.report.charts.words import slug
from resprof.report.tables.fits import fits_matrix, fits_table
from resprof.report.tables.memory import memory_overview, memory_sheet, stage_rows
from resprof.report.tables.recipe import assumptions_table

TABLES = ("fits", "memory", "memory-stages", "assumptions")
CHARTS = ("stages", "memory", "timeline", "roofline")
"""What is drawn of each network."""
_DRAWN_DEVICES = ("t4", "a100-sxm4-40gb", "h200-sxm")
"""More limits than these would hide each other."""


def predicted_exhibits(predicted: Predicted, counted: Counted) -> tuple[Exhibit, ...]:
    """Tables of all networks, and four charts for each."""
    matrix = fits_matrix(predicted.fits, predicted.torch)
    return (
        Exhibit(
            stem="fits",
            data=fits_table(predicted.fits, predicted.torch),
            shown=(matrix,),
            summary="predicted: the largest batch on common cards",
        ),
        _single("memory", _overview(predicted), "predicted: peak memory by recipe"),
        Exhibit(
            stem="memory-stages",
            data=_with_torch(memory_sheet(predicted.memory), predicted.torch),
            shown=(_with_torch(stage_rows(predicted.memory), predicted.torch),),
            summary="predicted: memory by stage",
        ),
        _single(
            "assumptions",
            assumptions_table(predicted.assumptions),
            "what predictions take for granted",
        ),
        *(_drawn(chart, summary) for chart, summary in _charts(predicted, counted)),
    )


def predicted_stems(networks: Iterable[str]) -> list[str]:
    """The stems of the exhibits, before anything is predicted."""
    charts = (f"charts/{kind}-{slug(name)}" for name in networks for kind in CHARTS)
    return [*TABLES, *charts]


def network_memory(predicted: Predicted, model: str) -> Table | None:
    """The memory of one network by recipe; None where it was not predicted."""
    found = [result for result in predicted.memory if result.model == model]
    return memory_overview(found) if found else None


def _charts(predicted: Predicted, counted: Counted) -> Iterator[tuple[Chart, str]]:
    steps = {result.model: result for result in counted.steps}
    for course in predicted.courses:
        model = course.model
        memory = next(
            result
            for result in predicted.memory
            if result.model == model
            and result.recipe.mode is Mode.TRAIN
            and result.recipe.precision is Precision.FP32
        )
        shares = stages_chart(steps[model], predicted=memory)
        yield shares, f"counted and predicted: a step of {model} by stage"
        curves = [curve for curve in predicted.curves if curve[0].model == model]
        yield (
            memory_chart(curves, _marked(predicted.fits, model)),
            f"predicted: memory of {model} against batch",
        )
        yield timeline_chart(course), f"predicted: the course of memory of {model}"
    for result in predicted.rooflines:
        yield roofline_chart(result), f"predicted: {result.model} under a roofline"


def _marked(fits: tuple[Fit, ...], model: str) -> list[Fit]:
    return [fit for fit in fits if fit.model == model and fit.device in _DRAWN_DEVICES]


def _overview(predicted: Predicted) -> Table:
    return _with_torch(memory_overview(predicted.memory), predicted.torch)


def _with_torch(table: Table, torch: str) -> Table:
    subtitle = "; ".join(part for part in (table.subtitle, f"traced with torch {torch}") if part)
    return replace(table, subtitle=subtitle)


def _drawn(chart: Chart, summary: str) -> Exhibit:
    return Exhibit(
        stem=f"charts/{chart.name}", data=chart_table(chart), shown=(chart,), summary=summary
    )


def _single(stem: str, table: Table, summary: str) -> Exhibit:
    return Exhibit(stem=stem, data=table, shown=(table,), summary=summary)
