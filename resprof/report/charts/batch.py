"""How fast it runs at each batch size: latency, throughput and their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from resprof.records.bench import BenchResult, BenchRow
from resprof.records.chart import Axis, Chart, ChartKind, Point, Series
from resprof.records.environment import Environment
from resprof.records.plan import Metric
from resprof.records.recipe import Recipe, Workload
from resprof.records.table import Form, Origin
from resprof.report.charts.words import slug
from resprof.report.drawing.theme import MOST_SERIES
from resprof.report.tables.configurations import network_text, told_apart
from resprof.report.tables.environment import device_kind, device_name
from resprof.report.tables.recipe import recipe_text

MOST_CHARTS = 12
"""So many are drawn of each metric; the table has all configurations."""
_LEAST_BATCHES = 2
_BATCH = Axis(key="batch", title="batch", form=Form.COUNT, log=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What is drawn of a metric."""

    metric: Metric
    title: str
    axis: Axis


_LOOKS = (
    _Look(
        metric=Metric.LATENCY,
        title="Latency against batch",
        axis=Axis(key="latency_median_s", title="latency of a batch", form=Form.SECONDS, log=True),
    ),
    _Look(
        metric=Metric.THROUGHPUT,
        title="Throughput against batch",
        axis=Axis(key="throughput_images_per_s", title="images per second", form=Form.SI, log=True),
    ),
)


def batch_charts(environment: Environment, results: Sequence[BenchResult]) -> tuple[Chart, ...]:
    """A chart for each metric and recipe that was measured at several batch sizes."""
    found: list[Chart] = []
    for look in _LOOKS:
        groups = list(_groups(results, look))[:MOST_CHARTS]
        found += [
            _chart(environment, look, recipe, series, number)
            for number, (recipe, series) in enumerate(groups, start=1)
        ]
    return tuple(found)


def _groups(
    results: Iterable[BenchResult], look: _Look
) -> Iterator[tuple[Recipe, tuple[Series, ...]]]:
    """Networks of one recipe, as many together as can be told apart."""
    by_recipe: dict[Recipe, dict[Workload, list[BenchResult]]] = {}
    for result in results:
        recipe = replace(result.recipe, batch=1)
        networks = by_recipe.setdefault(recipe, {})
        networks.setdefault(replace(result.workload, recipe=recipe), []).append(result)
    for recipe, networks in by_recipe.items():
        series = [
            Series(name=name, origin=Origin.MEASURED, points=points)
            for name, members in zip(_names(list(networks)), networks.values(), strict=True)
            if len(points := _points(members, look.metric)) >= _LEAST_BATCHES
        ]
        for start in range(0, len(series), MOST_SERIES):
            yield recipe, tuple(series[start : start + MOST_SERIES])


def _names(networks: Sequence[Workload]) -> list[str]:
    """What each network is called, no two the same."""
    names = [network_text(network) for network in networks]
    told = told_apart(names, networks)
    return [f"{name}, {more}" if more else name for name, more in zip(names, told, strict=True)]


def _points(members: Iterable[BenchResult], metric: Metric) -> tuple[Point, ...]:
    rows = [row for each in members for row in each.rows if row.metric is metric]
    points = [point for row in rows if (point := _point(row, metric)) is not None]
    return tuple(sorted(points, key=lambda point: point.x))


def _point(row: BenchRow, metric: Metric) -> Point | None:
    latency = metric is Metric.LATENCY
    value = row.latency_median_s if latency else row.throughput_images_per_s
    low, high = (row.latency_ci_s if latency else row.throughput_ci) or (None, None)
    return None if not value else Point(x=row.batch, y=value, low=low, high=high)


def _chart(
    environment: Environment,
    look: _Look,
    recipe: Recipe,
    series: tuple[Series, ...],
    number: int,
) -> Chart:
    names = [look.metric.value, recipe.mode.value, recipe.precision.value, str(number)]
    return Chart(
        name=slug("-".join(names)),
        title=f"{look.title}, measured on {device_kind(environment)} {device_name(environment)}",
        subtitle=f"{recipe_text(recipe, batch=False)}; bars are intervals for the median",
        kind=ChartKind.LINES,
        x=_BATCH,
        y=look.axis,
        series=series,
    )
