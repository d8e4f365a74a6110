"""Names from outside do nothing but be read: no markup, no formula, no terminal escape."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser

import pytest

from resprof.render.formats import markdown, sheet
from resprof.render.page import tables_html
from resprof.render.table import Column, Form, Table
from resprof.render.terminal import Screen, terminal

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    " =1+1",
    "'=1+1",
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;http://evil\x07link",
    "a|b\nc",
    "**bold** [x](javascript:alert(1))",
)
HONEST = ("resnet50-v1.5", "NVIDIA H100 80GB HBM3", "it's fine", "a=b", "A100 (40GB)")


def _table(name: str) -> Table:
    return Table(
        name="t",
        title=name,
        subtitle=name,
        # A run's name may head a column.
        columns=(Column(key=name, title=name), Column(key="n", title="n", form=Form.NUMBER)),
        rows=((name, -1.5), ("plain", 2.0)),
        notes=(name,),
    )


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_page_holds_no_markup_but_its_own(name: str) -> None:
    tags, plain = _Tags(), _Tags()
    tags.feed(tables_html([_table(name)], title=name))
    plain.feed(tables_html([_table("x")], title="x"))
    assert tags.seen == plain.seen


@pytest.mark.parametrize("name", HOSTILE)
def test_a_terminal_gets_no_escape(name: str) -> None:
    for text in (
        terminal(_table(name), Screen(width=80)),
        terminal(_table(name), Screen(width=12)),
        terminal(_table(name), Screen(ascii=True)),
        markdown(_table(name)),
        sheet(_table(name)),
        tables_html([_table(name)], title=name),
    ):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_spreadsheet_gets_no_formula(name: str) -> None:
    rows = list(csv.reader(io.StringIO(sheet(_table(name)))))
    assert not rows[1][0].lstrip(" \t\r").startswith(("=", "+", "-", "@"))
    assert not rows[0][0].lstrip(" \t\r").startswith(("=", "+", "-", "@"))
    assert rows[1][1] == "-1.5"


@pytest.mark.parametrize("name", HONEST)
def test_honest_names_are_what_is_read_again(name: str) -> None:
    rows = list(csv.reader(io.StringIO(sheet(_table(name)))))
    assert rows[1] == [name, "-1.5"]


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_keeps_its_cells_and_makes_no_link(name: str) -> None:
    text = markdown(_table(name))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {3}
    assert not re.search(r"(?<!\\)\[", text)
    assert not re.search(r"(?<!\\)<", text)
