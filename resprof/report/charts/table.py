"""A chart's numbers as a table: what a picture shows can be read, copied and checked."""

from __future__ import annotations

from resprof.records.chart import Axis, Chart, Point, Series
from resprof.records.table import Column, Origin, Table, Value


def chart_table(chart: Chart) -> Table:
    """A row for each point, limits as rows of their own; intervals and labels where there are."""
    origin = chart.origins[0] if len(chart.origins) == 1 else None
    points = [(series, point) for series in chart.series for point in series.points]
    intervals = any(point.low is not None for _, point in points)
    labels = any(point.label for _, point in points)
    columns = [
        Column(key="series", title="series"),
        Column(key="origin", title="kind of number", priority=1),
        Column(key=chart.x.key, title=chart.x.title or chart.x.key, form=chart.x.form),
        _value(chart.y, chart.y.key, chart.y.title, origin),
    ]
    if intervals:
        columns += [
            _value(chart.y, f"{chart.y.key}_low", "from", origin),
            _value(chart.y, f"{chart.y.key}_high", "to", origin),
        ]
    if labels:
        columns.append(Column(key="label", title="label"))
    rows = [_row(series, point, intervals, labels) for series, point in points]
    blank = (None,) * (len(columns) - 4)
    rows += [(guide.label, guide.origin.value, None, guide.y, *blank) for guide in chart.guides]
    return Table(
        name=chart.name,
        title=chart.title,
        subtitle=chart.subtitle,
        columns=tuple(columns),
        rows=tuple(rows),
        notes=chart.notes,
    )


def _row(series: Series, point: Point, intervals: bool, labels: bool) -> tuple[Value, ...]:
    ends = (point.low, point.high) if intervals else ()
    label = (point.label,) if labels else ()
    return (series.name, series.origin.value, point.x, point.y, *ends, *label)


def _value(axis: Axis, key: str, title: str, origin: Origin | None) -> Column:
    return Column(key=key, title=title, form=axis.form, origin=origin)
