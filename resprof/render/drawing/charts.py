"""How each kind of chart is drawn: columns, bars, lines over a number, a value over time."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import altair as alt

from resprof.render.chart import Chart, ChartKind, Series
from resprof.render.drawing import theme
from resprof.render.drawing.axes import ends, over, pixel
from resprof.render.table import cell, one_line

Row = dict[str, Any]

_TITLE_CHARS, _SUBTITLE_CHARS = 60, 82
"""What fits into the width of a chart in the sizes of the theme, in a wide font as well."""
_KEY_SYMBOL_PX, _KEY_CHAR_PX = 34, 6.2


def specification(chart: Chart) -> dict[str, Any]:
    """The chart as Vega-Lite has it."""
    draw = {
        ChartKind.COLUMNS: _columns,
        ChartKind.BARS: _bars,
        ChartKind.LINES: _lines,
        ChartKind.TIMELINE: _timeline,
    }[chart.kind]
    layers, height = draw(chart)
    title = alt.TitleParams(
        text=_wrapped(chart.title, _TITLE_CHARS),
        subtitle=_wrapped(chart.subtitle, _SUBTITLE_CHARS),
    )
    whole = alt.layer(*layers).properties(title=title, width=theme.WIDTH, height=height)
    # Checked against Vega-Lite's schema it takes twice as long, and says no more than the renderer.
    drawn: dict[str, Any] = whole.to_dict(validate=False)
    longest = max((len(each) for each in _names(chart)), default=1)
    beside = theme.WIDTH // int(_KEY_SYMBOL_PX + longest * _KEY_CHAR_PX)
    drawn["config"] = theme.config(key_columns=max(1, min(4, beside)))
    drawn["description"] = one_line(f"{chart.title}. {chart.subtitle}".strip())
    return drawn


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(one_line(text), width, break_long_words=True) or [""]


def _of(rows: Iterable[Row]) -> alt.Chart:
    """A layer over values that the chart carries itself."""
    return alt.Chart(alt.Data(values=list(rows)))  # type: ignore[no-untyped-call]


def _rows(chart: Chart, series: Sequence[Series] | None = None) -> list[Row]:
    """The points of the series as marks want them."""
    return [
        {
            "series": _name(each),
            "x": one_line(point.x) if isinstance(point.x, str) else point.x,
            "y": point.y,
            "low": point.low,
            "high": point.high,
            "label": one_line(point.label or ""),
            "value": cell(point.y, chart.y.form),
        }
        for each in (chart.series if series is None else series)
        for point in each.points
    ]


def _name(series: Series) -> str:
    """The series as the key of the chart calls it, which says of what kind its numbers are."""
    name = one_line(series.name)
    return name if series.origin in name else f"{name} ({series.origin})"


def _names(chart: Chart) -> list[str]:
    return [_name(series) for series in chart.series]


def _by_series(chart: Chart, looks: Sequence[Any]) -> alt.Scale:
    """Of each series one of the looks."""
    return alt.Scale(domain=_names(chart), range=list(looks[: len(chart.series)]))


Layers = tuple[list[alt.Chart], int]
"""What is drawn, one over the other, and how high, in pixels."""

_BAR_PX, _GAP_PX = 16, 12
_ROOM_FOR_VALUES = 1.12


def _columns(chart: Chart) -> Layers:
    """Upright bars in groups; the axis has the values."""
    rows = _rows(chart)
    drawn = _of(rows).mark_bar(stroke=theme.BLACK, strokeWidth=0.7)
    layer = drawn.encode(
        x=alt.X("x:N", **_categories(chart, rows, 0.25, 0.12)),
        xOffset=alt.XOffset("series:N", sort=_names(chart), scale=alt.Scale(domain=_names(chart))),
        y=alt.Y("y:Q", **over(chart.y, *ends(chart.y, chart.ordinates()))),
        fill=alt.Fill("series:N", scale=_by_series(chart, theme.PATTERNS)),
    )
    return [layer], theme.HEIGHT


def _bars(chart: Chart) -> Layers:
    """Bars that lie, each with its value, in a chart as high as they need."""
    rows = _rows(chart)
    low, high = ends(chart.y, chart.ordinates())
    base = _of(rows).encode(
        y=alt.Y("x:N", **_categories(chart, rows, 0.3, 0.2)),
        yOffset=alt.YOffset("series:N", sort=_names(chart), scale=alt.Scale(domain=_names(chart))),
        x=alt.X("y:Q", **over(chart.y, low, high * _ROOM_FOR_VALUES)),
    )
    fill = alt.Fill("series:N", scale=_by_series(chart, theme.PATTERNS))
    bars = base.mark_bar(stroke=theme.BLACK, strokeWidth=0.7).encode(fill=fill)
    values = base.mark_text(align="left", dx=5, **theme.LABEL).encode(text="value:N")
    categories = len({row["x"] for row in rows})
    return [bars, values], categories * (len(chart.series) * _BAR_PX + _GAP_PX)


def _categories(chart: Chart, rows: Sequence[Row], inner: float, outer: float) -> dict[str, Any]:
    return {
        "title": one_line(chart.x.title) or None,
        "sort": list(dict.fromkeys(row["x"] for row in rows)),
        "axis": alt.Axis(labelAngle=0, grid=False),
        "scale": alt.Scale(paddingInner=inner, paddingOuter=outer),
    }


_LONG_STROKE = 600
"""The size of a key's symbol that shows a dash."""
_NARROW_CHAR_PX = 0.52 * theme.LABEL_PX
_OVERHANG_PX = 4
_BAND = 0.16
"""The part of the height above the values that the names of the stretches take."""


def _timeline(chart: Chart) -> Layers:
    """Steps, the first series filled, under the names of the stretches that have room for them."""
    last = max(span.end for span in chart.spans)
    low, high = ends(chart.y, chart.ordinates())
    high *= 1 + _BAND
    x = alt.X("x:Q", **over(chart.x, 0.0, last, grid=False))
    y = alt.Y("y:Q", **over(chart.y, low, high))
    borders = _of({"x": each.start} for each in chart.spans if each.start)
    layers = [borders.mark_rule(color=theme.GREY, strokeDash=[3, 3]).encode(x=x)]
    for line in (0, 1):
        texts = (
            {"x": (each.start + each.end) / 2, "y": high, "text": text}
            for each in chart.spans
            if len(text := one_line((each.label, each.detail)[line])) * _NARROW_CHAR_PX
            <= theme.WIDTH * (each.end - each.start) / last + _OVERHANG_PX
        )
        mark = _of(texts).mark_text(baseline="top", dy=5 + line * 14, **theme.LABEL)
        layers.append(mark.encode(x=x, y=y, text="text:N"))
    area = _of(_rows(chart, chart.series[:1])).encode(x=x, y=y)
    layers.append(area.mark_area(interpolate="step-after", color=theme.COLORS[0], opacity=0.25))
    key = alt.Legend(symbolType="stroke", symbolSize=_LONG_STROKE)
    steps = _of(_rows(chart)).mark_line(interpolate="step-after", strokeWidth=1.5)
    color = alt.Color("series:N", scale=_by_series(chart, theme.COLORS), legend=key)
    dash = alt.StrokeDash("series:N", scale=_by_series(chart, theme.DASHES), legend=key)
    return [*layers, steps.encode(x=x, y=y, color=color, strokeDash=dash)], theme.HEIGHT


_GUIDE_TEXT_PX = 20
"""What the text over a guide takes, and a little more."""


def _lines(chart: Chart) -> Layers:
    """Lines of a dash each, points of a shape each with intervals and labels, limits."""
    rows = _rows(chart)
    x_ends = ends(chart.x, (row["x"] for row in rows))
    y_ends = _with_room_for_guides(chart, *ends(chart.y, chart.ordinates()))
    x, y = alt.X("x:Q", **over(chart.x, *x_ends)), alt.Y("y:Q", **over(chart.y, *y_ends))
    color = _by_series(chart, theme.COLORS)
    # A series without points is a stroke in the key.
    shapes = [
        shape if series.marked else "stroke"
        for shape, series in zip(theme.SHAPES, chart.series, strict=False)
    ]
    # A dash that is encoded would be in the key, around the shapes.
    joined = [
        _of(_rows(chart, [series])).mark_line(strokeWidth=2, strokeDash=dash)
        for series, dash in zip(chart.series, theme.DASHES, strict=False)
        if series.joined
    ]
    marked = _of(_rows(chart, [series for series in chart.series if series.marked]))
    known = _of(row for row in rows if row["low"] is not None)
    stroke = alt.Stroke("series:N", scale=color)
    layers = [
        *_guides(chart, x, y, x_ends[0]),
        *(line.encode(x=x, y=y, stroke=stroke) for line in joined),
        known.mark_errorbar(ticks={"size": 8}, thickness=1.5, opacity=1).encode(
            x=x,
            y=alt.Y("low:Q", **over(chart.y, *y_ends)),
            y2="high:Q",
            stroke=stroke,
        ),
        marked.mark_point(size=60, opacity=1).encode(
            x=x,
            y=y,
            fill=alt.Fill("series:N", scale=color),
            stroke=stroke,
            shape=alt.Shape("series:N", scale=_by_series(chart, shapes)),
        ),
    ]
    labelled = _placed(chart, x_ends, y_ends)
    look: dict[str, Any] = {name: alt.expr(f"datum.{name}") for name in ("align", "dx", "dy")}
    halo = _of(labelled).mark_text(
        **look, **{**theme.LABEL, "color": "white"}, stroke="white", strokeWidth=3
    )
    text = _of(labelled).mark_text(**look, **theme.LABEL)
    layers += [each.encode(x=x, y=y, text="label:N") for each in (halo, text) if labelled]
    return layers, theme.HEIGHT


def _with_room_for_guides(chart: Chart, low: float, high: float) -> tuple[float, float]:
    """The ends of ``y``, the upper one so far up that the text over the highest guide is within."""
    top = max((guide.y for guide in chart.guides), default=low)
    share = theme.HEIGHT / (theme.HEIGHT - _GUIDE_TEXT_PX)
    least = low * (top / low) ** share if chart.y.log else low + (top - low) * share
    return low, max(high, least)


def _guides(chart: Chart, x: alt.X, y: alt.Y, left: float) -> list[alt.Chart]:
    if not chart.guides:
        return []
    base = _of({"y": each.y, "x": left, "label": one_line(each.label)} for each in chart.guides)
    rule = base.mark_rule(color=theme.BLACK, strokeDash=[10, 4], strokeWidth=1.2)
    text = base.mark_text(align="left", baseline="bottom", dx=6, dy=-3, **theme.LABEL)
    return [rule.encode(y=y), text.encode(x=x, y=y, text="label:N")]


Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels from the upper left corner."""
Spot = tuple[float, float]
Place = tuple[float, float, str]
"""An offset from a point, and which end of the text is there."""

_CHAR_PX, _LINE_PX = 0.58 * theme.LABEL_PX, 1.15 * theme.LABEL_PX
"""What a character of a label takes, in a wide font as well."""
_POINT_PX, _PIECE_PX = 5.0, 6.0
_COVERED, _DOUBTFUL, _OUTSIDE = 1, 3, 1000
"""How bad it is to cover something, to seem another point's name, and to leave the chart."""
_CLEARLY_PX = 3.0
"""A text is its point's if every other is farther off by this."""
_PLACES: tuple[Place, ...] = (
    *((9, 0, "left"), (-9, 0, "right"), (0, -12, "center"), (0, 13, "center")),
    *((9, 11, "left"), (-9, -11, "right"), (9, -11, "left"), (-9, 11, "right")),
    *((26, 0, "left"), (-26, 0, "right"), (0, 27, "center"), (0, -26, "center")),
    *((9, 26, "left"), (-9, -26, "right"), (9, -26, "left"), (-9, 26, "right")),
)
"""Where a text may stand beside its point, the best place first.

Vega has a transform that does this, but not without a canvas, which the renderer lacks.
"""


def _placed(chart: Chart, x_ends: Spot, y_ends: Spot) -> list[Row]:
    """The labels with their places, beside points, lines and limits."""

    def spot(x: float, y: float) -> Spot:
        down = pixel(chart.y, y, *y_ends, theme.HEIGHT)
        return pixel(chart.x, x, *x_ends, theme.WIDTH), theme.HEIGHT - down

    rows = [row for row in _rows(chart) if row["y"] is not None]
    named = [row for row in rows if row["label"]]
    taken = [around(*spot(row["x"], row["y"]), _POINT_PX) for row in rows]
    for series in chart.series:
        spots = [spot(float(p.x), p.y) for p in series.points if p.y is not None]
        taken += [box for pair in pairwise(spots) if series.joined for box in _along(*pair)]
    for guide in chart.guides:
        _, y = spot(x_ends[0], guide.y)
        taken.append((0, y - 1, theme.WIDTH, y + 1))
    places = label_places([(*spot(r["x"], r["y"]), r["label"]) for r in named], taken)
    return [
        {**row, "dx": dx, "dy": dy, "align": align}
        for row, (dx, dy, align) in zip(named, places, strict=True)
    ]


def label_places(points: Sequence[tuple[float, float, str]], taken: Iterable[Box]) -> list[Place]:
    """A place for each text at (x, y), one after the other: the one that misleads the least."""
    boxes = list(taken)
    places: list[Place] = []
    for number, (x, y, text) in enumerate(points):
        rest = [point[:2] for point in (*points[:number], *points[number + 1 :])]

        def cost(box: Box, own: Spot = (x, y), rest: Sequence[Spot] = rest) -> float:
            left, top, right, bottom = box
            outside = left < 0 or top < 0 or right > theme.WIDTH or bottom > theme.HEIGHT
            nearest = min((distance(box, other) for other in rest), default=math.inf)
            return (
                _COVERED * sum(_meets(box, other) for other in boxes)
                + _DOUBTFUL * (nearest < distance(box, own) + _CLEARLY_PX)
                + _OUTSIDE * outside
            )

        place = min(_PLACES, key=lambda each: cost(label_box(x, y, text, each)))
        boxes.append(label_box(x, y, text, place))
        places.append(place)
    return places


def label_box(x: float, y: float, text: str, place: Place) -> Box:
    """What the text takes beside the point."""
    dx, dy, align = place
    length = _CHAR_PX * len(text)
    left = x + dx - length * {"left": 0.0, "center": 0.5, "right": 1.0}[align]
    return left, y + dy - _LINE_PX / 2, left + length, y + dy + _LINE_PX / 2


def around(x: float, y: float, margin: float) -> Box:
    """So many pixels on each side of a point."""
    return x - margin, y - margin, x + margin, y + margin


def _along(start: Spot, end: Spot) -> list[Box]:
    """What a straight line takes, in pieces."""
    (x, y), (to_x, to_y) = start, end
    pieces = max(1, int(math.dist(start, end) / _PIECE_PX))
    shares = (piece / pieces for piece in range(pieces + 1))
    return [around(x + (to_x - x) * share, y + (to_y - y) * share, 2) for share in shares]


def distance(box: Box, point: Spot) -> float:
    """How far a point is from the box, in pixels; 0 within."""
    (left, top, right, bottom), (x, y) = box, point
    return math.hypot(max(left - x, 0.0, x - right), max(top - y, 0.0, y - bottom))


def _meets(one: Box, other: Box) -> bool:
    """Whether the two share more than an edge."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
