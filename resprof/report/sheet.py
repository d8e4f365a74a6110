"""A table as CSV: one header of keys, raw values in base units, no total, unknown is empty.

The total is left out because a spreadsheet that sums a column would count it twice.

Text that a spreadsheet would run as a formula has an apostrophe before it, and what no terminal can
print is a space. Numbers are never touched, nor is any text that begins otherwise, so that what is
read again is what was written. The apostrophe can be taken off again: text that begins with one and
would look guarded has got another.
"""

from __future__ import annotations

import csv
import io

from resprof.records.table import Table
from resprof.report.cells import one_line, raw

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
