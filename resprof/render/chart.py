"""A chart before it becomes a picture: points in base units, and axes that say what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter

from resprof.render.table import Column, Form, Origin, Table, tabulate


class ChartKind(StrEnum):
    """How points are drawn."""

    COLUMNS = "columns"
    """Upright bars, side by side for each category of ``x``."""
    BARS = "bars"
    """Bars that lie, for categories with long names."""
    LINES = "lines"
    """Over a number: series joined by a line, or marked one by one."""
    TIMELINE = "timeline"
    """One event after the other: a value holds until the next point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """``key`` names the values in CSV and JSON, with the unit; ``title`` stands at the axis."""

    key: str
    title: str
    form: Form
    log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """``x`` is a category in bars, ``y`` None unknown; ``low`` and ``high`` are an interval's ends.

    ``label`` stands beside the point.
    """

    x: str | int | float
    y: int | float | None
    low: int | float | None = None
    high: int | float | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points of one kind of number, ``joined`` by a line, ``marked`` one by one, or both."""

    name: str
    origin: Origin
    points: tuple[Point, ...]
    joined: bool = True
    marked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """A value of ``y`` that holds along the whole chart, such as a limit."""

    y: int | float
    label: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What a stretch of ``x`` is called, from its ``start`` up to its ``end``, in two lines."""

    start: int | float
    end: int | float
    label: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Series over axes; the title or the subtitle names the origin of every number in it.

    ``name`` is a file's name. Raises ``ValueError`` for an origin that is not named, and for a
    value that a logarithmic axis has no place for.
    """

    name: str
    title: str
    subtitle: str = ""
    kind: ChartKind
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    guides: tuple[Guide, ...] = ()
    spans: tuple[Span, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for origin in self.origins:
            if origin not in self.title and origin not in self.subtitle:
                raise ValueError(f"chart {self.name} does not say what is {origin}")
        for axis, values in ((self.x, self._abscissae()), (self.y, self.ordinates())):
            if axis.log and any(isinstance(value, str) or value <= 0 for value in values):
                raise ValueError(f"chart {self.name}: a logarithmic axis begins above zero")

    @property
    def origins(self) -> tuple[Origin, ...]:
        """What kinds of number it shows, each once."""
        of_series = (each.origin for each in self.series)
        return tuple(dict.fromkeys((*of_series, *(each.origin for each in self.guides))))

    def ordinates(self) -> Iterator[int | float]:
        """Every value along ``y``: points, ends of intervals, guides."""
        for series in self.series:
            for point in series.points:
                yield from (v for v in (point.y, point.low, point.high) if v is not None)
        yield from (guide.y for guide in self.guides)

    def _abscissae(self) -> Iterator[str | int | float]:
        for series in self.series:
            yield from (point.x for point in series.points)


_LONGEST = 80


def origins_text(series: Iterable[Series]) -> str:
    """The kinds of number in the order of trust: ``counted, predicted and measured``."""
    there = {each.origin for each in series}
    names = [origin.value for origin in Origin if origin in there]
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def slug(name: str) -> str:
    """A name as a part of a file's name: letters, digits, hyphens, and points within numbers."""
    kept = re.sub(r"(?<![0-9])\.|\.(?![0-9])|[^a-z0-9.]", "-", name.lower())
    return re.sub(r"-+", "-", kept).strip("-")[:_LONGEST].strip("-.") or "unknown"


def chart_table(chart: Chart) -> Table:
    """A row for each point, limits as rows of their own; intervals and labels where there are."""
    points = [(each.name, each.origin, p.x, p) for each in chart.series for p in each.points]
    limits = [(each.label, each.origin, None, Point(x="", y=each.y)) for each in chart.guides]
    origin = chart.origins[0] if len(chart.origins) == 1 else None

    def number(key: str, title: str, end: str) -> Column:
        form = chart.y.form
        return Column(
            key=key, title=title, form=form, origin=origin, value=lambda row: getattr(row[3], end)
        )

    columns = [
        Column(key="series", title="series", value=itemgetter(0)),
        Column(key="origin", title="kind of number", priority=1, value=itemgetter(1)),
        Column(
            key=chart.x.key,
            title=chart.x.title or chart.x.key,
            form=chart.x.form,
            value=itemgetter(2),
        ),
        number(chart.y.key, chart.y.title, "y"),
    ]
    if any(point.low is not None for *_, point in points):
        columns.append(number(f"{chart.y.key}_low", "from", "low"))
        columns.append(number(f"{chart.y.key}_high", "to", "high"))
    if any(point.label for *_, point in points):
        columns.append(Column(key="label", title="label", value=lambda row: row[3].label))
    return tabulate(
        columns,
        [*points, *limits],
        name=chart.name,
        title=chart.title,
        subtitle=chart.subtitle,
        notes=chart.notes,
    )
