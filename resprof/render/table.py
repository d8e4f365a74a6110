"""A table before it becomes text: raw values in base units, and columns that say what they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, cast

Value = str | int | float | bool | tuple[int, ...] | None
"""A cell; None is unknown."""


class Form(StrEnum):
    """How the values of a column are written; scaling happens there and nowhere before."""

    TEXT = "text"
    PROSE = "prose"
    """Sentences: wrapped where the screen is narrow."""
    CODE = "code"
    """To be copied: never wrapped."""
    COUNT = "count"
    """Every digit of an integer."""
    SI = "si"
    """A count scaled to k, M, G, T."""
    NUMBER = "number"
    SHARE = "share"
    """A part of one, as a percentage."""
    DEVIATION = "deviation"
    """A relative difference, as a percentage with its sign."""
    SHAPE = "shape"
    BYTES = "bytes"
    SECONDS = "seconds"


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
