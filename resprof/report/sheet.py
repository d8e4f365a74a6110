"""A table as CSV: one header of keys, raw values in base units, no total, unknown is empty.

The total is left out because a spreadsheet that sums a column would count it twice.
"""

from __future__ import annotations

import csv
import io

from resprof.records.table import Table
from resprof.report.cells import raw

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def sheet(*tables: Table) -> str:
    """Tables of the same columns as one CSV with line feeds."""
    first = tables[0]
    out = io.StringIO()
    out_rows = csv.writer(out, lineterminator="\n")
    out_rows.writerow([column.key for column in first.columns])
    for table in tables:
        if [column.key for column in table.columns] != [column.key for column in first.columns]:
            raise ValueError(f"{table.name} and {first.name} have different columns")
        for row in table.rows:
            out_rows.writerow(
                [_harmless(raw(value)) if isinstance(value, str) else raw(value) for value in row]
            )
    return out.getvalue()


def _harmless(text: str) -> str:
    """Text that a spreadsheet does not run as a formula: a quote before what would start one."""
    return f"'{text}" if text.startswith(_FORMULA) else text
