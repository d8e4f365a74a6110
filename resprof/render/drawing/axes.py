"""Axes and what all kinds of chart share: ticks, values with their texts, keys, titles."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import altair as alt

from resprof.render.cells import cell, one_line
from resprof.render.chart import Axis, Chart, Point, Series
from resprof.render.drawing import theme
from resprof.render.table import Form

_MOST_TICKS = 9
_SI = ((1e15, " P"), (1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"), (1, ""))
_IEC = ((2**40, " TiB"), (2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (1, " B"))
_TIME = ((1, " s"), (1e-3, " ms"), (1e-6, " us"), (1e-9, " ns"))
_STEPS = {Form.SI: _SI, Form.BYTES: _IEC, Form.SECONDS: _TIME}
_ROOM = 0.04
"""The part of a logarithmic axis that is left free at each end."""


def extent(values: Sequence[float], *, log: bool, base: float = 10.0) -> tuple[float, float]:
    """From where to where an axis goes: from zero, or a little beyond both ends."""
    low, high = min(values, default=1.0), max(values, default=1.0)
    if not log:
        return min(low, 0.0), (high * 1.08 if high > 0 else 1.0)
    room = max(_ROOM * math.log(high / low, base), math.log(1.3, base))
    return low / base**room, high * base**room


def ticks(axis: Axis, low: float, high: float) -> list[float]:
    """Round values from ``low`` to ``high``, in binary units for bytes."""
    if axis.log:
        return _log_ticks(low, high, binary=_is_binary(axis))
    return _linear_ticks(high, binary=axis.form is Form.BYTES)


def scale(axis: Axis, low: float, high: float) -> dict[str, Any]:
    """The scale as Vega-Lite has it; it ends where it is told to."""
    kind = (
        {"type": "log", "base": 2 if _is_binary(axis) else 10} if axis.log else {"type": "linear"}
    )
    return {**kind, "domain": [low, high], "nice": False, "zero": False}


def label_expression(axis: Axis) -> str:
    """The text of a tick, as an expression of Vega's."""
    value = "datum.value"
    if axis.form is Form.SHARE:
        return f"format({value}, '.0%')"
    steps = _STEPS.get(axis.form)
    if steps is None:
        return f"format({value}, ',~r')"
    *larger, (smallest, unit) = steps
    text = f"format({value} / {smallest!r}, '~g') + '{unit}'"
    for step, name in reversed(larger):
        # What is a hair below a step after a division still belongs to it.
        text = (
            f"{value} >= {step * 0.999999!r} ? format({value} / {step!r}, '~g') + '{name}' : {text}"
        )
    return f"{value} == 0 ? '0' : {text}"


def _is_binary(axis: Axis) -> bool:
    """Bytes and batch sizes come in powers of two."""
    return axis.form in {Form.BYTES, Form.COUNT}


def _log_ticks(low: float, high: float, *, binary: bool) -> list[float]:
    if binary:
        powers = range(math.ceil(math.log2(low) - 1e-9), math.floor(math.log2(high) + 1e-9) + 1)
        step = max(1, math.ceil(len(powers) / _MOST_TICKS))
        return [2.0**power for power in powers if power % step == 0]
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in (range(1, 10), (1, 2, 5), (1, 3), (1,)):
        found = [digit * 10.0**decade for decade in decades for digit in digits]
        within = [value for value in found if low <= value * 1.000001 and value <= high * 1.000001]
        if len(within) <= _MOST_TICKS:
            break
    return within


def _linear_ticks(high: float, *, binary: bool) -> list[float]:
    if high <= 0:
        return [0.0]
    if binary:
        step = 2.0 ** math.floor(math.log2(high / 4))
    else:
        decade = 10.0 ** math.floor(math.log10(high / 4))
        step = next(d * decade for d in (5.0, 2.5, 2.0, 1.0) if d * decade <= high / 4 * 1.000001)
    return [round(index * step, 12) for index in range(math.floor(high / step + 1e-9) + 1)]


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
            values=ticks(axis, low, high),
            labelExpr=label_expression(axis),
            labelOverlap=True,
            grid=grid,
        ),
        "scale": alt.Scale(**scale(axis, low, high)),
    }


def numbers(values: Sequence[str | int | float]) -> list[float]:
    """Those of the values that are numbers."""
    return [float(value) for value in values if not isinstance(value, str)]


def ends(axis: Axis, values: Sequence[float]) -> tuple[float, float]:
    """From where to where the axis goes."""
    base = 2.0 if axis.form in {Form.BYTES, Form.COUNT} else 10.0
    return extent(values, log=axis.log, base=base)


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
