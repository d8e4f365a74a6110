"""A table before it becomes text, and how one cell becomes text.

Values are raw, in base units; columns say what they hold. Only as a cell is written is a number
scaled or rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, cast

from resprof import units

Value = str | int | float | bool | tuple[int, ...] | None
"""A cell; None is unknown."""


def _format_number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else units.significant(value, 4)


class Form(StrEnum):
    """How the values of a column are written; scaling happens there and nowhere before."""

    write: Callable[[Any], str]
    """A number as a reader sees it."""
    numeric: bool
    """Whether a column of this form is aligned to the right."""

    def __new__(cls, text: str, write: Callable[[Any], str] | None = None) -> Form:
        """A form of that text; with ``write`` it is one of numbers."""
        form = str.__new__(cls, text)
        form._value_ = text
        form.write = write or _format_number
        form.numeric = write is not None
        return form

    TEXT = "text"
    PROSE = "prose"
    """Sentences: wrapped where the screen is narrow."""
    CODE = "code"
    """To be copied: never wrapped."""
    COUNT = "count", units.format_count
    """Every digit of an integer."""
    SI = "si", units.format_si
    """A count scaled to k, M, G, T."""
    NUMBER = "number", _format_number
    SHARE = "share", units.format_percent
    """A part of one, as a percentage."""
    DEVIATION = "deviation", units.format_deviation
    """A relative difference, as a percentage with its sign."""
    SHAPE = "shape"
    BYTES = "bytes", units.format_bytes
    SECONDS = "seconds", units.format_seconds


class Origin(StrEnum):
    """The four kinds of number, never in one column."""

    PUBLISHED = "published"
    COUNTED = "counted"
    PREDICTED = "predicted"
    MEASURED = "measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """``key`` names the values in CSV and JSON, with the unit; ``title`` heads them on screen.

    Columns with ``priority`` 0 are always shown; on a narrow screen those with the highest
    priority go first, all of one priority together. ``value`` takes a cell from what the row is
    about, the attribute of the column's key where none is given; ``total`` sums the rows up, None
    leaves the cell of the last line empty.
    """

    key: str
    title: str
    form: Form = Form.TEXT
    origin: Origin | None = None
    priority: int = 0
    value: Callable[[Any], object] | None = field(default=None, compare=False, repr=False)
    total: Callable[[Sequence[Any]], Value] | None = field(default=None, compare=False, repr=False)

    def cell(self, row: object) -> Value:
        """The value of a row, an enum by its text."""
        found = self.value(row) if self.value else getattr(row, self.key)
        return cast("Value", found.value if isinstance(found, StrEnum) else found)

    def of(self, part: Callable[[Any], object]) -> Column:
        """The same column, without a total, of rows that hold as a part what it is about."""
        return replace(self, value=lambda row: self.cell(part(row)), total=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under columns, a total below them, and the sentences that belong to them.

    ``title`` says what the rows are about, ``subtitle`` by which convention; ``notes`` follow the
    table. Every row, and ``total`` where there is one, has a value for each column.
    """

    name: str
    title: str
    subtitle: str = ""
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    total: tuple[Value, ...] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in (*self.rows, *((self.total,) if self.total else ())):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table {self.name}: {len(row)} cells, {len(self.columns)} columns"
                )


def record(columns: Iterable[Column], row: object) -> dict[str, Value]:
    """A row as JSON has it, each value by its column's key."""
    return {column.key: column.cell(row) for column in columns}


def tabulate(
    columns: Sequence[Column],
    rows: Iterable[object],
    *,
    name: str,
    title: str,
    subtitle: str = "",
    notes: Sequence[str] = (),
) -> Table:
    """The rows under the columns, each cell by its column.

    There is a last line where a column has a total.
    """
    rows = tuple(rows)
    total = tuple(column.total(rows) if column.total else None for column in columns)
    return Table(
        name=name,
        title=title,
        subtitle=subtitle,
        columns=tuple(columns),
        rows=tuple(tuple(column.cell(row) for column in columns) for row in rows),
        total=total if any(column.total for column in columns) else None,
        notes=tuple(notes),
    )


class _Ascii(dict[int, str]):
    """Characters of names that ASCII lacks become a question mark each: widths stay."""

    def __missing__(self, code: int) -> str:
        return chr(code) if code < 128 else "?"


ASCII = _Ascii(
    str.maketrans(
        {
            "\N{EM DASH}": "-",
            "\N{MULTIPLICATION SIGN}": "x",
            "\N{BOX DRAWINGS LIGHT HORIZONTAL}": "-",
        }
    )
)
"""What stands for the glyphs that we print where a stream knows only ASCII."""


def cell(value: Value, form: Form) -> str:
    """The value as a reader sees it; unknown is an em dash."""
    if value is None:
        return units.UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return units.format_shape(value)
    if isinstance(value, str):
        return one_line(value)
    return form.write(value)


def raw(value: Value) -> str:
    """The value in base units, as CSV holds it: floats by their shortest exact form, None empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return units.format_shape(value)
    return value if isinstance(value, str) else repr(value)


def headings(columns: Sequence[Column]) -> list[str]:
    """The titles in one line, with what the numbers are where not all are of one kind."""
    several = len({column.origin for column in columns if column.origin}) > 1
    return [
        one_line(f"{column.title} ({origin})" if several and origin else column.title)
        for column, origin in ((column, origin_beside(column)) for column in columns)
    ]


def origin_beside(column: Column) -> str:
    """What the numbers are; empty where the title is that very word, or nothing is known."""
    origin = column.origin.value if column.origin else ""
    return "" if origin == column.title else origin


def one_line(text: str) -> str:
    """The text without control characters, so that a name can carry no escape sequence."""
    return "".join(char if char.isprintable() else " " for char in text)
