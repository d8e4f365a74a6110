"""Tables made from tables: a column more, a column less."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from resprof.records.table import Column, Table

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
