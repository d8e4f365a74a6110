"""What must hold of every table that resprof makes, whichever command or report makes it."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from resprof.records.codec import to_json
from resprof.records.table import Form, Table, Value
from resprof.report.cells import cell, one_line
from resprof.report.markdown import markdown
from resprof.report.sheet import sheet
from resprof.report.site.table import table_html
from resprof.report.terminal import Screen, terminal
from tests.report.every_table import Shown, every_table

TABLES = Path(__file__).parents[2] / "resprof" / "report" / "tables"
ADDS_UP = {Form.COUNT, Form.SI, Form.BYTES, Form.SECONDS, Form.SHARE}
BY_ITSELF = {
    "memory_share",
    "achieved_share",
    "flops_per_s",
    "measured_flops_per_s",
    "measured_time_s",
}
"""Rates over each row's own time, and the time of calls without events between their stages."""
CUT = ("\N{HORIZONTAL ELLIPSIS}", "...")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> list[Shown]:
    return every_table(tmp_path_factory.mktemp("tables"))


@pytest.fixture
def tables(shown: list[Shown]) -> list[Table]:
    return [table for each in shown for table in (*each.tables, *each.sheets)]


def test_no_table_is_missing_here(tables: list[Table]) -> None:
    made = {
        name
        for file in TABLES.glob("*.py")
        for name in re.findall(r'Table\(\n\s+name=(?:.* else )?"([^"]+)"', file.read_text())
    }
    assert len(made) > 20
    assert made == {table.name for table in tables} & made


def _read(text: str, form: Form) -> Value:
    """A cell of a CSV file as whoever reads it takes it."""
    if text == "":
        return None
    if text in {"true", "false"}:
        return text == "true"
    if form in {Form.TEXT, Form.PROSE, Form.SHAPE}:
        return text
    return float(text) if re.search(r"[.en]", text) else int(text)


def test_csv_read_again_is_the_values(tables: list[Table]) -> None:
    for table in tables:
        read = list(csv.reader(io.StringIO(sheet(table))))
        assert read[0] == [column.key for column in table.columns]
        assert len(set(read[0])) == len(read[0])
        assert len(read) == 1 + len(table.rows)
        for texts, row in zip(read[1:], table.rows, strict=True):
            for text, value, column in zip(texts, row, table.columns, strict=True):
                known = "x".join(map(str, value)) if isinstance(value, tuple) else value
                if isinstance(value, str):
                    assert text.removeprefix("'") == one_line(value).removeprefix("'")
                elif isinstance(value, (int, float)) and column.form in {Form.TEXT, Form.PROSE}:
                    assert text in {repr(value), str(value).lower()}
                else:
                    assert _read(text, column.form) == (known or value)


def _rows(answer: Any) -> Iterator[dict[str, Any]]:
    """The rows of all results, each with what its result says of all of them."""
    for result in answer["results"]:
        above = {key: value for key, value in result.items() if not isinstance(value, list)}
        for row in result.get("rows") or [{}]:
            yield {**above, **row}


def test_csv_read_again_is_the_records(shown: list[Shown]) -> None:
    held = 0
    for each in shown:
        if each.answer is None:
            continue
        records = list(_rows(json.loads(to_json(each.answer))))
        read = list(csv.DictReader(io.StringIO(sheet(*each.sheets))))
        if len(records) != len(read):
            continue
        for record, row in zip(records, read, strict=True):
            for key in record.keys() & row.keys():
                value = record[key]
                if isinstance(value, (int, float)) or value is None:
                    read_again = _read(row[key], Form.NUMBER)
                    assert read_again == value, (each.source, key)
                    held += 1
    assert held > 1000


def test_markdown_is_read_as_the_table_that_it_is(tables: list[Table]) -> None:
    reader = MarkdownIt("commonmark").enable("table")
    for table in tables:
        texts = [
            token.children
            for before, token in zip(*_twice(reader.parse(markdown(table))), strict=True)
            if before.type in {"th_open", "td_open"}
        ]
        read = ["".join(part.content for part in parts or ()) for parts in texts]
        width = len(table.columns)
        rows = [row for row in (*table.rows, table.total) if row is not None]
        assert len(read) == width * (1 + len(rows))
        for place, row in enumerate(rows, start=1):
            for value, column, text in zip(
                row, table.columns, read[place * width : (place + 1) * width], strict=True
            ):
                blank = row is table.total and value is None
                expected = "" if blank else cell(value, column.form)
                assert " ".join(text.split()) == " ".join(expected.split()), table.name


def _twice(tokens: list[Any]) -> tuple[list[Any], list[Any]]:
    return tokens[:-1], tokens[1:]


def test_columns_add_up_to_their_totals(tables: list[Table]) -> None:
    added = 0
    for table in tables:
        if table.total is None:
            continue
        for index, (total, column) in enumerate(zip(table.total, table.columns, strict=True)):
            parts = [row[index] for row in table.rows]
            if column.form not in ADDS_UP or column.key in BY_ITSELF:
                continue
            if not isinstance(total, (int, float)):
                continue
            numbers = [part for part in parts if isinstance(part, (int, float))]
            if isinstance(total, int):
                assert sum(numbers) == total, (table.name, column.key)
            else:
                assert math.isclose(math.fsum(numbers), total, rel_tol=1e-9), (
                    table.name,
                    column.key,
                )
            added += 1
    assert added > 30


def test_no_form_leaves_out_or_cuts_a_cell(tables: list[Table]) -> None:
    for table in tables:
        forms = [terminal(table, Screen()), markdown(table), sheet(table), table_html(table)]
        assert not any(mark in text for text in forms for mark in CUT)
        words = set(re.split(r"\s+", forms[0]))
        for row in table.rows:
            for value, column in zip(row, table.columns, strict=True):
                text = cell(value, column.form)
                if column.form is not Form.PROSE:
                    assert set(text.split()) <= words, (table.name, column.key)
                assert escape(text) in forms[-1]


@pytest.mark.parametrize("width", [120, 80, 40])
def test_a_narrow_screen_cuts_no_number(tables: list[Table], width: int) -> None:
    for table in tables:
        text = terminal(table, Screen(width=width))
        for line in text.splitlines():
            # An address or a command stays whole.
            whole = len(line.split()) == 1 or line.startswith("sudo ")
            assert len(line) <= width or whole, table.name
        shown = set(text.split())
        for row in table.rows:
            for value, column in zip(row, table.columns, strict=True):
                if column.priority == 0 and isinstance(value, (int, float)):
                    assert set(cell(value, column.form).split()) <= shown, table.name
