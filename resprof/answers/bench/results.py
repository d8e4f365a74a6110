"""What `resprof bench` answers: figures made from the raw records of a run file.

Unknown is None. Times in seconds, rates per second, energy in joules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from resprof.answers.bench.figures import (
    SERIES,
    Flag,
    Over,
    Series,
    ThrottledShare,
    device_flags,
    interval_flags,
    issue_share,
    rate,
    sm_clock,
    throttled,
    worst_drift,
)
from resprof.answers.bench.runs import Configuration, Launch, configurations
from resprof.answers.workloads import result_fields
from resprof.counting.cost import count
from resprof.errors import ResprofError
from resprof.measure.run import MemoryUse, Metric, Outcome, Round, Stop, Tile, TiledRound
from resprof.measure.run_file import Record
from resprof.memory.prediction import OUTSIDE, MemoryResult
from resprof.model.architecture import LOSS, Architecture
from resprof.model.environment import DeviceKind
from resprof.model.networks import architecture_of, describe
from resprof.model.recipe import Engine, Mode, Phase, Recipe, Workload
from resprof.stats.intervals import (
    Interval,
    order_interval,
    percentile,
)
from resprof.stats.series import lag1

NOT_MEASURED = frozenset({Outcome.FAILED, Outcome.HUNG, Outcome.CUT_SHORT})
"""Endings that leave a question open; running out of memory is an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRow:
    """One metric of a configuration.

    ``latency_*`` are seconds per call: the median of the rounds' (or launches') medians; a
    percentile is None where ``samples`` do not support it. ``throughput_images_per_s`` is all
    images over all time. ``latency_ci_s`` and ``throughput_ci`` are (low, high) of an interval for
    the median over ``ci_over`` that covers it with ``ci_coverage``. ``drift`` is the share by
    which rounds change from first to last, ``lag1`` the autocorrelation of neighbouring samples,
    ``issue_share`` the host's time to issue a call over the device's to run it. Energy per image is
    gross, and net of the device's idle power.
    """

    metric: Metric
    latency_median_s: float | None = None
    latency_ci_s: tuple[float, float] | None = None
    latency_p90_s: float | None = None
    latency_p95_s: float | None = None
    latency_p99_s: float | None = None
    throughput_images_per_s: float | None = None
    throughput_ci: tuple[float, float] | None = None
    ci_coverage: float | None = None
    ci_over: Over | None = None
    launches: int
    rounds: int
    samples: int
    stop: Stop | None = None
    energy_per_image_j: float | None = None
    energy_net_per_image_j: float | None = None
    images_per_j: float | None = None
    drift: float | None = None
    lag1: float | None = None
    issue_share: float | None = None
    sm_clock_hz: float | None = None
    throttled: tuple[ThrottledShare, ...] | None = None
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TileTime:
    """The time of a stage or phase in a call; ``stage`` is None for a whole phase.

    ``time_ci_s`` covers the median with ``ci_coverage``, over launches, or over rounds of a single
    one. ``share`` is its part of the instrumented call. ``macs`` are counted for the batch,
    ``None`` for what has none (loss, optimiser), ``macs_share`` their part of the call's, and
    ``flops_per_s`` is 2 x ``macs`` over the time.
    """

    phase: Phase
    stage: str | None
    time_s: float
    time_ci_s: tuple[float, float] | None
    ci_coverage: float | None = None
    share: float
    macs: int | None
    macs_share: float | None
    flops_per_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbation:
    """Instrumented against clean calls, in interleaved rounds; ``deviation`` is a share."""

    clean_s: float
    instrumented_s: float
    deviation: float
    perturbed: bool


MEMORY_FIGURES = tuple(name for name in MemoryUse.__dataclass_fields__ if name != "stages")
"""What is known of the memory of a call as a whole, in the order of columns and JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """A configuration's figures, or why there are none; ``rows`` are its metrics.

    ``tiles`` are the times of its phases or stages in instrumented calls. ``predicted`` is what is
    predicted for the same workload, None where nothing is.
    """

    configuration: Configuration
    title: str
    rows: tuple[BenchRow, ...]
    tiles: tuple[TileTime, ...] = ()
    perturbation: Perturbation | None = None
    predicted: MemoryResult | None = None

    @property
    def workload(self) -> Workload:
        """What was run."""
        return self.configuration.start.workload

    @property
    def model(self) -> str:
        """The network's canonical id."""
        return self.workload.model

    @property
    def recipe(self) -> Recipe:
        """How the network was run."""
        return self.workload.recipe

    @property
    def key(self) -> str:
        """The workload as the run file names it."""
        return self.configuration.start.key

    @property
    def outcome(self) -> Outcome:
        """What became of the configuration."""
        return self.configuration.outcome

    @property
    def message(self) -> str | None:
        """The last word of a process that ended badly."""
        return self.configuration.message

    @property
    def device(self) -> DeviceKind | None:
        """What it was measured on; None without a round."""
        rounds = (each for launch in self.configuration.launches for each in launch.rounds)
        return next((each.device for each in rounds), None)

    @property
    def first_call_s(self) -> float | None:
        """That of the first process that got to its end."""
        observed = self.configuration.observed
        return observed[0].first_call_s if observed else None

    @property
    def outputs_finite(self) -> bool | None:
        """Whether no output holds NaN or infinity."""
        observed = self.configuration.observed
        return all(each.outputs_finite for each in observed) if observed else None

    @property
    def memory(self) -> MemoryUse:
        """The memory of one call, in the first process that got to its end."""
        return self.configuration.memory

    def row(self, metric: Metric | None) -> BenchRow | None:
        """The row of the metric, the first where that is None; None where there is none."""
        return next((row for row in self.rows if metric in {None, row.metric}), None)

    def figure(self, key: str) -> Any:
        """The figure of that name from the row that has it; None where none has."""
        values = (getattr(row, key) for row in self.rows)
        return next((value for value in values if value is not None), None)

    @property
    def predicted_activations(self) -> Mapping[str, int]:
        """Predicted bytes of activation memory by stage, those of the loss included."""
        if self.predicted is None:
            return {}
        by_stage = {row.stage: row.activation_bytes for row in self.predicted.rows}
        # What a prediction has outside of the stages and is kept for backward is the loss's.
        return by_stage | {LOSS: by_stage.get(OUTSIDE, 0)}

    def json_fields(self) -> Mapping[str, object]:
        """Flat: with the workload's fields, and what each row has in common with the others."""
        rows = [self._row_fields(row) for row in self.rows]
        predicted = self.predicted_activations
        return {
            **result_fields(self.workload, key=self.key, title=self.title, rows=rows),
            "device": self.device,
            "outcome": self.outcome,
            "message": self.message,
            "halved_from": self.configuration.start.halved_from,
            "first_call_s": self.first_call_s,
            "outputs_finite": self.outputs_finite,
            "parts": self.tiles,
            "parts_check": self.perturbation,
            "activations": [
                {
                    "stage": each.stage,
                    "measured_bytes": each.activation_bytes,
                    "predicted_bytes": predicted.get(each.stage),
                }
                for each in self.memory.stages
            ],
            "predicted": self._predicted_fields(),
        }

    def _row_fields(self, row: BenchRow) -> Mapping[str, object]:
        recipe = self.recipe
        fields: dict[str, object] = {
            "batch": recipe.batch,
            "precision": recipe.precision,
            "engine": recipe.engine,
        }
        for name in BenchRow.__dataclass_fields__:
            fields[name] = getattr(row, name)
            if name == "stop":
                fields |= {each: getattr(self.memory, each) for each in MEMORY_FIGURES}
        return fields

    def _predicted_fields(self) -> Mapping[str, object] | None:
        """Activation memory is the same on a CPU, what a GPU's allocator takes is not."""
        if self.predicted is None:
            return None
        peak = self.predicted.peak if self.device is DeviceKind.CUDA else None
        return {
            "activation_bytes": self.predicted.activation_bytes,
            "peak_requested_bytes": peak.requested_bytes if peak else None,
            "peak_allocated_bytes": peak.allocated_bytes if peak else None,
            "peak_reserved_bytes": peak.reserved_bytes if peak else None,
        }


GRAPH_GAIN = 1.10
"""Eager over CUDA graph: what the graph saves is the host's part."""


def bench_row(configuration: Configuration, metric: Metric, flags: tuple[Flag, ...]) -> BenchRow:
    """The row of a metric; ``flags`` are those of the whole configuration."""
    per_launch = configuration.rounds(metric)
    if not per_launch:
        return BenchRow(metric=metric, launches=0, rounds=0, samples=0, flags=flags)
    rounds = [each for of_launch in per_launch for each in of_launch]
    series = SERIES[metric](configuration)
    interval = order_interval(series.values)
    telemetry = [each.telemetry for each in rounds]
    shares = throttled(telemetry)
    change, drifts = worst_drift(series.of_rounds)
    stops = [each.stop for each in configuration.observed]
    own_flags = [
        *interval_flags(series, interval, configuration.start.plan.target_ci),
        *([Flag.DRIFT] if drifts else []),
        *device_flags(rounds, shares),
    ]
    row = BenchRow(
        metric=metric,
        ci_coverage=interval.coverage if interval else None,
        ci_over=series.over,
        launches=len(series.of_launches),
        rounds=len(rounds),
        samples=sum(len(each.samples_s) for each in rounds),
        # Of several processes that which stopped for the worst reason.
        stop=max(stops, key=list(Stop).index) if stops else None,
        drift=change,
        sm_clock_hz=sm_clock(telemetry),
        throttled=shares,
        flags=tuple(dict.fromkeys((*own_flags, *flags))),
    )
    if metric is Metric.LATENCY:
        return _with_latency(row, rounds, series, interval)
    row = replace(
        row,
        throughput_images_per_s=rate(rounds, configuration.images),
        throughput_ci=_ends(interval),
    )
    return _with_energy(row, configuration)


def _with_latency(
    row: BenchRow, rounds: Sequence[Round], series: Series, interval: Interval | None
) -> BenchRow:
    samples = [sample / each.calls for each in rounds for sample in each.samples_s]
    return replace(
        row,
        latency_median_s=median(series.values),
        latency_ci_s=_ends(interval),
        latency_p90_s=percentile(samples, 90),
        latency_p95_s=percentile(samples, 95),
        latency_p99_s=percentile(samples, 99),
        lag1=lag1([each.samples_s for each in rounds]),
        issue_share=issue_share(rounds),
    )


def _with_energy(row: BenchRow, configuration: Configuration) -> BenchRow:
    windows = [each for launch in configuration.launches for each in launch.energy]
    images = configuration.images * sum(each.calls for each in windows)
    joules = sum(each.energy_j for each in windows)
    if not images or not joules:
        return row
    seconds = sum(each.seconds for each in windows)
    idle_w = configuration.idle_w
    return replace(
        row,
        energy_per_image_j=joules / images,
        energy_net_per_image_j=None if idle_w is None else (joules - idle_w * seconds) / images,
        images_per_j=images / joules,
    )


def _ends(interval: Interval | None) -> tuple[float, float] | None:
    return (interval.low, interval.high) if interval else None


MOST_DEVIATION = 0.01
"""Instruments that change a call by more than this have changed what they measure."""

Macs = Mapping[Tile, int]
"""Multiply-adds for one image by stage of a phase, and by whole phase."""


def tile_times(
    configuration: Configuration, macs: Macs
) -> tuple[tuple[TileTime, ...], Perturbation | None]:
    """Every tile in the order of the call, and whether the instruments changed the call.

    Nothing where no instrumented round was taken.
    """
    per_launch = [launch.tiled for launch in configuration.launches if launch.tiled]
    if not per_launch:
        return (), None
    tiles = tuple(dict.fromkeys(per_launch[0][0].tiles))
    times = {tile: _values(tile, per_launch) for tile in tiles}
    whole = sum(median(values) for values in times.values())
    all_macs = sum(macs.get(tile, 0) for tile in tiles)
    found = []
    for tile, values in times.items():
        time_s, interval = median(values), order_interval(values)
        ours = macs.get(tile)
        counted = None if ours is None else ours * configuration.images
        found.append(
            TileTime(
                phase=tile.phase,
                stage=tile.stage,
                time_s=time_s,
                time_ci_s=(interval.low, interval.high) if interval else None,
                ci_coverage=interval.coverage if interval else None,
                share=time_s / whole,
                macs=counted,
                macs_share=None if ours is None else ours / all_macs,
                flops_per_s=None if counted is None else 2 * counted / time_s,
            )
        )
    return tuple(found), _perturbation(configuration.launches)


def _values(tile: Tile, per_launch: Sequence[Sequence[TiledRound]]) -> list[float]:
    """A value for each launch, or for each round where there is one launch only."""
    of_rounds = [[_in_round(each, tile) for each in rounds] for rounds in per_launch]
    return of_rounds[0] if len(of_rounds) == 1 else [median(values) for values in of_rounds]


def _in_round(tiled: TiledRound, tile: Tile) -> float:
    """The median over calls; in a call of several passes a tile is there several times."""
    return median(_by_tile(tiled, call)[tile] for call in tiled.samples_s)


def _by_tile(tiled: TiledRound, call: Sequence[float]) -> dict[Tile, float]:
    found: dict[Tile, float] = defaultdict(float)
    for tile, seconds in zip(tiled.tiles, call, strict=True):
        found[tile] += seconds
    return found


def _perturbation(launches: Sequence[Launch]) -> Perturbation | None:
    """Pairs each instrumented round with the clean one beside it."""
    pairs = [
        (median(clean.samples_s), median(sum(call) for call in tiled.samples_s))
        for launch in launches
        for tiled in launch.tiled
        for clean in launch.rounds_of(Metric.LATENCY)
        if clean.index == tiled.index
    ]
    if not pairs:
        return None
    deviation = median(instrumented / clean for clean, instrumented in pairs) - 1
    return Perturbation(
        clean_s=median(clean for clean, _ in pairs),
        instrumented_s=median(instrumented for _, instrumented in pairs),
        deviation=deviation,
        perturbed=abs(deviation) > MOST_DEVIATION,
    )


def results_of(records: Iterable[Record]) -> tuple[BenchResult, ...]:
    """A result for each workload of a run, in the order in which they were first started."""
    found = []
    for configuration in configurations(records):
        workload = configuration.start.workload
        architecture = architecture_of(workload)
        tiled = any(launch.tiled for launch in configuration.launches)
        macs = macs_by_tile(architecture, workload.recipe.mode) if tiled else {}
        found.append(bench_result(configuration, title=describe(architecture), macs=macs))
    return with_graph_gains(found)


def macs_by_tile(architecture: Architecture, mode: Mode) -> Macs:
    """Multiply-adds for one image, of each stage and of the whole phase.

    What a checkpointed block computes again is not counted: a network needs no more than this.
    """
    cost = count(architecture)
    stages = cost.stages()
    macs = {Tile(phase=Phase.FORWARD, stage=each.stage): each.cost.macs for each in stages}
    macs[Tile(phase=Phase.FORWARD)] = cost.total.macs
    if mode is Mode.TRAIN:
        for each in stages:
            macs[Tile(phase=Phase.BACKWARD, stage=each.stage)] = each.cost.backward_macs
        macs[Tile(phase=Phase.BACKWARD)] = cost.total.backward_macs
    return macs


def bench_result(configuration: Configuration, *, title: str, macs: Macs) -> BenchResult:
    """The figures of one configuration; ``macs`` are counted for one image."""
    tiles, perturbation = tile_times(configuration, macs)
    result = BenchResult(
        configuration=configuration,
        title=title,
        rows=(),
        tiles=tiles,
        perturbation=perturbation,
    )
    flags = {
        Flag.NOT_STEADY: any(not each.warm_up.steady for each in configuration.observed),
        Flag.NOT_FINITE: result.outputs_finite is False,
        Flag.PERTURBED: perturbation is not None and perturbation.perturbed,
        Flag.HALVED: configuration.start.halved_from is not None,
        Flag.CUT_SHORT: bool(configuration.launches)
        and configuration.outcome is not Outcome.MEASURED,
    }
    common = tuple(flag for flag, holds in flags.items() if holds)
    rows = tuple(bench_row(configuration, metric, common) for metric in configuration.metrics)
    return replace(result, rows=rows)


def with_prediction(result: BenchResult) -> BenchResult:
    """The result with what is predicted for its workload; as it is where nothing can be."""
    from resprof.answers.memory.prediction import predict_memory

    if result.recipe.engine is not Engine.EAGER:
        return result
    try:
        predicted, _ = predict_memory(architecture_of(result.workload), result.recipe)
    except ResprofError:
        return result
    return replace(result, predicted=predicted)


def with_graph_gains(results: Sequence[BenchResult]) -> tuple[BenchResult, ...]:
    """Marks eager latencies that a CUDA graph of the same workload beats by the host's part."""
    graphs_s = {
        result.workload: result.figure("latency_median_s")
        for result in results
        if result.recipe.engine is Engine.GRAPH
    }
    return tuple(_marked(each, graphs_s.get(_as_graph(each.workload))) for each in results)


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
