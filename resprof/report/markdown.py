"""A table as Markdown, for pages that people read on a code host."""

from __future__ import annotations

from resprof.records.table import Table, Value
from resprof.report.cells import cell, headings, is_numeric, one_line

_SPECIAL = str.maketrans({char: f"\\{char}" for char in "\\`*[]<>|"})


def markdown(table: Table, *, level: int = 2) -> str:
    """The table under a heading of that level, its notes as paragraphs below."""
    columns = table.columns
    heads = [escaped(heading) for heading in headings(columns)]
    rules = ["---:" if is_numeric(column.form) else "---" for column in columns]
    lines = [f"{'#' * level} {escaped(table.title)}", ""]
    if table.subtitle:
        lines += [escaped(table.subtitle), ""]
    lines += [_line(heads), _line(rules)]
    lines += [_line(_cells(row, table)) for row in table.rows]
    if table.total is not None:
        marked = [
            f"**{text}**" if value is not None else ""
            for value, text in zip(table.total, _cells(table.total, table), strict=True)
        ]
        lines.append(_line(marked))
    for note in table.notes:
        lines += ["", escaped(note)]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """The text in one line with everything that Markdown or HTML would interpret made literal."""
    return one_line(text).translate(_SPECIAL)


def _cells(row: tuple[Value, ...], table: Table) -> list[str]:
    return [
        escaped(cell(value, column.form)) for value, column in zip(row, table.columns, strict=True)
    ]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
