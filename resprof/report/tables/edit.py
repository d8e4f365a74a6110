"""Tables made from tables: a column more, a column less."""

from __future__ import annotations

from dataclasses import replace

from resprof.records.table import Column, Table


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
    return replace(
        table,
        columns=(*table.columns[:index], *table.columns[index + 1 :]),
        rows=tuple((*row[:index], *row[index + 1 :]) for row in table.rows),
    )
