"""The small tables of a report's front page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from resprof.answers.bench.results import BenchResult
from resprof.answers.environment import describe, device_kind, device_name
from resprof.answers.flops.counts import FlopsResult
from resprof.answers.report.charts import short_recipe
from resprof.answers.report.content import MeasuredDevice
from resprof.answers.workloads import distinguish
from resprof.measure.run import Metric
from resprof.model.architecture import StrideIn
from resprof.model.recipe import Engine, MemoryFormat, Recipe, Workload
from resprof.render.table import Column, Form, Origin, Table

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
                _printed(result),
            )
            for result in results
        ),
    )


def _printed(result: FlopsResult) -> str | None:
    """What the paper prints of the network itself; v1.5 is a later one."""
    if result.paper is None or result.architecture.stride_in is StrideIn.MIDDLE_3X3:
        return None
    return f"{result.paper.claim.printed} {result.paper.claim.unit}"


def speeds_table(devices: Sequence[MeasuredDevice]) -> Table:
    """How fast each network is by each recipe: at its smallest batch, and at its best."""
    measured = Origin.MEASURED
    several = len(devices) > 1
    found = [
        (device_name(device.environment), digest)
        for device in devices
        for digest in _digests(device.results)
    ]
    places = {key: place for place, key in enumerate(dict.fromkeys(d.key for _, d in found))}
    # Devices stand below one another.
    found.sort(key=lambda each: places[each[1].key])
    labels = dict(zip(places, _labels(list(places)), strict=True))
    shown = _whole_groups([digest.key for _, digest in found])
    rows = tuple(
        (*([name] if several else []), digest.key.model, labels[digest.key], *digest.figures)
        for name, digest in found[:shown]
    )
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
            Column(key="latency_batch", title="at batch", form=Form.COUNT),
            Column(
                key="throughput_images_per_s",
                title="most images/s",
                form=Form.NUMBER,
                origin=measured,
            ),
            Column(key="throughput_batch", title="by batch", form=Form.COUNT),
        ),
        rows=rows,
        notes=(f"The first {shown} of {len(found)}; all stand below.",)
        if shown < len(found)
        else (),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Digest:
    """A network and a recipe at all batch sizes."""

    key: Workload
    results: tuple[BenchResult, ...]

    @property
    def figures(self) -> tuple[float | None, int | None, float | None, int | None]:
        """The smallest batch's latency (s) and that batch, the most images/s and theirs."""
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
        return latency, batch, rate, best


def _digests(results: Sequence[BenchResult]) -> Iterator[_Digest]:
    groups: dict[Workload, list[BenchResult]] = {}
    for result in results:
        workload = result.workload
        key = replace(workload, recipe=replace(workload.recipe, batch=1))
        groups.setdefault(key, []).append(result)
    for key, found in groups.items():
        yield _Digest(key=key, results=tuple(found))


def _whole_groups(keys: Sequence[Workload]) -> int:
    """How many rows are shown: no more than ``MOST_ROWS``, and all of a kind or none."""
    ends = [at for at in range(1, len(keys)) if keys[at] != keys[at - 1]]
    fitting = [end for end in (*ends, len(keys)) if end <= MOST_ROWS]
    return max(fitting, default=min(len(keys), MOST_ROWS))


def _labels(keys: Sequence[Workload]) -> list[str]:
    """What each recipe is called, with all that tells apart what would be called the same."""
    words = [_recipe_words(key.recipe) for key in keys]
    told = distinguish([(key.model, text) for key, text in zip(keys, words, strict=True)], keys)
    return [f"{text}, {more}" if more else text for text, more in zip(words, told, strict=True)]


def _recipe_words(recipe: Recipe) -> str:
    """What is measured, without what goes without saying."""
    usual = {MemoryFormat.CONTIGUOUS, Engine.EAGER}
    unusual = [each.value for each in (recipe.memory_format, recipe.engine) if each not in usual]
    return ", ".join([short_recipe(recipe), *unusual])
