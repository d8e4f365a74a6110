"""What `resprof bench` answers, from the raw records of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from resprof.analysis.configurations import Configuration
from resprof.analysis.disturbance import GRAPH_GAIN
from resprof.analysis.parts import Macs, parts_of
from resprof.analysis.rows import bench_row
from resprof.records.bench import BenchResult, Flag, StageActivation
from resprof.records.environment import DeviceKind
from resprof.records.recipe import Engine, Workload
from resprof.records.run import Outcome


def bench_result(configuration: Configuration, *, title: str, macs: Macs) -> BenchResult:
    """The figures of one configuration; ``macs`` are counted for one image."""
    start = configuration.start
    observed = configuration.observed
    parts, check = parts_of(configuration, macs)
    finite = all(each.outputs_finite for each in observed) if observed else None
    flags = {
        Flag.NOT_STEADY: any(not each.warm_up.steady for each in observed),
        Flag.NOT_FINITE: finite is False,
        Flag.PERTURBED: check is not None and check.perturbed,
        Flag.HALVED: start.halved_from is not None,
        Flag.CUT_SHORT: bool(configuration.launches)
        and configuration.outcome is not Outcome.MEASURED,
    }
    common = tuple(flag for flag, holds in flags.items() if holds)
    return BenchResult(
        model=start.workload.model,
        title=title,
        recipe=start.workload.recipe,
        rows=tuple(bench_row(configuration, metric, common) for metric in configuration.metrics),
        key=start.key,
        classes=start.workload.classes,
        in_channels=start.workload.in_channels,
        width=start.workload.width,
        device=_device(configuration),
        outcome=configuration.outcome,
        message=configuration.message,
        halved_from=start.halved_from,
        first_call_s=observed[0].first_call_s if observed else None,
        outputs_finite=finite,
        parts=parts,
        parts_check=check,
        activations=tuple(
            StageActivation(
                stage=each.stage, measured_bytes=each.activation_bytes, predicted_bytes=None
            )
            for each in (observed[0].memory.stages if observed else ())
        ),
    )


def with_graph_gains(results: Sequence[BenchResult]) -> tuple[BenchResult, ...]:
    """Marks eager latencies that a CUDA graph of the same workload beats by the host's part."""
    graphs = {
        result.workload: row.latency_median_s
        for result in results
        for row in result.rows
        if row.engine is Engine.GRAPH and row.latency_median_s is not None
    }
    return tuple(_marked(result, graphs.get(_as_graph(result.workload))) for result in results)


def _as_graph(workload: Workload) -> Workload:
    return replace(workload, recipe=replace(workload.recipe, engine=Engine.GRAPH))


def _marked(result: BenchResult, graph_s: float | None) -> BenchResult:
    if graph_s is None or result.recipe.engine is not Engine.EAGER:
        return result
    rows = []
    for row in result.rows:
        gains = row.latency_median_s is not None and row.latency_median_s / graph_s >= GRAPH_GAIN
        bound = (Flag.LAUNCH_BOUND,) if gains and Flag.LAUNCH_BOUND not in row.flags else ()
        rows.append(replace(row, flags=(*row.flags, *bound)))
    return replace(result, rows=tuple(rows))


def _device(configuration: Configuration) -> DeviceKind | None:
    rounds = (each for launch in configuration.launches for each in launch.rounds)
    return next((each.device for each in rounds), None)
