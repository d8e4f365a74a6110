"""The small tables of a report's front page."""

from __future__ import annotations

from collections.abc import Sequence

from resprof.records.bench import BenchResult
from resprof.records.environment import Environment
from resprof.records.flops import FlopsResult
from resprof.records.plan import Metric
from resprof.records.table import Column, Form, Origin, Table
from resprof.report.tables.environment import describe, device_kind, device_name
from resprof.report.tables.fits import recipe_words

MOST_ROWS = 12


def costs_table(results: Sequence[FlopsResult]) -> Table:
    """What networks cost, in few digits."""
    counted = Origin.COUNTED
    return Table(
        name="costs",
        title="What it costs, counted",
        subtitle="one image of 224x224, forward; MAC = one multiply-add, FLOPs = 2 x MACs",
        columns=(
            Column(key="model", title="model"),
            Column(key="params", title="params", form=Form.SI, origin=counted),
            Column(key="macs", title="MACs", form=Form.SI, origin=counted),
            Column(key="paper", title="the paper", origin=Origin.PUBLISHED),
        ),
        rows=tuple(
            (
                result.model,
                result.total.params,
                result.total.macs,
                f"{result.paper.printed} {result.paper.unit}" if result.paper else None,
            )
            for result in results
        ),
    )


def speeds_table(environment: Environment, results: Sequence[BenchResult]) -> Table:
    """How fast the first configurations of a run are."""
    measured = Origin.MEASURED
    shown = results[:MOST_ROWS]
    more = len(results) - len(shown)
    return Table(
        name="speeds",
        title=f"How fast it is on {device_kind(environment)} {device_name(environment)}, measured",
        subtitle=describe(environment),
        columns=(
            Column(key="model", title="model"),
            Column(key="recipe", title="recipe"),
            Column(key="batch", title="batch", form=Form.COUNT),
            Column(key="latency_median_s", title="latency", form=Form.SECONDS, origin=measured),
            Column(
                key="throughput_images_per_s",
                title="images/s",
                form=Form.NUMBER,
                origin=measured,
            ),
        ),
        rows=tuple(_speed(result) for result in shown),
        notes=(f"The first {len(shown)} of {len(results)}; all stand below.",) if more else (),
    )


def _speed(result: BenchResult) -> tuple[str, str, int, float | None, float | None]:
    rows = {row.metric: row for row in result.rows}
    latency, throughput = rows.get(Metric.LATENCY), rows.get(Metric.THROUGHPUT)
    return (
        result.model,
        recipe_words(result.recipe),
        result.recipe.batch,
        latency.latency_median_s if latency else None,
        throughput.throughput_images_per_s if throughput else None,
    )
