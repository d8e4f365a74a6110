"""Tables as one self-contained HTML page that asks nothing of the network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from resprof.records.table import Form, Table, Value
from resprof.report.cells import cell, is_numeric, one_line

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; text-align: left; border-bottom: 1px solid #8884; }
th.n, td.n { text-align: right; white-space: nowrap; }
tfoot td { font-weight: 600; border-top: 2px solid #8888; }
th small { display: block; font-weight: 400; opacity: .7; }
.wide { overflow-x: auto; }
"""


def page(tables: Sequence[Table], *, title: str) -> str:
    """A page with the tables one after another."""
    body = "".join(_section(table) for table in tables)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}</body>\n</html>\n"
    )


def _section(table: Table) -> str:
    heads = "".join(
        f"<th{_class(column.form)}>{_text(column.title)}"
        + (f"<small>{column.origin}</small>" if column.origin else "")
        + "</th>"
        for column in table.columns
    )
    rows = "".join(f"<tr>{_cells(row, table)}</tr>\n" for row in table.rows)
    foot = ""
    if table.total is not None:
        foot = f"<tfoot><tr>{_cells(table.total, table, blank=True)}</tr></tfoot>\n"
    notes = "".join(f"<p>{_text(note)}</p>\n" for note in table.notes)
    return (
        f"<h2>{_text(table.title)}</h2>\n<p>{_text(table.subtitle)}</p>\n"
        f'<div class="wide"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n'
        f"{foot}</table></div>\n{notes}"
    )


def _cells(row: tuple[Value, ...], table: Table, *, blank: bool = False) -> str:
    return "".join(
        f"<td{_class(column.form)}>"
        f"{'' if value is None and blank else escape(cell(value, column.form))}</td>"
        for value, column in zip(row, table.columns, strict=True)
    )


def _text(text: str) -> str:
    """The text without markup and without what a terminal that shows the page would obey."""
    return escape(one_line(text))


def _class(form: Form) -> str:
    return ' class="n"' if is_numeric(form) else ""
