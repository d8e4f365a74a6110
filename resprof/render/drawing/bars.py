"""Bars, columns, and stretches of time: marks over names instead of numbers."""

from __future__ import annotations

from typing import Any

import altair as alt

from resprof.render.cells import one_line
from resprof.render.chart import Chart, Series
from resprof.render.drawing import theme
from resprof.render.drawing.axes import data, ends, finished, key_name, number_axis, row, tooltip
from resprof.render.drawing.lines import CHAR_PX


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


_KEY_SIZE = 600
"""Long enough to show a dash."""
_OVERHANG_PX = 4
_BAND = 0.16
"""The part of the height above the values that the names of the stretches take."""


def course(chart: Chart) -> dict[str, Any]:
    """The specification of a course; the first series is filled."""
    last = max(span.end for span in chart.spans)
    low, high = ends(chart.y, list(chart.ordinates()))
    high *= 1 + _BAND
    whole = alt.Scale(domain=[0, last], nice=False)
    x = alt.X("x:Q", **{**number_axis(chart.x, 0.0, last, grid=False), "scale": whole})
    y = alt.Y("y:Q", **number_axis(chart.y, low, high))
    names = [key_name(series) for series in chart.series]
    color = alt.Color(
        "series:N",
        scale=alt.Scale(domain=names, range=list(theme.COLORS[: len(names)])),
        legend=alt.Legend(symbolType="stroke", symbolSize=_KEY_SIZE),
    )
    dash = alt.StrokeDash(
        "series:N",
        scale=alt.Scale(domain=names, range=[list(each) for each in theme.DASHES[: len(names)]]),
    )
    first = chart.series[0]
    area = (
        alt.Chart(data(_rows(chart, first)))
        .mark_area(interpolate="step-after", color=theme.COLORS[0], opacity=0.25)
        .encode(x=x, y=y)
    )
    drawn = [
        alt.Chart(data(_rows(chart, series)))
        .mark_line(interpolate="step-after", strokeWidth=1.5)
        .encode(x=x, y=y, color=color, strokeDash=dash, tooltip=tooltip(chart))
        for series in chart.series
    ]
    return finished([*_stretches(chart, high, last), area, *drawn], chart, height=theme.HEIGHT)


def _rows(chart: Chart, series: Series) -> list[dict[str, Any]]:
    return [row(chart, series, point) for point in series.points]


def _stretches(chart: Chart, top: float, last: float) -> list[alt.Chart]:
    """A border where each begins, and its name where there is room for it."""
    borders = [{"start": each.start} for each in chart.spans if each.start]
    names = [
        {"middle": (each.start + each.end) / 2, "top": top, "line": text, "row": number}
        for each in chart.spans
        for number, text in enumerate((one_line(each.label), one_line(each.detail)))
        if len(text) * CHAR_PX <= theme.WIDTH * (each.end - each.start) / last + _OVERHANG_PX
    ]
    lines = [
        alt.Chart(data([each for each in names if each["row"] == number]))
        .mark_text(baseline="top", dy=5 + number * 14, fontSize=theme.LABEL_PX, color=theme.BLACK)
        .encode(x="middle:Q", y="top:Q", text="line:N")
        for number in (0, 1)
    ]
    rule = alt.Chart(data(borders)).mark_rule(color=theme.GREY, strokeDash=[3, 3])
    return [rule.encode(x="start:Q"), *lines]
