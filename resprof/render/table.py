"""A table before it becomes text: raw values in base units, and columns that say what they hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

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
    priority go first, all of one priority together.
    """

    key: str
    title: str
    form: Form = Form.TEXT
    origin: Origin | None = None
    priority: int = 0


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


T = TypeVar("T")


def with_model(model: str, table: Table) -> Table:
    """The table with the network's name before each row."""
    return replace(
        table,
        columns=(Column(key="model", title="model"), *table.columns),
        rows=tuple((model, *row) for row in table.rows),
        total=None,
    )


def without(table: Table, key: str) -> Table:
    """The table without the column of that key."""
    index = [column.key for column in table.columns].index(key)

    def rest(cells: tuple[T, ...]) -> tuple[T, ...]:
        return (*cells[:index], *cells[index + 1 :])

    return replace(
        table,
        columns=rest(table.columns),
        rows=tuple(rest(row) for row in table.rows),
        total=None if table.total is None else rest(table.total),
    )
