"""Upright bars, side by side for each category."""

from __future__ import annotations

from typing import Any

import altair as alt

from resprof.records.chart import Chart
from resprof.report.cells import one_line
from resprof.report.drawing import theme
from resprof.report.drawing.parts import data, ends, finished, key_name, number_axis, row, tooltip


def columns(chart: Chart) -> dict[str, Any]:
    """The specification of a chart of columns."""
    rows = [row(chart, series, point) for series in chart.series for point in series.points]
    categories = list(dict.fromkeys(each["x"] for each in rows))
    names = [key_name(series) for series in chart.series]
    low, high = ends(chart.y, list(chart.ordinates()))
    x = alt.X(
        "x:N",
        title=one_line(chart.x.title),
        sort=categories,
        axis=alt.Axis(labelAngle=0, grid=False),
        scale=alt.Scale(paddingInner=0.25, paddingOuter=0.12),
    )
    offset = alt.XOffset("series:N", sort=names, scale=alt.Scale(domain=names))
    y = alt.Y("y:Q", **number_axis(chart.y, low, high))
    fill = alt.Fill("series:N", scale=alt.Scale(domain=names, range=fills(len(names))))
    bars = (
        alt.Chart(data(rows))
        .mark_bar(stroke=theme.BLACK, strokeWidth=0.7)
        .encode(x=x, xOffset=offset, y=y, fill=fill, tooltip=tooltip(chart))
    )
    return finished([bars], chart, height=theme.HEIGHT)


def fills(number: int) -> list[str]:
    """A colour with its pattern for each series."""
    return [theme.pattern(index) for index in range(number)]
