"""A chart of the page: a picture, and its numbers as a table for whoever cannot see it."""

from __future__ import annotations

from base64 import b64encode

from resprof.records.chart import Chart
from resprof.report.charts.table import chart_table
from resprof.report.site.table import table_html
from resprof.report.site.text import plain


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
