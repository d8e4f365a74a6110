"""Series over a number: lines with their intervals, points with their labels, limits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import altair as alt

from resprof.records.chart import Chart
from resprof.report.cells import one_line
from resprof.report.drawing import theme
from resprof.report.drawing.labels import PLACES, Box, along, around, pixel, placed
from resprof.report.drawing.parts import (
    Row,
    data,
    ends,
    finished,
    key_name,
    number_axis,
    row,
    tooltip,
)

_CAP_PX = 8
_GUIDE_TEXT_PX = 20
"""What the text over a guide takes, and a little more."""
_HALO_PX = 3
"""White around a text, so that lines do not run through it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """The encodings that all layers share, and from where to where the axes go."""

    x: alt.X
    y: alt.Y
    x_ends: tuple[float, float]
    y_ends: tuple[float, float]
    names: tuple[str, ...]

    @property
    def color(self) -> alt.Scale:
        """A colour for each series."""
        return alt.Scale(domain=list(self.names), range=list(theme.COLORS[: len(self.names)]))


def lines(chart: Chart) -> dict[str, Any]:
    """The specification of a chart of lines."""
    frame = _frame(chart)
    marked = [row(chart, s, p) for s in chart.series for p in s.points if s.marked]
    layers = [
        *_guides(chart, frame),
        *_joined(chart, frame),
        *_intervals(chart, frame),
        _marks(chart, marked, frame),
        *_labels(chart, marked, frame),
    ]
    return finished(layers, chart, height=theme.HEIGHT)


def _frame(chart: Chart) -> _Frame:
    xs = [float(point.x) for series in chart.series for point in series.points]
    x_ends, y_ends = ends(chart.x, xs), ends(chart.y, list(chart.ordinates()))
    y_ends = _with_room_for_guides(chart, *y_ends)
    return _Frame(
        x=alt.X("x:Q", **number_axis(chart.x, *x_ends)),
        y=alt.Y("y:Q", **number_axis(chart.y, *y_ends)),
        x_ends=x_ends,
        y_ends=y_ends,
        names=tuple(key_name(series) for series in chart.series),
    )


def _with_room_for_guides(chart: Chart, low: float, high: float) -> tuple[float, float]:
    """The ends of ``y``, the upper one so far up that the text over the highest guide is within."""
    top = max((guide.y for guide in chart.guides), default=low)
    share = theme.HEIGHT / (theme.HEIGHT - _GUIDE_TEXT_PX)
    least = low * (top / low) ** share if chart.y.log else low + (top - low) * share
    return low, max(high, least)


def _joined(chart: Chart, frame: _Frame) -> list[alt.Chart]:
    """A line for each series, in the colour of its points and a dash of its own."""
    return [
        alt.Chart(data([row(chart, series, point) for point in series.points]))
        .mark_line(strokeWidth=2, stroke=color, strokeDash=list(dash))
        .encode(x=frame.x, y=frame.y)
        for series, color, dash in zip(chart.series, theme.COLORS, theme.DASHES, strict=False)
        if series.joined
    ]


def _marks(chart: Chart, rows: list[Row], frame: _Frame) -> alt.Chart:
    """The points, whose shapes and colours make the key; a line without points is a stroke."""
    shapes = [
        shape if series.marked else "stroke"
        for shape, series in zip(theme.SHAPES, chart.series, strict=False)
    ]
    names = list(frame.names)
    marks: alt.Chart = (
        alt.Chart(data(rows))
        .mark_point(size=60, opacity=1)
        .encode(
            x=frame.x,
            y=frame.y,
            fill=alt.Fill("series:N", scale=frame.color),
            stroke=alt.Stroke("series:N", scale=frame.color),
            shape=alt.Shape("series:N", scale=alt.Scale(domain=names, range=shapes)),
            tooltip=tooltip(chart),
        )
    )
    return marks


def _intervals(chart: Chart, frame: _Frame) -> list[alt.Chart]:
    """From low to high, with a cap at each end."""
    low, high = (
        alt.Y(f"{end}:Q", **number_axis(chart.y, *frame.y_ends)) for end in ("low", "high")
    )
    layers = []
    for series, color in zip(chart.series, theme.COLORS, strict=False):
        known = [row(chart, series, point) for point in series.points if point.low is not None]
        if not known:
            continue
        base = alt.Chart(data(known))
        bar = base.mark_rule(strokeWidth=1.5, stroke=color).encode(x=frame.x, y=low, y2="high:Q")
        cap = base.mark_tick(orient="horizontal", size=_CAP_PX, thickness=1.5, color=color)
        layers += [bar, *(cap.encode(x=frame.x, y=end) for end in (low, high))]
    return layers


def _guides(chart: Chart, frame: _Frame) -> list[alt.Chart]:
    if not chart.guides:
        return []
    x_low = frame.x_ends[0]
    rows = [{"y": each.y, "x": x_low, "label": one_line(each.label)} for each in chart.guides]
    base = alt.Chart(data(rows))
    rule = base.mark_rule(color=theme.BLACK, strokeDash=[10, 4], strokeWidth=1.2)
    text = base.mark_text(
        align="left", baseline="bottom", dx=6, dy=-3, fontSize=theme.LABEL_PX, color=theme.BLACK
    )
    return [rule.encode(y=frame.y), text.encode(x=frame.x, y=frame.y, text="label:N")]


def _labels(chart: Chart, rows: list[Row], frame: _Frame) -> list[alt.Chart]:
    """The names of points, each beside its point where nothing else is."""
    named = [each for each in rows if each["label"]]
    places = placed(
        [(*_spot(chart, frame, each["x"], each["y"]), each["label"]) for each in named],
        _obstacles(chart, rows, frame),
        width=theme.WIDTH,
        height=theme.HEIGHT,
    )
    layers = []
    for place in PLACES:
        here = [each for each, found in zip(named, places, strict=True) if found == place]
        if not here:
            continue
        base = alt.Chart(data(here))
        look: dict[str, Any] = {
            "align": place.align,
            "baseline": "middle",
            "dx": place.dx,
            "dy": place.dy,
            "fontSize": theme.LABEL_PX,
        }
        halo = base.mark_text(**look, stroke="white", strokeWidth=_HALO_PX, color="white")
        text = base.mark_text(**look, color=theme.BLACK)
        layers += [each.encode(x=frame.x, y=frame.y, text="label:N") for each in (halo, text)]
    return layers


def _obstacles(chart: Chart, rows: list[Row], frame: _Frame) -> list[Box]:
    """What a label must not cover: points, lines and limits."""
    boxes = [around(*_spot(chart, frame, each["x"], each["y"])) for each in rows if each["y"]]
    for series in chart.series:
        if series.joined:
            spots = [_spot(chart, frame, float(p.x), p.y) for p in series.points if p.y is not None]
            boxes += [box for ends_of in pairwise(spots) for box in along(*ends_of)]
    for guide in chart.guides:
        _, y = _spot(chart, frame, frame.x_ends[0], guide.y)
        boxes.append(Box(left=0, top=y - 1, right=theme.WIDTH, bottom=y + 1))
    return boxes


def _spot(chart: Chart, frame: _Frame, x: float, y: float) -> tuple[float, float]:
    """Where a point lies, in pixels from the upper left corner."""
    return (
        pixel(x, *frame.x_ends, theme.WIDTH, log=chart.x.log),
        theme.HEIGHT - pixel(y, *frame.y_ends, theme.HEIGHT, log=chart.y.log),
    )
