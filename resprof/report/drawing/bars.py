"""Bars that lie, with the value at the end of each."""

from __future__ import annotations

from typing import Any

import altair as alt

from resprof.records.chart import Chart
from resprof.report.cells import one_line
from resprof.report.drawing import theme
from resprof.report.drawing.columns import fills
from resprof.report.drawing.parts import data, ends, finished, key_name, number_axis, row, tooltip

_BAR_PX, _GAP_PX = 16, 12


def bars(chart: Chart) -> dict[str, Any]:
    """The specification of a chart of bars, as high as its bars need."""
    rows = [row(chart, series, point) for series in chart.series for point in series.points]
    categories = list(dict.fromkeys(each["x"] for each in rows))
    names = [key_name(series) for series in chart.series]
    low, high = ends(chart.y, list(chart.ordinates()))
    high *= 1.12  # room for the values
    y = alt.Y(
        "x:N",
        title=one_line(chart.x.title) or None,
        sort=categories,
        axis=alt.Axis(grid=False),
        scale=alt.Scale(paddingInner=0.3, paddingOuter=0.2),
    )
    offset = alt.YOffset("series:N", sort=names, scale=alt.Scale(domain=names))
    x = alt.X("y:Q", **number_axis(chart.y, low, high))
    fill = alt.Fill("series:N", scale=alt.Scale(domain=names, range=fills(len(names))))
    base = alt.Chart(data(rows))
    drawn = base.mark_bar(stroke=theme.BLACK, strokeWidth=0.7).encode(
        y=y, yOffset=offset, x=x, fill=fill, tooltip=tooltip(chart)
    )
    values = base.mark_text(
        align="left", baseline="middle", dx=5, fontSize=theme.LABEL_PX, color=theme.BLACK
    ).encode(y=y, yOffset=offset, x=x, text="y text:N")
    height = len(categories) * (len(names) * _BAR_PX + _GAP_PX)
    return finished([drawn, values], chart, height=height)
