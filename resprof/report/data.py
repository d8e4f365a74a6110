"""A table as JSON: raw values under the columns' keys, columns with what they hold."""

from __future__ import annotations

from resprof.records.codec import SCHEMA, to_json
from resprof.records.table import Table, Value


def data(table: Table) -> str:
    """The table as one JSON document."""
    keys = [column.key for column in table.columns]

    def named(row: tuple[Value, ...]) -> dict[str, Value]:
        return dict(zip(keys, row, strict=True))

    return to_json(
        {
            "schema": SCHEMA,
            "table": table.name,
            "title": table.title,
            "subtitle": table.subtitle,
            "columns": table.columns,
            "rows": [named(row) for row in table.rows],
            "total": None if table.total is None else named(table.total),
            "notes": table.notes,
        }
    )
