"""A document as one HTML file: its policy lets it load nothing, and run its own script alone."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from resprof.records.chart import Chart
from resprof.records.document import Document, Placed, Section
from resprof.records.table import Table
from resprof.report.site.chart import chart_html
from resprof.report.site.script import SCRIPT
from resprof.report.site.style import STYLE
from resprof.report.site.table import table_html
from resprof.report.site.text import plain

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
