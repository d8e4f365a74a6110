"""A document as one HTML file: its policy lets it load nothing, and run its own script alone.

The markup is in page.html, its looks in page.css, what it does by itself in page.js.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from resprof.errors import EnvironmentMissing
from resprof.render.chart import Chart, chart_table
from resprof.render.document import Document, Placed
from resprof.render.table import Column, Form, Table, Value, cell, one_line, origin_beside

if TYPE_CHECKING:
    from jinja2 import Template

_LONG = 40
"""Rows from which on a table scrolls in a box of its own."""
_PRINTED_PRIORITY = 2
"""Columns of a higher priority are left out on paper, which has no scroll bar."""


def check_available() -> None:
    """Raises ``EnvironmentMissing`` where what fills the template is not installed."""
    try:
        import jinja2  # noqa: F401 # whether it is there
    except ImportError:
        raise EnvironmentMissing(
            "a page needs jinja2, which is not installed", hint="install it: pip install jinja2"
        ) from None


def page_html(document: Document, pictures: Mapping[str, str]) -> str:
    """The page; ``pictures`` has the SVG of each chart that is drawn, by the stem of its files."""
    return _template().render(document=document, pictures=pictures)


def tables_html(tables: Iterable[Table], *, title: str) -> str:
    """A page of tables alone, one after another."""
    front = tuple(Placed(item=table) for table in tables)
    return page_html(Document(title=title, text=(), front=front, sections=()), {})


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    here = Path(__file__).parent
    style, script = (
        (here / f"page.{suffix}").read_text(encoding="utf-8") for suffix in ("css", "js")
    )

    def without_controls(value: object) -> object:
        return (
            one_line(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
        )

    page = Environment(
        loader=FileSystemLoader(here),
        autoescape=True,
        finalize=without_controls,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    page.filters |= {
        "cell": cell,
        "chart_table": chart_table,
        "classes": _classes,
        "data_url": _data_url,
        "not_on_paper": _not_on_paper,
        "origin_beside": origin_beside,
        "sort_key": _sort_key,
    }
    page.tests["chart"] = lambda item: isinstance(item, Chart)
    page.globals |= {
        "long": _LONG,
        "policy": _policy(f"\n{script}"),
        "script": Markup(script),
        "style": Markup(style),
        "zip": zip,
    }
    return page.get_template("page.html")


def _policy(script: str) -> str:
    """What the page may do; its script is named by the digest of what stands in the element."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _classes(column: Column) -> str | None:
    names = {
        "n": column.form.numeric,
        "code": column.form is Form.CODE,
        "off": column.priority > _PRINTED_PRIORITY,
    }
    return " ".join(name for name, holds in names.items() if holds) or None


def _sort_key(value: Value) -> str | None:
    """What a number is sorted by: the value in base units, not what is shown of it."""
    if isinstance(value, tuple):
        return str(math.prod(value))
    return repr(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _data_url(picture: str) -> str:
    return f"data:image/svg+xml;base64,{b64encode(picture.encode()).decode()}"


def _not_on_paper(columns: Sequence[Column]) -> list[str]:
    """The titles of the columns that are left out on paper, each once."""
    return list(dict.fromkeys(c.title for c in columns if c.priority > _PRINTED_PRIORITY))
