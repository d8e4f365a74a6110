"""The small tables of a report's front page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from resprof.records.bench import BenchResult
from resprof.records.flops import FlopsResult
from resprof.records.plan import Metric
from resprof.records.recipe import Engine, MemoryFormat, Recipe, Workload
from resprof.records.report import MeasuredDevice
from resprof.records.table import Column, Form, Origin, Table
from resprof.report.tables.environment import describe, device_kind, device_name
from resprof.report.tables.fits import recipe_words

MOST_ROWS = 16


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


def speeds_table(devices: Sequence[MeasuredDevice]) -> Table:
    """How fast each network is by each recipe: at its smallest batch, and at its best."""
    measured = Origin.MEASURED
    several = len(devices) > 1
    found = [
        (device_name(device.environment), digest)
        for device in devices
        for digest in _digests(device.results)
    ]
    if several:  # so that devices stand below one another
        order = {key: place for place, key in enumerate(dict.fromkeys(d.key for _, d in found))}
        found.sort(key=lambda each: order[each[1].key])
    rows = tuple(((name, *digest.row) if several else digest.row) for name, digest in found)
    first = devices[0].environment
    where = "" if several else f" on {device_kind(first)} {device_name(first)}"
    return Table(
        name="speeds-by-device" if several else "speeds",
        title=f"How fast it is{where}, measured",
        subtitle="" if several else describe(first),
        columns=(
            *([Column(key="device", title="device")] if several else []),
            Column(key="model", title="model"),
            Column(key="recipe", title="recipe"),
            Column(key="latency_median_s", title="latency", form=Form.SECONDS, origin=measured),
            Column(key="latency_batch", title="batch", form=Form.COUNT),
            Column(
                key="throughput_images_per_s",
                title="most images/s",
                form=Form.NUMBER,
                origin=measured,
            ),
            Column(key="throughput_batch", title="batch", form=Form.COUNT),
        ),
        rows=rows[:MOST_ROWS],
        notes=(f"The first {MOST_ROWS} of {len(rows)}; all stand below.",)
        if len(rows) > MOST_ROWS
        else (),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Digest:
    """A network and a recipe at all batch sizes."""

    key: Workload
    results: tuple[BenchResult, ...]

    @property
    def row(self) -> tuple[str, str, float | None, int | None, float | None, int | None]:
        timed = [(r.recipe.batch, row) for r in self.results for row in r.rows]
        latencies = [
            (batch, row.latency_median_s)
            for batch, row in timed
            if row.metric is Metric.LATENCY and row.latency_median_s is not None
        ]
        rates = [
            (row.throughput_images_per_s, batch)
            for batch, row in timed
            if row.metric is Metric.THROUGHPUT and row.throughput_images_per_s is not None
        ]
        batch, latency = min(latencies, default=(None, None))
        rate, best = max(rates, default=(None, None))
        return self.key.model, _recipe_words(self.key.recipe), latency, batch, rate, best


def _digests(results: Sequence[BenchResult]) -> Iterator[_Digest]:
    groups: dict[Workload, list[BenchResult]] = {}
    for result in results:
        workload = result.workload
        key = replace(workload, recipe=replace(workload.recipe, batch=1))
        groups.setdefault(key, []).append(result)
    for key, found in groups.items():
        yield _Digest(key=key, results=tuple(found))


def _recipe_words(recipe: Recipe) -> str:
    """What is measured, without what goes without saying."""
    usual = {MemoryFormat.CONTIGUOUS, Engine.EAGER}
    unusual = [each.value for each in (recipe.memory_format, recipe.engine) if each not in usual]
    return ", ".join([recipe_words(recipe), *unusual])
