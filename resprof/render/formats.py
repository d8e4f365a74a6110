"""A table as Markdown, CSV and JSON.

The total is left out because a spreadsheet that sums a column would count it twice.

Text that a spreadsheet would run as a formula has an apostrophe before it, and what no terminal can
print is a space. Numbers are never touched, nor is any text that begins otherwise, so that what is
read again is what was written. The apostrophe can be taken off again: text that begins with one and
would look guarded has got another.
"""

from __future__ import annotations

import csv
import io
from pathlib import PurePosixPath

from resprof.codec import SCHEMA, to_json
from resprof.render.chart import Chart, chart_table
from resprof.render.document import Exhibit, Item
from resprof.render.table import Table, Value, cell, headings, one_line, raw

_SPECIAL = str.maketrans({char: f"\\{char}" for char in "\\`*[]<>|"})


def markdown(table: Table, *, level: int = 2) -> str:
    """The table under a heading of that level, its notes as paragraphs below."""
    columns = table.columns
    heads = [escaped(heading) for heading in headings(columns)]
    rules = ["---:" if column.form.numeric else "---" for column in columns]
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


_FORMULA = ("=", "+", "-", "@")
_SKIPPED = ("\t", "\r")
"""What some spreadsheets pass over before they look for a formula."""
_GUARD = "'"


def sheet(*tables: Table) -> str:
    """Tables of the same columns as one CSV with line feeds."""
    first = tables[0]
    out = io.StringIO()
    out_rows = csv.writer(out, lineterminator="\n")
    out_rows.writerow([_harmless(column.key) for column in first.columns])
    for table in tables:
        if [column.key for column in table.columns] != [column.key for column in first.columns]:
            raise ValueError(f"{table.name} and {first.name} have different columns")
        for row in table.rows:
            out_rows.writerow(
                [_harmless(value) if isinstance(value, str) else raw(value) for value in row]
            )
    return out.getvalue()


def _harmless(text: str) -> str:
    """Text that no spreadsheet runs and no terminal obeys; see above for the way back."""
    shown = one_line(text)
    starts = shown.lstrip(f" {_GUARD}").startswith(_FORMULA) or text.startswith(_SKIPPED)
    return f"{_GUARD}{shown}" if starts else shown


_TOLD_OF_COLUMNS = ("key", "title", "form", "origin", "priority")


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
            "columns": [
                {name: getattr(column, name) for name in _TOLD_OF_COLUMNS}
                for column in table.columns
            ],
            "rows": [named(row) for row in table.rows],
            "total": None if table.total is None else named(table.total),
            "notes": table.notes,
        }
    )


def forms(exhibit: Exhibit, *, drawn: bool = False) -> dict[str, str]:
    """Texts by file; in Markdown a chart that is ``drawn`` is a picture over its numbers."""
    readable = [_readable(item, exhibit.stem, drawn=drawn) for item in exhibit.shown]
    return {
        f"{exhibit.stem}.csv": sheet(exhibit.data),
        f"{exhibit.stem}.json": data(exhibit.data),
        f"{exhibit.stem}.md": "\n".join(readable),
    }


def _readable(item: Item, stem: str, *, drawn: bool) -> str:
    if not isinstance(item, Chart):
        return markdown(item)
    text = markdown(chart_table(item))
    name = PurePosixPath(stem).name
    return f"![{escaped(item.title)}]({name}.svg)\n\n{text}" if drawn else text
