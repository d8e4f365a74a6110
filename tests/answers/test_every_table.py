"""What must hold of every table that resprof makes, whichever command or report makes it."""

from __future__ import annotations

import csv
import importlib
import io
import json
import math
import pkgutil
import re
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markupsafe import escape

from resprof import answers
from resprof.answers.bench.quantities import QUANTITIES
from resprof.codec import to_json
from resprof.render.formats import markdown, sheet
from resprof.render.page import tables_html
from resprof.render.table import Form, Table, Value, cell, headings, one_line
from resprof.render.terminal import Screen, terminal
from tests.answers.every_table import EveryTable, every_table

ADDS_UP = {Form.COUNT, Form.SI, Form.BYTES, Form.SECONDS, Form.SHARE}
BY_ITSELF = {
    "memory_share",
    "achieved_share",
    "flops_per_s",
    "measured_flops_per_s",
    "measured_time_s",
}
"""Rates over each row's own time, and the time of calls without events between their stages."""
IN_OTHER_WORDS = {
    ("networks", "options"),  # a list of names
    ("reconcile", "terms"),  # a sum
    ("paper", "printed"),  # what the paper shows as a table
    ("bench", "flags"),  # lists, by semicolons
    ("bench", "throttled"),
}
"""Cells of CSV files that hold as text what the records hold as lists."""
LISTED = {"unique", "reconcile", "check", "grid"}
"""Tables of a list of that name in the result; the others are of its ``rows``."""
CUT = ("\N{HORIZONTAL ELLIPSIS}", "...")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> EveryTable:
    return every_table(tmp_path_factory.mktemp("tables"))


@pytest.fixture
def tables(shown: EveryTable) -> list[Table]:
    return [table for each in shown.shown for table in (*each.tables, *each.sheets)]


def _makers() -> Iterator[FunctionType]:
    """Every function and method that answers' modules say gives tables."""
    for found in pkgutil.walk_packages(answers.__path__, f"{answers.__name__}."):
        module = importlib.import_module(found.name)
        own = [each for each in vars(module).values() if _home(each) == found.name]
        held = [each for kind in own if isinstance(kind, type) for each in vars(kind).values()]
        for each in (*own, *held):
            if isinstance(each, FunctionType):
                given = str(each.__annotations__.get("return"))
                if "Table" in re.findall(r"\w+", given):
                    yield each


def _home(value: object) -> str | None:
    """The module in which it was defined."""
    return getattr(value, "__module__", None)


def test_no_table_is_missing_here(shown: EveryTable, tables: list[Table]) -> None:
    makers = {maker.__code__: maker.__qualname__ for maker in _makers()}
    assert len(makers) > 40
    idle = {name for code, name in makers.items() if code not in shown.at_work}
    assert idle == {"_first_table"}  # of a report's devices, by what is at work here
    known = {table.name for table in tables}
    assert {"table1", "table6", *(each.key for each in QUANTITIES)} <= known


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
                if isinstance(value, str):
                    assert text.removeprefix("'") == one_line(value).removeprefix("'")
                elif isinstance(value, (int, float)) and column.form in {Form.TEXT, Form.PROSE}:
                    assert text in {repr(value), str(value).lower()}
                elif isinstance(value, tuple):
                    assert text == "x".join(map(str, value))
                else:
                    assert _read(text, column.form) == value


def _records(answer: Any, sheet_name: str) -> Iterator[dict[str, Any]]:
    """What each line of a CSV file is made of, with what its result says of all of them."""
    listed = sheet_name.partition("-")[0]
    for result in answer["results"]:
        if "workload" in result:  # what is published beside it, which no CSV is asked for
            continue
        above = {key: value for key, value in result.items() if not isinstance(value, list)}
        if sheet_name in {"compare", "side-by-side"}:
            yield above | dict(_pairs(result, wide=sheet_name == "side-by-side"))
            continue
        rows = (
            result[listed] if listed in {"unique", "reconcile", "check", "grid"} else result["rows"]
        )
        for row in rows:
            for level in row.get("levels") or [{}]:
                # Beside a level, a row's verdict is of one of them alone.
                judged = {"within": None} if level and level["level"] != "allocated" else {}
                yield above | row | level | judged


def _as_csv(value: Any) -> str:
    """Floats by their shortest exact form, sizes as the paper writes them."""
    if isinstance(value, list):
        return "x".join(map(str, value))
    if isinstance(value, str):
        return f"'{value}" if value.startswith(("=", "+", "-", "@")) else value
    return "" if value is None else json.dumps(value)


def _pairs(result: Any, *, wide: bool) -> Iterator[tuple[str, Any]]:
    """What was measured twice, by its column."""
    for row in result["rows"]:
        for side in ("baseline", "candidate"):
            run = result[side]
            suffix = f" {run['device']['name']} {run['name']}"
            column = f"{row['quantity']}{suffix}" if wide else f"{side}_{row['quantity']}"
            yield column, row[side] and row[side]["value"]


def test_csv_read_again_is_the_records(shown: EveryTable) -> None:
    for each in shown.shown:
        if each.answer is None:
            continue
        (made,) = each.sheets
        answer = json.loads(to_json(each.answer))
        records = list(_records(answer, made.name))
        read = list(csv.DictReader(io.StringIO(sheet(made))))
        assert len(records) == len(read), (each.source, made.name)
        held = 0
        for record, row in zip(records, read, strict=True):
            for key in record.keys() & row.keys():
                value = record[key]
                kind = made.name.partition("-")[0]
                if isinstance(value, dict) or (kind, key) in IN_OTHER_WORDS:
                    continue
                assert row[key] == _as_csv(value), (each.source, made.name, key)
                held += value is not None
        assert held >= len(records), (each.source, made.name)


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
        assert [" ".join(text.split()) for text in read[:width]] == headings(table.columns)
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
        _, _, page = tables_html([table], title=table.title).partition("<main")
        page, _, _ = page.partition("</main>")
        forms = [terminal(table, Screen()), markdown(table), sheet(table), page]
        assert not any(mark in text for text in forms for mark in CUT)
        words = set(re.split(r"\s+", forms[0]))
        for row in table.rows:
            for value, column in zip(row, table.columns, strict=True):
                text = cell(value, column.form)
                if column.form is not Form.PROSE:
                    assert set(text.split()) <= words, (table.name, column.key)
                assert f">{escape(text)}</td>" in forms[-1]


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
