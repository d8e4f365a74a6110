"""The charts of a report, made from records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from resprof.answers.bench.quantities import ENERGY, LATENCY, THROUGHPUT
from resprof.answers.bench.results import BenchResult
from resprof.answers.environment import device_kind, device_name
from resprof.answers.flops.flops import FlopsResult
from resprof.answers.report.content import Fit
from resprof.answers.roofline.bounds import RooflineResult
from resprof.answers.workloads import calibration_text, distinguish, network_text, recipe_text
from resprof.measure.run import Metric
from resprof.memory.prediction import MemoryResult
from resprof.memory.replay import MemoryTimeline, PhaseSpan
from resprof.model.environment import Environment
from resprof.model.recipe import Mode, Recipe, Workload
from resprof.render.chart import (
    Axis,
    Chart,
    ChartKind,
    Guide,
    Point,
    Series,
    Span,
    origins_text,
    slug,
)
from resprof.render.drawing.theme import MOST_SERIES
from resprof.render.table import Form, Origin
from resprof.units import format_count, format_percent

MOST_CHARTS = 12
"""So many are drawn of each metric; the table has all configurations."""
_LEAST_BATCHES = 2
_BATCH = Axis(key="batch", title="batch", form=Form.COUNT, log=True)
_AGAINST_BATCH = {
    Metric.LATENCY: (
        "Latency against batch",
        Axis(key="latency_median_s", title="latency of a batch", form=Form.SECONDS, log=True),
    ),
    Metric.THROUGHPUT: (
        "Throughput against batch",
        Axis(key="throughput_images_per_s", title="images per second", form=Form.SI, log=True),
    ),
}


def batch_charts(environment: Environment, results: Sequence[BenchResult]) -> Iterator[Chart]:
    """A chart for each metric and recipe that was measured at several batch sizes."""
    for metric, (title, axis) in _AGAINST_BATCH.items():
        groups = islice(_groups(results, metric), MOST_CHARTS)
        for number, (recipe, series) in enumerate(groups, start=1):
            names = [metric.value, recipe.mode.value, recipe.precision.value, str(number)]
            yield Chart(
                name=slug("-".join(names)),
                title=f"{title}, measured on {device_kind(environment)} {device_name(environment)}",
                subtitle=f"{recipe_text(recipe, batch=False)}; bars: confidence intervals of the "
                "median",
                kind=ChartKind.LINES,
                x=_BATCH,
                y=axis,
                series=series,
            )


def _groups(
    results: Iterable[BenchResult], metric: Metric
) -> Iterator[tuple[Recipe, tuple[Series, ...]]]:
    """Networks of one recipe, as many together as can be distinguished."""
    by_recipe: dict[Recipe, dict[Workload, list[BenchResult]]] = {}
    for result in results:
        recipe = replace(result.recipe, batch=1)
        networks = by_recipe.setdefault(recipe, {})
        networks.setdefault(replace(result.workload, recipe=recipe), []).append(result)
    for recipe, networks in by_recipe.items():
        names = distinct_names([network_text(network) for network in networks], list(networks))
        series = [
            Series(name=name, origin=Origin.MEASURED, points=points)
            for name, members in zip(names, networks.values(), strict=True)
            if len(points := _points(members, metric)) >= _LEAST_BATCHES
        ]
        for start in range(0, len(series), MOST_SERIES):
            yield recipe, tuple(series[start : start + MOST_SERIES])


def distinct_names(
    names: Sequence[str], workloads: Sequence[Workload], models: Sequence[str] = ()
) -> list[str]:
    """The names, each with what distinguishes its workload from others of that name (and model)."""
    keys = list(zip(models, names, strict=True)) if models else names
    more = distinguish(keys, workloads)
    return [f"{name}, {text}" if text else name for name, text in zip(names, more, strict=True)]


def _points(members: Iterable[BenchResult], metric: Metric) -> tuple[Point, ...]:
    points = [point for each in members if (point := _point(each, metric)) is not None]
    return tuple(sorted(points, key=lambda point: point.x))


def _point(result: BenchResult, metric: Metric) -> Point | None:
    quantity = LATENCY if metric is Metric.LATENCY else THROUGHPUT
    value = quantity.value(result)
    low, high = quantity.interval(result) or (None, None)
    return None if not value else Point(x=result.recipe.batch, y=value, low=low, high=high)


def costs_chart(families: Mapping[str, Sequence[FlopsResult]]) -> Chart:
    """A point for each network, a series for each family by its name."""
    return Chart(
        name="costs",
        title="Multiply-adds against parameters, counted",
        subtitle="one image of 224x224, forward",
        kind=ChartKind.LINES,
        x=Axis(key="params", title="parameters", form=Form.SI, log=True),
        y=Axis(key="macs", title="MACs", form=Form.SI, log=True),
        series=tuple(
            Series(
                name=family,
                origin=Origin.COUNTED,
                points=tuple(
                    Point(x=each.total.params, y=each.total.macs, label=each.model)
                    for each in members
                ),
                joined=len(members) > 1,
            )
            for family, members in families.items()
        ),
    )


MOST_BARS = 20
"""So many configurations are drawn, the first of the run; the table has all."""
_KINDS = (("gross", "energy_per_image_j"), ("net of idle power", "energy_net_per_image_j"))


def energy_chart(environment: Environment, results: Sequence[BenchResult]) -> Chart | None:
    """A pair of bars for each configuration; None where no energy was measured."""
    measured = [each for each in results if ENERGY.value(each) is not None][:MOST_BARS]
    if not measured:
        return None
    names = distinct_names([_name(each) for each in measured], [each.workload for each in measured])
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
                name=kind,
                origin=Origin.MEASURED,
                points=tuple(
                    Point(x=name, y=result.figure(key))
                    for name, result in zip(names, measured, strict=True)
                ),
            )
            for kind, key in _KINDS
            if any(result.figure(key) is not None for result in measured)
        ),
    )


def _name(result: BenchResult) -> str:
    recipe = result.recipe
    return (
        f"{network_text(result.workload)}, {recipe.mode}, {recipe.precision}, batch {recipe.batch}"
    )


def memory_chart(curves: Sequence[Sequence[MemoryResult]], fits: Sequence[Fit]) -> Chart:
    """A line for each recipe of one network; ``fits`` are the largest batches on some devices.

    Each of ``curves`` is one recipe at rising batch sizes.
    """
    first = curves[0][0]
    lines = tuple(
        Series(name=short_recipe(curve[0].recipe), origin=Origin.PREDICTED, points=_needed(curve))
        for curve in curves
    )
    largest = Series(
        name="the largest batch that fits",
        origin=Origin.PREDICTED,
        joined=False,
        points=tuple(
            Point(x=fit.max_batch, y=fit.peak.needed_bytes, label=format_count(fit.max_batch))
            for fit in fits
            if fit.max_batch and fit.peak
        ),
    )
    return Chart(
        name=f"memory-{slug(first.model)}",
        title=f"{first.model}: GPU memory against batch, predicted",
        subtitle="peak of tensors plus the CUDA context; cached memory is not counted: the "
        f"allocator gives it back under pressure; {calibration_text(first.calibrated_on)}; "
        f"device memory as published by the vendor{_kept_free(fits)}",
        kind=ChartKind.LINES,
        x=Axis(key="batch", title="batch", form=Form.COUNT, log=True),
        y=Axis(key="needed_bytes", title="memory needed", form=Form.BYTES, log=True),
        series=(*lines, *([largest] if largest.points else [])),
        guides=tuple(
            Guide(y=device.memory_bytes, label=device.name, origin=Origin.PUBLISHED)
            for device in dict.fromkeys(fit.device for fit in fits)
        ),
    )


def short_recipe(recipe: Recipe) -> str:
    """What tells recipes apart that are otherwise at their defaults."""
    kind = "training" if recipe.mode is Mode.TRAIN else "inference"
    return f"{kind}, {recipe.precision}"


def _needed(curve: Sequence[MemoryResult]) -> tuple[Point, ...]:
    return tuple(Point(x=each.recipe.batch, y=each.peak.needed_bytes) for each in curve)


def _kept_free(fits: Sequence[Fit]) -> str:
    margin = fits[0].margin if fits else 0.0
    return f", {format_percent(margin, 0)} of it kept free" if margin else ""


_ROOM = 4.0
"""How far the roof goes on beyond the stages, as a factor."""


def roofline_chart(result: RooflineResult) -> Chart:
    """Stages under the roof of the device, phase by phase."""
    peaks = result.peaks
    rows = [row for row in result.rows if row.flops and row.bytes and row.least_time_s]
    intensities = [row.flops / row.bytes for row in rows]
    first = min([*intensities, peaks.ridge]) / _ROOM
    last = max([*intensities, peaks.ridge]) * _ROOM
    roof = Series(
        name=f"{peaks.device}, {peaks.arithmetic}",
        origin=Origin.PUBLISHED,
        points=(
            Point(x=first, y=first * peaks.bandwidth_bytes_per_s),
            Point(x=peaks.ridge, y=peaks.flops_per_s),
            Point(x=last, y=peaks.flops_per_s),
        ),
        marked=False,
    )
    phases = (
        Series(
            name=f"bound of {phase}",
            origin=Origin.PREDICTED,
            points=tuple(
                Point(x=row.flops / row.bytes, y=row.flops / row.least_time_s, label=row.stage)
                for row in rows
                if row.phase is phase
            ),
            joined=False,
        )
        for phase in dict.fromkeys(row.phase for row in rows)
    )
    return Chart(
        name=f"roofline-{slug(result.model)}",
        title=f"{result.model} under the roofline of {peaks.device}, predicted",
        subtitle=f"{recipe_text(result.recipe)}; {result.fusion}; published peaks",
        kind=ChartKind.LINES,
        x=Axis(
            key="flops_per_byte",
            title="arithmetic intensity (FLOP per byte of device memory)",
            form=Form.NUMBER,
            log=True,
        ),
        y=Axis(key="flops_per_s", title="FLOP/s", form=Form.SI, log=True),
        series=(roof, *phases),
    )


_NOTE = (
    "Each kind of bar adds up to 100% together with the loss and the weight update, which belong "
    "to no stage."
)


def stages_chart(
    counts: FlopsResult,
    *,
    predicted: MemoryResult | None = None,
    measured: BenchResult | None = None,
    device: str | None = None,
) -> Chart:
    """Shares per stage of MACs and parameters, and of activations and time as far as known.

    What was ``measured``, on ``device``, stands for what was ``predicted``.
    """
    stages = list(dict.fromkeys(row.stage for row in counts.rows))
    macs = {row.stage: row.macs for row in counts.rows}
    params = {row.stage: row.params for row in counts.rows}
    series = [
        _shares("MACs", Origin.COUNTED, stages, macs, counts.total.macs),
        _shares("parameters", Origin.COUNTED, stages, params, counts.total.params),
    ]
    if measured is not None and measured.memory.stages:
        kept = {each.stage: each.activation_bytes for each in measured.memory.stages}
        series.append(_shares("activations", Origin.MEASURED, stages, kept, sum(kept.values())))
    elif predicted is not None:
        kept = {row.stage: row.activation_bytes for row in predicted.rows}
        series.append(_shares("activations", Origin.PREDICTED, stages, kept, sum(kept.values())))
    if measured is not None and any(tile.stage for tile in measured.tiles):
        times = _times(measured)
        series.append(_shares("time", Origin.MEASURED, stages, times, sum(times.values())))
    ran = measured or predicted
    return Chart(
        name=f"stages-{slug(counts.model)}",
        title=f"{counts.model}: a training step by stage, {origins_text(series)}",
        subtitle="; ".join(
            [
                counts.title,
                *([recipe_text(ran.recipe)] if ran else []),
                *([device] if device else []),
            ]
        ),
        kind=ChartKind.COLUMNS,
        x=Axis(key="stage", title="", form=Form.TEXT),
        y=Axis(key="share", title="share of the network", form=Form.SHARE),
        series=tuple(series),
        notes=(_NOTE,),
    )


def _times(measured: BenchResult) -> dict[str, float]:
    """Seconds by stage, forward and backward together, under any name what has no stage."""
    times: dict[str, float] = {}
    for tile in measured.tiles:
        stage = tile.stage or tile.phase.value
        times[stage] = times.get(stage, 0.0) + tile.time_s
    return times


def _shares(
    name: str,
    origin: Origin,
    stages: Sequence[str],
    amounts: Mapping[str, int | float],
    total: int | float,
) -> Series:
    points = tuple(
        Point(x=stage, y=amounts[stage] / total if stage in amounts and total else None)
        for stage in stages
    )
    return Series(name=name, origin=origin, points=points)


def timeline_chart(timeline: MemoryTimeline) -> Chart:
    """What the allocator holds, and what it has of the device, from event to event."""
    allocated = tuple(Point(x=each.event, y=each.most.allocated_bytes) for each in timeline.points)
    reserved = tuple(Point(x=each.event, y=each.most.reserved_bytes) for each in timeline.points)
    return Chart(
        name=f"timeline-{slug(timeline.model)}",
        title=f"{timeline.model}: GPU memory over {_steps(timeline)}, predicted",
        subtitle=recipe_text(timeline.recipe),
        kind=ChartKind.TIMELINE,
        x=Axis(key="event", title="allocations and frees, in order", form=Form.COUNT),
        y=Axis(key="bytes", title="memory", form=Form.BYTES),
        series=(
            Series(name="allocated", origin=Origin.PREDICTED, points=allocated),
            Series(name="reserved", origin=Origin.PREDICTED, points=reserved),
        ),
        spans=tuple(_span(each) for each in timeline.phases),
    )


def _span(phase: PhaseSpan) -> Span:
    detail = f"step {phase.step}" if phase.step else ""
    return Span(start=phase.start, end=phase.end, label=phase.phase.value, detail=detail)


def _steps(timeline: MemoryTimeline) -> str:
    number = len({phase.step for phase in timeline.phases if phase.step})
    return "two training steps" if number == 2 else "one step" if number == 1 else f"{number} steps"
