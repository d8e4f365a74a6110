"""What all kinds of chart are put together from: values with their texts, axes, keys, titles."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import altair as alt

from resprof.records.chart import Axis, Chart, Point, Series
from resprof.records.table import Form
from resprof.report.cells import cell, one_line
from resprof.report.drawing import axes, theme

Row = dict[str, Any]

_SYMBOL_PX, _CHAR_PX = 34, 6.0
_TITLE_CHARS, _SUBTITLE_CHARS = 70, 98
"""What fits into the width of a chart in the sizes of the theme."""


def data(rows: Sequence[Row]) -> alt.Data:
    """Values that the chart carries itself."""
    return alt.Data(values=list(rows))  # type: ignore[no-untyped-call]


def row(chart: Chart, series: Series, point: Point) -> Row:
    """A point as marks and the pointer's box want it."""
    return {
        "series": key_name(series),
        "x": one_line(point.x) if isinstance(point.x, str) else point.x,
        "y": point.y,
        "low": point.low,
        "high": point.high,
        "label": one_line(point.label or ""),
        "x text": cell(point.x, chart.x.form),
        "y text": value_text(chart.y, point),
    }


def value_text(axis: Axis, point: Point) -> str:
    """The value, and the interval that it has."""
    text = cell(point.y, axis.form)
    if point.low is None or point.high is None:
        return text
    return f"{text} ({cell(point.low, axis.form)} to {cell(point.high, axis.form)})"


def key_name(series: Series) -> str:
    """The series as the key of the chart calls it, which says of what kind its numbers are."""
    name = one_line(series.name)
    return name if series.origin in name else f"{name} ({series.origin})"


def tooltip(chart: Chart) -> list[alt.Tooltip]:
    """What the pointer's box says of a point."""
    return [
        alt.Tooltip("series:N", title="series"),
        alt.Tooltip("x text:N", title=one_line(chart.x.title)),
        alt.Tooltip("y text:N", title=one_line(chart.y.title)),
    ]


def number_axis(axis: Axis, low: float, high: float, *, grid: bool = True) -> dict[str, Any]:
    """Title, axis and scale of an encoding over numbers."""
    return {
        "title": one_line(axis.title),
        "axis": alt.Axis(
            values=axes.ticks(axis, low, high),
            labelExpr=axes.label_expression(axis),
            labelOverlap=True,
            grid=grid,
        ),
        "scale": alt.Scale(**axes.scale(axis, low, high)),
    }


def numbers(values: Sequence[str | int | float]) -> list[float]:
    """Those of the values that are numbers."""
    return [float(value) for value in values if not isinstance(value, str)]


def ends(axis: Axis, values: Sequence[float]) -> tuple[float, float]:
    """From where to where the axis goes."""
    base = 2.0 if axis.form in {Form.BYTES, Form.COUNT} else 10.0
    return axes.extent(values, log=axis.log, base=base)


def finished(layers: Sequence[alt.Chart], chart: Chart, *, height: int) -> dict[str, Any]:
    """The layers under the chart's title as a specification."""
    title = alt.TitleParams(
        text=_lines(chart.title, _TITLE_CHARS), subtitle=_lines(chart.subtitle, _SUBTITLE_CHARS)
    )
    whole = alt.layer(*layers).properties(title=title, width=theme.WIDTH, height=height)
    # Checked against Vega-Lite's schema it takes twice as long, and says no more than the renderer.
    found: dict[str, Any] = whole.to_dict(validate=False)
    found["config"] = theme.config(key_columns(chart))
    found["description"] = one_line(f"{chart.title}. {chart.subtitle}".strip())
    return found


def key_columns(chart: Chart) -> int:
    """How many series the key has side by side."""
    longest = max((len(key_name(series)) for series in chart.series), default=1)
    return max(1, min(4, theme.WIDTH // int(_SYMBOL_PX + longest * _CHAR_PX)))


def _lines(text: str, width: int) -> list[str]:
    return textwrap.wrap(one_line(text), width, break_long_words=True) or [""]
