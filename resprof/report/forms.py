"""An exhibit in the forms that it is written in: CSV, JSON, Markdown."""

from __future__ import annotations

from pathlib import PurePosixPath

from resprof.records.chart import Chart
from resprof.records.document import Exhibit, Item
from resprof.report.charts.table import chart_table
from resprof.report.data import data
from resprof.report.markdown import escaped, markdown
from resprof.report.sheet import sheet


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
