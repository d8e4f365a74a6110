"""What an image takes of energy, where the device has a counter for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from resprof.records.bench import BenchResult, BenchRow
from resprof.records.chart import Axis, Chart, ChartKind, Point, Series
from resprof.records.environment import Environment
from resprof.records.plan import Metric
from resprof.records.table import Form, Origin
from resprof.report.tables.configurations import network_text, told_apart
from resprof.report.tables.environment import device_kind, device_name

MOST_BARS = 20
"""So many configurations are drawn, the first of the run; the table has all."""
_KINDS: tuple[tuple[str, Callable[[BenchRow], float | None]], ...] = (
    ("gross", lambda row: row.energy_per_image_j),
    ("net of idle power", lambda row: row.energy_net_per_image_j),
)


def energy_chart(environment: Environment, results: Sequence[BenchResult]) -> Chart | None:
    """A pair of bars for each configuration; None where no energy was measured."""
    measured = [
        (result, row)
        for result in results
        for row in result.rows
        if row.metric is Metric.THROUGHPUT and row.energy_per_image_j is not None
    ][:MOST_BARS]
    names = [_name(result) for result, _ in measured]
    more = told_apart(names, [result.workload for result, _ in measured])
    rows = [
        (f"{name}, {text}" if text else name, row)
        for name, text, (_, row) in zip(names, more, measured, strict=True)
    ]
    if not rows:
        return None
    return Chart(
        name="energy",
        title=f"Energy per image, measured on {device_kind(environment)} "
        f"{device_name(environment)}",
        subtitle="read from the device's counter while calls run back to back",
        kind=ChartKind.BARS,
        x=Axis(key="configuration", title="", form=Form.TEXT),
        y=Axis(key="energy_per_image_j", title="joules per image", form=Form.NUMBER),
        series=tuple(
            Series(
                name=name,
                origin=Origin.MEASURED,
                points=tuple(Point(x=configuration, y=value(row)) for configuration, row in rows),
            )
            for name, value in _KINDS
            if any(value(row) is not None for _, row in rows)
        ),
    )


def _name(result: BenchResult) -> str:
    recipe = result.recipe
    return (
        f"{network_text(result.workload)}, {recipe.mode}, {recipe.precision}, batch {recipe.batch}"
    )
