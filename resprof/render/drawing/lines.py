"""Series over a number: lines with their intervals, points with their labels, limits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import altair as alt

from resprof.render.cells import one_line
from resprof.render.chart import Chart
from resprof.render.drawing import theme
from resprof.render.drawing.axes import (
    Row,
    data,
    ends,
    finished,
    key_name,
    number_axis,
    row,
    tooltip,
)

CHAR_PX = 0.52 * theme.LABEL_PX
"""The width of a character, on average and rather more."""
_LINE_PX = 1.15 * theme.LABEL_PX
_POINT_PX = 5.0
_PIECE_PX = 6.0
_COVERED, _DOUBTFUL = 1, 3
"""How bad it is to cover something, in pieces of it, and to seem another point's name."""
_CLEARLY_PX = 3.0
"""A text is its point's if every other is farther off by this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An offset from a point in pixels, and which end of the text is there."""

    dx: float
    dy: float
    align: str


PLACES = tuple(
    Place(dx=dx, dy=dy, align=align)
    for dx, dy, align in (
        (9, 0, "left"),
        (-9, 0, "right"),
        (0, -12, "center"),
        (0, 13, "center"),
        (9, 11, "left"),
        (-9, -11, "right"),
        (9, -11, "left"),
        (-9, 11, "right"),
        (26, 0, "left"),
        (-26, 0, "right"),
        (0, 27, "center"),
        (0, -26, "center"),
        (9, 26, "left"),
        (-9, -26, "right"),
        (9, -26, "left"),
        (-9, 26, "right"),
    )
)
"""Where a text may stand, the best place first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle in pixels from the upper left corner."""

    left: float
    top: float
    right: float
    bottom: float

    def distance(self, point: tuple[float, float]) -> float:
        """How far a point is from it, in pixels; 0 within."""
        x, y = point
        across = max(self.left - x, 0.0, x - self.right)
        return math.hypot(across, max(self.top - y, 0.0, y - self.bottom))

    def meets(self, other: Box) -> bool:
        """Whether the two share more than an edge."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def pixel(value: float, low: float, high: float, size: int, *, log: bool) -> float:
    """How far along an axis of that size a value lies."""
    if log:
        return size * math.log(value / low) / math.log(high / low)
    return size * (value - low) / (high - low)


def around(x: float, y: float) -> Box:
    """What a point takes."""
    return Box(left=x - _POINT_PX, top=y - _POINT_PX, right=x + _POINT_PX, bottom=y + _POINT_PX)


def along(start: tuple[float, float], end: tuple[float, float]) -> list[Box]:
    """What a straight line takes, in pieces."""
    (x, y), (to_x, to_y) = start, end
    pieces = max(1, int(math.hypot(to_x - x, to_y - y) / _PIECE_PX))
    return [
        Box(left=at_x - 2, top=at_y - 2, right=at_x + 2, bottom=at_y + 2)
        for at_x, at_y in (
            (x + (to_x - x) * piece / pieces, y + (to_y - y) * piece / pieces)
            for piece in range(pieces + 1)
        )
    ]


def placed(
    points: Sequence[tuple[float, float, str]], taken: Iterable[Box], *, width: int, height: int
) -> list[Place]:
    """A place for each text at (x, y), one after the other: the one that misleads the least."""
    boxes = list(taken)
    found = []
    for number, (x, y, text) in enumerate(points):
        others = [(px, py) for place, (px, py, _) in enumerate(points) if place != number]
        options = [(place, _box(x, y, text, place)) for place in PLACES]
        within = [
            (place, box)
            for place, box in options
            if box.left >= 0 and box.right <= width and box.top >= 0 and box.bottom <= height
        ]
        costs = [
            _COVERED * sum(box.meets(other) for other in boxes)
            + _DOUBTFUL * _is_doubtful(box, (x, y), others)
            for _, box in within or options
        ]
        # Of equals the first, which is the best place.
        place, box = (within or options)[costs.index(min(costs))]
        boxes.append(box)
        found.append(place)
    return found


def _is_doubtful(box: Box, own: tuple[float, float], others: Iterable[tuple[float, float]]) -> bool:
    """Whether the text seems to belong to another point."""
    return any(box.distance(other) < box.distance(own) + _CLEARLY_PX for other in others)


def _box(x: float, y: float, text: str, place: Place) -> Box:
    length = CHAR_PX * len(text)
    start = {"left": 0.0, "right": -length, "center": -length / 2}[place.align]
    left, middle = x + place.dx + start, y + place.dy
    return Box(
        left=left,
        top=middle - _LINE_PX / 2,
        right=left + length,
        bottom=middle + _LINE_PX / 2,
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
