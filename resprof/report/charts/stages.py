"""Where a training step goes, stage by stage: shares of what was counted, predicted, measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from resprof.records.bench import BenchResult
from resprof.records.chart import Axis, Chart, ChartKind, Point, Series
from resprof.records.fit import MemoryResult
from resprof.records.flops import FlopsResult
from resprof.records.table import Form, Origin
from resprof.report.charts.words import origins_text, slug
from resprof.report.tables.recipe import recipe_text

_NOTE = (
    "Each kind of bar adds up to 100% with what belongs to no stage: the loss and the update of "
    "the weights."
)


def stages_chart(
    counts: FlopsResult,
    *,
    predicted: MemoryResult | None = None,
    measured: BenchResult | None = None,
    device: str | None = None,
) -> Chart:
    """Shares per stage of MACs and parameters, and of activations and time as far as known.

    What was ``measured``, on ``device``, stands for what was ``predicted``.
    """
    stages = list(dict.fromkeys(row.stage for row in counts.rows))
    macs = {row.stage: row.macs for row in counts.rows}
    params = {row.stage: row.params for row in counts.rows}
    series = [
        _shares("MACs", Origin.COUNTED, stages, macs, counts.total.macs),
        _shares("parameters", Origin.COUNTED, stages, params, counts.total.params),
    ]
    if measured is not None and measured.activations:
        held = {each.stage: each.measured_bytes for each in measured.activations}
        series.append(_shares("activations", Origin.MEASURED, stages, held, sum(held.values())))
    elif predicted is not None:
        held = {row.stage: row.activation_bytes for row in predicted.rows}
        series.append(_shares("activations", Origin.PREDICTED, stages, held, sum(held.values())))
    if measured is not None and any(part.stage for part in measured.parts):
        times = _times(measured)
        series.append(_shares("time", Origin.MEASURED, stages, times, sum(times.values())))
    ran = measured or predicted
    return Chart(
        name=f"stages-{slug(counts.model)}",
        title=f"{counts.model}: a training step by stage, {origins_text(series)}",
        subtitle="; ".join(
            [
                counts.title,
                *([recipe_text(ran.recipe)] if ran else []),
                *([device] if device else []),
            ]
        ),
        kind=ChartKind.COLUMNS,
        x=Axis(key="stage", title="", form=Form.TEXT),
        y=Axis(key="share", title="share of the network", form=Form.SHARE),
        series=tuple(series),
        notes=(_NOTE,),
    )


def _times(measured: BenchResult) -> dict[str, float]:
    """Seconds by stage, forward and backward together, under any name what has no stage."""
    times: dict[str, float] = {}
    for part in measured.parts:
        stage = part.stage or part.phase.value
        times[stage] = times.get(stage, 0.0) + part.time_s
    return times


def _shares(
    name: str,
    origin: Origin,
    stages: Sequence[str],
    amounts: Mapping[str, int | float],
    total: int | float,
) -> Series:
    points = tuple(
        Point(x=stage, y=amounts[stage] / total if stage in amounts and total else None)
        for stage in stages
    )
    return Series(name=name, origin=origin, points=points)
