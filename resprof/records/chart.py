"""A chart before it becomes a picture: points in base units, and axes that say what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from resprof.records.table import Form, Origin


class ChartKind(StrEnum):
    """How points are drawn."""

    COLUMNS = "columns"
    """Upright bars, side by side for each category of ``x``."""
    BARS = "bars"
    """Bars that lie, for categories with long names."""
    LINES = "lines"
    """Over a number: series joined by a line, or marked one by one."""
    COURSE = "course"
    """One thing after the other: a value holds until the next point."""


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
