"""The front page of a report for a code host: what is in it, and its answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from resprof.records.document import Exhibit
from resprof.records.table import Table
from resprof.report.markdown import markdown


def index(exhibits: Iterable[Exhibit], *, front: Sequence[Table], drawn: bool) -> str:
    """A Markdown page with the front tables in full and a line for each exhibit."""
    lines = [
        "# resprof report",
        "",
        "[index.html](index.html) is all of it on one page: download it, then open it.",
        "",
    ]
    lines += [_line(each, drawn=drawn) for each in exhibits]
    return "\n".join([*lines, "", *(markdown(table) for table in front)])


def _line(exhibit: Exhibit, *, drawn: bool) -> str:
    stem = exhibit.stem
    suffixes = ["csv", "json", *(["svg", "png"] if exhibit.chart and drawn else [])]
    links = ", ".join(f"[{suffix}]({stem}.{suffix})" for suffix in suffixes)
    return f"- [{stem}]({stem}.md) ({links}): {exhibit.summary}"
