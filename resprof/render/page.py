"""A document as one HTML file: its policy lets it load nothing, and run its own script alone."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from html import escape

from resprof.render.cells import cell, is_numeric, one_line, origin_beside
from resprof.render.chart import Chart, chart_table
from resprof.render.document import Document, Placed, Section
from resprof.render.page_style import SCRIPT, STYLE
from resprof.render.table import Column, Form, Table, Value


def plain(text: str) -> str:
    """The text without markup and without control characters, also within an attribute."""
    return escape(one_line(text), quote=True)


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


def chart_html(chart: Chart, picture: str | None, *, links: str = "") -> str:
    """The chart's SVG within the page, as an image: nothing in it can act on the page.

    Without a ``picture`` the numbers stand in its place.
    """
    table = table_html(chart_table(chart))
    if picture is None:
        return f'<figure class="chart">\n{table}{links}</figure>\n'
    source = f"data:image/svg+xml;base64,{b64encode(picture.encode()).decode()}"
    told = plain(f"Chart: {chart.title}. {chart.subtitle}")
    notes = "".join(f"<p>{plain(note)}</p>\n" for note in chart.notes)
    return (
        f'<figure class="chart">\n<div class="wide" role="region" tabindex="0" '
        f'aria-label="{plain(chart.title)}"><img src="{source}" alt="{told}"></div>\n{notes}'
        f"<details><summary>The numbers of this chart</summary>\n{table}</details>\n{links}"
        "</figure>\n"
    )


Pictures = Mapping[str, str]
"""The SVG of each chart that has one, by the stem of its files."""


def page_html(document: Document, pictures: Pictures, *, interactive: str | None = None) -> str:
    """The page; ``interactive`` is the file that has the charts once more, for the pointer."""
    front = "".join(_front(placed, pictures) for placed in document.front)
    sections = "".join(_section(section, pictures) for section in document.sections)
    text = "".join(f"<p>{plain(each)}</p>\n" for each in document.text)
    return _whole(
        document.title,
        head=f"{text}{_contents(document.sections, interactive)}",
        main=f'<div class="front">\n{front}</div>\n{sections}',
    )


def tables_html(tables: Iterable[Table], *, title: str) -> str:
    """A page of tables alone, one after another."""
    return _whole(title, head="", main="".join(table_html(table) for table in tables))


def _whole(title: str, *, head: str, main: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{plain(title)}</title>\n"
        '<link rel="icon" href="data:,">\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">To the figures</a>\n'
        f"<header>\n<h1>{plain(title)}</h1>\n{head}</header>\n"
        f'<main id="main">\n{main}</main>\n'
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _policy() -> str:
    digest = b64encode(sha256(SCRIPT.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _contents(sections: Sequence[Section], interactive: str | None) -> str:
    links = [
        f'<li><a href="#{plain(each.anchor)}">{plain(each.title)}</a></li>' for each in sections
    ]
    if interactive is not None:
        links.append(f'<li><a href="{plain(interactive)}">Charts for the pointer</a></li>')
    return f'<nav aria-label="Contents"><ul>\n{"".join(links)}\n</ul></nav>\n'


def _front(placed: Placed, pictures: Pictures) -> str:
    return f'<div class="{plain(placed.item.name)}">\n{_item(placed, pictures)}</div>\n'


def _section(section: Section, pictures: Pictures) -> str:
    text = "".join(f"<p>{plain(each)}</p>\n" for each in section.text)
    items = "".join(_item(placed, pictures) for placed in section.items)
    inner = "".join(_section(each, pictures) for each in section.sections)
    anchor, title = plain(section.anchor), plain(section.title)
    if section.folded:
        return (
            f'<section><details id="{anchor}"><summary><h3>{title}</h3></summary>\n'
            f"{text}{items}{inner}</details></section>\n"
        )
    return f'<section id="{anchor}">\n<h2>{title}</h2>\n{text}{items}{inner}</section>\n'


def _item(placed: Placed, pictures: Pictures) -> str:
    links = _links(placed, pictures)
    if isinstance(placed.item, Chart):
        return chart_html(placed.item, pictures.get(placed.stem or ""), links=links)
    return table_html(placed.item, links=links)


def _links(placed: Placed, pictures: Pictures) -> str:
    """To the files beside the page that hold the same."""
    if placed.stem is None:
        return ""
    drawn = ["svg", "png"] if placed.stem in pictures else []
    links = ", ".join(
        f'<a href="{plain(placed.stem)}.{suffix}">{suffix}</a>'
        for suffix in ("csv", "json", "md", *drawn)
    )
    return f'<p class="links">{links}</p>\n'
