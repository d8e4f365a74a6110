"""A table of the page: read without a script, sorted with one, told by its caption."""

from __future__ import annotations

import math

from resprof.records.table import Column, Form, Table, Value
from resprof.report.cells import cell, is_numeric, origin_beside
from resprof.report.site.text import plain

_LONG = 40
"""Rows from which on a table scrolls in a box of its own."""
_PRINTED_PRIORITY = 2
"""Columns of a higher priority are left out on paper, which has no scroll bar."""


def table_html(table: Table, *, links: str = "") -> str:
    """The table in a box that scrolls where it is too wide, with its notes below."""
    heads = "".join(_head(column) for column in table.columns)
    rows = "".join(f"<tr>{_cells(row, table)}</tr>\n" for row in table.rows)
    foot = ""
    if table.total is not None:
        foot = f"<tfoot><tr>{_cells(table.total, table, blank=True)}</tr></tfoot>\n"
    subtitle = f"<small>{plain(table.subtitle)}</small>" if table.subtitle else ""
    long = " long" if len(table.rows) > _LONG else ""
    return (
        f'<figure class="table">\n<div class="wide{long}" role="region" tabindex="0" '
        f'aria-label="{plain(table.title)}">\n<table>\n'
        f"<caption>{plain(table.title)}{subtitle}</caption>\n<thead><tr>{heads}</tr></thead>\n"
        f"<tbody>\n{rows}</tbody>\n{foot}</table>\n</div>\n{_notes(table)}{links}</figure>\n"
    )


def _head(column: Column) -> str:
    origin = origin_beside(column)
    small = f"<small>{origin}</small>" if origin else ""
    return f'<th scope="col"{_class(column)}>{plain(column.title)}{small}</th>'


def _cells(row: tuple[Value, ...], table: Table, *, blank: bool = False) -> str:
    return "".join(
        f"<td{_class(column)}{_key(value)}>"
        f"{'' if value is None and blank else plain(cell(value, column.form))}</td>"
        for value, column in zip(row, table.columns, strict=True)
    )


def _class(column: Column) -> str:
    names = [
        *(["n"] if is_numeric(column.form) else []),
        *(["code"] if column.form is Form.CODE else []),
        *(["off"] if column.priority > _PRINTED_PRIORITY else []),
    ]
    return f' class="{" ".join(names)}"' if names else ""


def _key(value: Value) -> str:
    """What a number is sorted by: the value in base units, not what is shown of it."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f' data-v="{value!r}"'
    if isinstance(value, tuple):
        return f' data-v="{math.prod(value)}"'
    return ""


def _notes(table: Table) -> str:
    notes = [f"<p>{plain(note)}</p>\n" for note in table.notes]
    left_out = [c.title for c in table.columns if c.priority > _PRINTED_PRIORITY]
    if left_out:
        names = ", ".join(dict.fromkeys(left_out))
        notes.append(f'<p class="paper">Not on paper: {plain(names)}.</p>\n')
    return "".join(notes)
