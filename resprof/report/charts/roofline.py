"""The roofline: what a device can do at most, and where each stage lies under it."""

from __future__ import annotations

from collections.abc import Sequence

from resprof.records.chart import Axis, Chart, ChartKind, Point, Series
from resprof.records.roofline import RooflineResult, RooflineRow
from resprof.records.table import Form, Origin
from resprof.records.trace import Phase
from resprof.report.charts.words import slug
from resprof.report.tables.recipe import recipe_text

_ROOM = 4.0
"""How far the roof goes on beyond the stages, as a factor."""


def roofline_chart(result: RooflineResult) -> Chart:
    """Stages under the roof of the device; measured ones beside, where they were measured."""
    rows = [row for row in result.rows if row.flops and row.bytes and row.least_time_s]
    found = [
        Series(
            name=f"{result.peaks.device}, {result.peaks.arithmetic}",
            origin=Origin.PUBLISHED,
            points=_roof(result, [row.flops / row.bytes for row in rows]),
            marked=False,
        )
    ]
    for phase in dict.fromkeys(row.phase for row in rows):
        of_phase = [row for row in rows if row.phase is phase]
        found.append(_least(phase, of_phase))
    measured = [row for row in rows if row.measured_flops_per_s]
    found += [
        _measured(phase, [row for row in measured if row.phase is phase])
        for phase in dict.fromkeys(row.phase for row in measured)
    ]
    origins = "predicted" if not measured else "predicted and measured"
    return Chart(
        name=f"roofline-{slug(result.model)}",
        title=f"{result.model} under the roofline of {result.peaks.device}, {origins}",
        subtitle=f"{recipe_text(result.recipe)}; {result.fusion}; published peaks",
        kind=ChartKind.LINES,
        x=Axis(
            key="flops_per_byte",
            title="arithmetic intensity (FLOP per byte of device memory)",
            form=Form.NUMBER,
            log=True,
        ),
        y=Axis(key="flops_per_s", title="FLOP/s", form=Form.SI, log=True),
        series=tuple(found),
    )


def _roof(result: RooflineResult, intensities: Sequence[float]) -> tuple[Point, ...]:
    peaks = result.peaks
    first = min([*intensities, peaks.ridge]) / _ROOM
    last = max([*intensities, peaks.ridge]) * _ROOM
    return (
        Point(x=first, y=first * peaks.bandwidth_bytes_per_s),
        Point(x=peaks.ridge, y=peaks.flops_per_s),
        Point(x=last, y=peaks.flops_per_s),
    )


def _least(phase: Phase, rows: Sequence[RooflineRow]) -> Series:
    points = tuple(
        Point(x=row.flops / row.bytes, y=row.flops / row.least_time_s, label=row.stage)
        for row in rows
    )
    return Series(name=f"{phase} at most", origin=Origin.PREDICTED, points=points, joined=False)


def _measured(phase: Phase, rows: Sequence[RooflineRow]) -> Series:
    points = tuple(
        Point(x=row.flops / row.bytes, y=row.measured_flops_per_s, label=row.stage) for row in rows
    )
    return Series(name=str(phase), origin=Origin.MEASURED, points=points, joined=False)
