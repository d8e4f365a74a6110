"""Pictures of charts: nothing is cut, nothing is told by colour alone, numbers are in the file."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from resprof.render.chart import Axis, Chart, ChartKind, Guide, Point, Series, chart_table
from resprof.render.drawing import svg, theme
from resprof.render.drawing.charts import around, distance, label_box, label_places
from resprof.render.table import Form, Origin

LIMIT = "A card with a name"
REPORTS = Path(__file__).parents[2] / "reports"
CHAR = 0.58
"""The width of a character over the size of its font: of a font wider than those we ask for."""


def chart(kind: ChartKind, series: int = 3, points: int = 4) -> Chart:
    """Series whose points have long names, intervals and a limit above them all."""
    words = kind in {ChartKind.COLUMNS, ChartKind.BARS}
    names = [f"a category of some length {number}" for number in range(points)]
    return Chart(
        name="sample",
        title="A network under test, predicted",
        subtitle="by which convention, in a sentence that has to be broken, since it is longer "
        "than the chart is wide",
        kind=kind,
        x=Axis(key="x", title="batch", form=Form.TEXT if words else Form.COUNT, log=not words),
        y=Axis(key="y_bytes", title="bytes", form=Form.BYTES, log=not words),
        series=tuple(
            Series(
                name=f"series {number}",
                origin=Origin.PREDICTED,
                points=tuple(
                    Point(
                        x=names[place] if words else 4**place,
                        y=2.0 ** (20 + 5 * place) * (1 + number),
                        low=2.0 ** (20 + 5 * place) * (0.9 + number),
                        high=2.0 ** (20 + 5 * place) * (1.1 + number),
                        label=f"point {number}-{place}",
                    )
                    for place in range(points)
                ),
            )
            for number in range(series)
        ),
        guides=() if words else (Guide(y=2**40, label=LIMIT, origin=Origin.PREDICTED),),
    )


SHIFT = re.compile(r"translate\(([-\d.e]+)(?:,([-\d.e]+))?\)")
Placed = tuple[ET.Element, float, float]


def texts(element: ET.Element, x: float = 0, y: float = 0) -> Iterator[Placed]:
    """Each text with where it is anchored, in pixels from the upper left corner."""
    transform = element.get("transform", "")
    if "rotate" in transform:
        return  # the title of an axis
    for shift in SHIFT.finditer(transform):
        x, y = x + float(shift[1]), y + float(shift[2] or 0)
    if element.tag.endswith("text"):
        yield element, x, y
    for child in element:
        yield from texts(child, x, y)


@pytest.mark.parametrize("kind", [ChartKind.LINES, ChartKind.COLUMNS, ChartKind.BARS])
def test_no_text_leaves_the_picture(kind: ChartKind) -> None:
    picture = ET.fromstring(svg(chart(kind)))  # our own
    width, height = float(picture.get("width", 0)), float(picture.get("height", 0))
    found = list(texts(picture))
    assert len(found) > 10
    for text, x, y in found:
        size = float(text.get("font-size", "12px").removesuffix("px"))
        length = CHAR * size * max(map(len, text.itertext()))
        anchor = text.get("text-anchor", "start")
        start = {"start": 0.0, "middle": -length / 2, "end": -length}[anchor]
        assert x + start >= -1, text.text
        assert x + start + length <= width + 1, text.text
        assert 0 <= y <= height, text.text


def _boxes(picture: ET.Element) -> Iterator[tuple[str, tuple[float, float, float, float]]]:
    """Each text of one line with the room that it takes."""
    for element, x, y in texts(picture):
        size = float(element.get("font-size", "12px").removesuffix("px"))
        text = element.text or ""
        length = CHAR * size * len(text)
        anchor = element.get("text-anchor", "start")
        left = x - {"start": 0.0, "middle": length / 2, "end": length}[anchor]
        yield text, (left, y - 0.75 * size, left + length, y + 0.2 * size)


@pytest.mark.parametrize("file", sorted(REPORTS.rglob("*.svg")), ids=lambda file: file.stem)
def test_no_two_texts_of_a_committed_picture_overlap(file: Path) -> None:
    # A label and the white around it are one text twice.
    boxes = dict.fromkeys(_boxes(ET.fromstring(file.read_text(encoding="utf-8"))))
    assert boxes
    for (one, (left, top, right, bottom)), (other, box) in combinations(boxes, 2):
        apart = right <= box[0] or box[2] <= left or bottom <= box[1] or box[3] <= top
        assert apart, (one, other)


def test_the_name_of_the_highest_limit_stands_within_the_frame() -> None:
    text = svg(chart(ChartKind.LINES))
    (limit,) = [y for each, _, y in texts(ET.fromstring(text)) if each.text == LIMIT]
    frame = re.search(r'translate\(\d+,(\d+)\)"><g class="mark-group role-frame root"', text)
    assert frame is not None
    assert limit - theme.LABEL_PX > float(frame[1])


@pytest.mark.parametrize("series", [1, 2, theme.MOST_SERIES])
def test_series_are_told_apart_without_colour(series: int) -> None:
    lines = svg(chart(ChartKind.LINES, series))
    shapes = re.findall(r'role-legend-symbol"[^>]*><path[^>]*? d="([^"]+)"', lines)
    assert len(set(shapes)) == len(shapes) == series
    dashes = re.findall(r'stroke-width="2"(?: stroke-dasharray="([^"]*)")?', lines)
    assert len(set(dashes[:series])) == series
    columns = svg(chart(ChartKind.COLUMNS, series))
    assert len(set(re.findall(r'role-legend-symbol"[^>]*>.*?fill="(url[^"]+)"', columns))) == series


@pytest.mark.parametrize("kind", [ChartKind.LINES, ChartKind.COLUMNS, ChartKind.BARS])
def test_every_number_of_a_chart_is_in_its_table(kind: ChartKind) -> None:
    drawn = chart(kind)
    table = chart_table(drawn)
    for series in drawn.series:
        for point in series.points:
            (row,) = [
                row
                for row in table.rows
                if point.x in row and point.y in row and any(series.name in str(c) for c in row)
            ]
            assert {point.low, point.high, point.label} <= set(row)
    for guide in drawn.guides:
        assert any(guide.y in row for row in table.rows)


def test_what_is_of_no_named_kind_is_no_chart() -> None:
    with pytest.raises(ValueError, match="predicted"):
        replace(chart(ChartKind.LINES), title="A network under test")


@pytest.mark.parametrize("value", [0, -1])
def test_a_logarithmic_axis_has_no_place_for_zero(value: int) -> None:
    drawn = chart(ChartKind.LINES)
    point = replace(drawn.series[0].points[0], y=value, low=None, high=None)
    with pytest.raises(ValueError, match="above zero"):
        replace(drawn, series=(replace(drawn.series[0], points=(point,)),))


def test_unknown_points_leave_a_gap_and_an_empty_cell() -> None:
    drawn = chart(ChartKind.LINES, series=1)
    points = list(drawn.series[0].points)
    points[1] = replace(points[1], y=None, low=None, high=None, label=None)
    drawn = replace(drawn, series=(replace(drawn.series[0], points=tuple(points)),))
    assert "point 0-1" not in svg(drawn)
    assert any(None in row for row in chart_table(drawn).rows)


def test_a_name_stands_nearer_to_its_own_point_than_to_any_other() -> None:
    points = [(100.0, 100.0, "resnet34"), (130.0, 95.0, "resnet50"), (130.0, 88.0, "resnet50-v1.5")]
    places = label_places(points, [around(x, y, 5) for x, y, _ in points])
    for number, (place, (x, y, text)) in enumerate(zip(places, points, strict=True)):
        box = label_box(x, y, text, place)
        near = [distance(box, (px, py)) for px, py, _ in points]
        assert near.index(min(near)) == number, text
