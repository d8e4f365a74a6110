"""What `resprof bench` answers: figures made from the raw records of a run file.

Unknown is None. Times in seconds, rates per second, energy in joules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median

from resprof.answers.bench.runs import Configuration, Launch
from resprof.measure.run import MemoryUse, Metric, Outcome, Round, Stop, Tile, TiledRound
from resprof.model.environment import DeviceKind, RoundTelemetry, ThrottlePolicy
from resprof.model.recipe import Engine, OfWorkload, Phase, Precision, Recipe, Workload
from resprof.stats.intervals import (
    CONFIDENCE,
    Interval,
    order_interval,
    percentile,
    relative_half_width,
)
from resprof.stats.series import drift, lag1

NOT_MEASURED = frozenset({Outcome.FAILED, Outcome.HUNG, Outcome.CUT_SHORT})
"""Endings that leave a question open; running out of memory is an answer."""


class Over(StrEnum):
    """What an interval is over."""

    ROUNDS = "rounds"
    """Within one process."""
    LAUNCHES = "launches"


class Flag(StrEnum):
    """What a reader of a figure has to know."""

    ONE_PROCESS = "one process"
    """The interval is over rounds within one process, not over launches."""
    FEW_LAUNCHES = "few launches"
    """Too few launches for an interval of the confidence asked for."""
    FEW_ROUNDS = "few rounds"
    WIDE = "wide interval"
    """The interval is wider than was asked for when the time was up."""
    NOT_STEADY = "warm-up capped"
    """Call times had not settled when the warm-up's cap was reached."""
    DRIFT = "drift"
    """The rounds rise or fall steadily, by more than noise does."""
    LAUNCH_BOUND = "launch-bound"
    """The host takes about as long to issue a call as the device to run it."""
    THROTTLED = "throttled"
    """The driver lowered clocks for part of the time."""
    SHARED_GPU = "shared GPU"
    """Other processes computed on the device."""
    PERTURBED = "perturbed stages"
    """Instrumented calls take another time than clean ones."""
    NOT_FINITE = "not finite"
    """The network's output holds NaN or infinity."""
    HALVED = "halved"
    """A larger batch was asked for and ran out of memory."""
    CUT_SHORT = "cut short"
    """From a launch that did not end well; what it measured before counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottledShare:
    """The part of the time for which a policy lowered clocks."""

    policy: ThrottlePolicy
    share: float


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

    batch: int
    precision: Precision
    engine: Engine
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
    peak_requested_bytes: int | None = None
    peak_allocated_bytes: int | None = None
    peak_reserved_bytes: int | None = None
    process_peak_bytes: int | None = None
    device_used_bytes: int | None = None
    activation_bytes: int | None = None
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
class PartTime:
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
class PartsCheck:
    """Instrumented against clean calls, in interleaved rounds; ``deviation`` is a share."""

    clean_s: float
    instrumented_s: float
    deviation: float
    perturbed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StageActivation:
    """Activation memory of a stage, measured, and predicted where there is a prediction."""

    stage: str
    measured_bytes: int
    predicted_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What was predicted for the same workload; allocator peaks on CUDA only."""

    activation_bytes: int
    peak_requested_bytes: int | None
    peak_allocated_bytes: int | None
    peak_reserved_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult(OfWorkload):
    """A configuration's figures, or why there are none; ``rows`` are its metrics.

    ``message`` is the last word of a process that ended badly. ``halved_from`` is the batch that
    was asked for where this one stands in for it.
    """

    model: str
    title: str
    recipe: Recipe
    rows: tuple[BenchRow, ...]
    total: None = None
    key: str
    classes: int
    in_channels: int
    width: float
    device: DeviceKind | None
    outcome: Outcome
    message: str | None
    halved_from: int | None
    first_call_s: float | None
    outputs_finite: bool | None
    parts: tuple[PartTime, ...] = ()
    parts_check: PartsCheck | None = None
    activations: tuple[StageActivation, ...] = ()
    predicted: Predicted | None = None


LAUNCH_BOUND_SHARE = 0.8
"""Of the device's time, the host's time to issue a call: trtexec warns from here on."""
GRAPH_GAIN = 1.10
"""Eager over CUDA graph: what the graph saves is the host's part."""
THROTTLED_SHARE = 0.01
"""Of the time: less than this changes no figure by more than an interval is wide."""
DRIFT_SHARE = 0.01
"""From the first round to the last: less is within what a comparison calls the same."""
_NO_THROTTLING = {ThrottlePolicy.LOW_UTILIZATION}
"""The device waits for work, which is the host's fault."""


def issue_share(rounds: Sequence[Round]) -> float | None:
    """The host's time to issue a call over the device's to run it; None where they are one."""
    issued = [value for each in rounds for value in each.issue_s or ()]
    samples = [value for each in rounds if each.issue_s for value in each.samples_s]
    return median(issued) / median(samples) if issued else None


def worst_drift(series: Iterable[Sequence[float]]) -> tuple[float | None, bool]:
    """The largest change from first to last value among launches, and whether one is no chance.

    A change counts where it is significant and at least ``DRIFT_SHARE``.
    """
    found = [each for values in series if (each := drift(values)) is not None]
    if not found:
        return None, False
    worst = max(found, key=lambda each: abs(each.share))
    return worst.share, any(each.significant and abs(each.share) >= DRIFT_SHARE for each in found)


def throttled(telemetry: Iterable[RoundTelemetry | None]) -> tuple[ThrottledShare, ...] | None:
    """The part of the rounds' time for which each policy lowered clocks; None if unknown."""
    seconds = 0.0
    lowered: dict[ThrottlePolicy, float] = defaultdict(float)
    for each in telemetry:
        if each is not None and each.throttled is not None:
            seconds += each.seconds
            for policy in each.throttled:
                lowered[policy.policy] += policy.seconds
    if not seconds:
        return None
    return tuple(
        # Counters move in steps of a tenth of a second, so a short round can count too much.
        ThrottledShare(policy=policy, share=min(1.0, lowered[policy] / seconds))
        for policy in ThrottlePolicy
        if policy in lowered
    )


def is_throttled(shares: Sequence[ThrottledShare] | None) -> bool:
    """Whether clocks were lowered for long enough to say so."""
    return any(
        each.share >= THROTTLED_SHARE for each in shares or () if each.policy not in _NO_THROTTLING
    )


def sm_clock(telemetry: Iterable[RoundTelemetry | None]) -> float | None:
    """The median of the clocks after the rounds, in Hz."""
    clocks = [each.sm_clock_hz for each in telemetry if each and each.sm_clock_hz is not None]
    return median(clocks) if clocks else None


def device_flags(rounds: Sequence[Round], shares: Sequence[ThrottledShare] | None) -> list[Flag]:
    """What telemetry and issue times say against a figure."""
    share = issue_share(rounds)
    flags = {
        Flag.LAUNCH_BOUND: share is not None and share >= LAUNCH_BOUND_SHARE,
        Flag.THROTTLED: is_throttled(shares),
        Flag.SHARED_GPU: any(each.telemetry and each.telemetry.processes for each in rounds),
    }
    return [flag for flag, holds in flags.items() if holds]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The rounds of a metric by launch, and their values in the metric's unit.

    Seconds per call, or images per second. ``of_rounds`` has a list for each launch.
    """

    rounds: tuple[Round, ...]
    of_rounds: tuple[tuple[float, ...], ...]
    of_launches: tuple[float, ...]

    @property
    def over(self) -> Over:
        """What an interval is over."""
        return Over.LAUNCHES if len(self.of_launches) > 1 else Over.ROUNDS

    @property
    def values(self) -> tuple[float, ...]:
        """What an interval is made of."""
        return self.of_launches if self.over is Over.LAUNCHES else self.of_rounds[0]


def series_of(configuration: Configuration, metric: Metric) -> Series | None:
    """The values of a metric; None where no round of it was taken."""
    per_launch = [rounds for each in configuration.launches if (rounds := each.of(metric))]
    if not per_launch:
        return None
    images = configuration.images
    if metric is Metric.LATENCY:
        of_rounds = [tuple(_latency(each) for each in rounds) for rounds in per_launch]
        of_launches = [median(values) for values in of_rounds]
    else:
        of_rounds = [tuple(_rate([each], images) for each in rounds) for rounds in per_launch]
        of_launches = [_rate(rounds, images) for rounds in per_launch]
    return Series(
        rounds=tuple(each for rounds in per_launch for each in rounds),
        of_rounds=tuple(of_rounds),
        of_launches=tuple(of_launches),
    )


def bench_row(configuration: Configuration, metric: Metric, flags: tuple[Flag, ...]) -> BenchRow:
    """The row of a metric; ``flags`` are those of the whole configuration."""
    recipe = configuration.start.workload.recipe
    memory = next((each.memory for each in configuration.observed), MemoryUse())
    series = series_of(configuration, metric)
    row = BenchRow(
        batch=recipe.batch,
        precision=recipe.precision,
        engine=recipe.engine,
        metric=metric,
        launches=len(series.of_launches) if series else 0,
        rounds=len(series.rounds) if series else 0,
        samples=sum(len(each.samples_s) for each in series.rounds) if series else 0,
        peak_requested_bytes=memory.peak_requested_bytes,
        peak_allocated_bytes=memory.peak_allocated_bytes,
        peak_reserved_bytes=memory.peak_reserved_bytes,
        process_peak_bytes=memory.process_peak_bytes,
        device_used_bytes=memory.device_used_bytes,
        activation_bytes=memory.activation_bytes,
        flags=flags,
    )
    if series is None:
        return row
    interval = order_interval(series.values)
    if metric is Metric.LATENCY:
        row = _with_latency(row, series, interval)
    else:
        row = _with_energy(_with_rate(row, series, interval, configuration.images), configuration)
    return _with_disturbances(row, series, interval, configuration)


def _latency(each: Round) -> float:
    return median(each.samples_s) / each.calls


def _rate(rounds: Sequence[Round], images: int) -> float:
    """All images over all time, which a mean of the rounds' rates is not."""
    calls = sum(each.calls * len(each.samples_s) for each in rounds)
    return images * calls / sum(sum(each.samples_s) for each in rounds)


def _with_latency(row: BenchRow, series: Series, interval: Interval | None) -> BenchRow:
    samples = [sample / each.calls for each in series.rounds for sample in each.samples_s]
    return replace(
        row,
        latency_median_s=median(series.values),
        latency_ci_s=_ends(interval),
        latency_p90_s=percentile(samples, 90),
        latency_p95_s=percentile(samples, 95),
        latency_p99_s=percentile(samples, 99),
        lag1=lag1([each.samples_s for each in series.rounds]),
        issue_share=issue_share(series.rounds),
    )


def _with_rate(row: BenchRow, series: Series, interval: Interval | None, images: int) -> BenchRow:
    return replace(
        row,
        throughput_images_per_s=_rate(series.rounds, images),
        throughput_ci=_ends(interval),
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


def _with_disturbances(
    row: BenchRow, series: Series, interval: Interval | None, configuration: Configuration
) -> BenchRow:
    telemetry = [each.telemetry for each in series.rounds]
    shares = throttled(telemetry)
    change, drifts = worst_drift(series.of_rounds)
    stops = [each.stop for each in configuration.observed]
    flags = [
        *_interval_flags(series, interval, configuration.start.plan.target_ci),
        *([Flag.DRIFT] if drifts else []),
        *device_flags(series.rounds, shares),
    ]
    return replace(
        row,
        ci_coverage=interval.coverage if interval else None,
        ci_over=series.over,
        # Of several processes that which stopped for the worst reason.
        stop=max(stops, key=list(Stop).index) if stops else None,
        drift=change,
        sm_clock_hz=sm_clock(telemetry),
        throttled=shares,
        flags=tuple(dict.fromkeys((*flags, *row.flags))),
    )


def _interval_flags(series: Series, interval: Interval | None, target: float | None) -> list[Flag]:
    several = series.over is Over.LAUNCHES
    flags = [] if several else [Flag.ONE_PROCESS]
    if interval is None or interval.coverage < CONFIDENCE:
        flags.append(Flag.FEW_LAUNCHES if several else Flag.FEW_ROUNDS)
    if target is not None and interval is not None:
        wide = relative_half_width(interval, median(series.values)) > target
        flags += [Flag.WIDE] if wide else []
    return flags


def _ends(interval: Interval | None) -> tuple[float, float] | None:
    return (interval.low, interval.high) if interval else None


MOST_DEVIATION = 0.01
"""Instruments that change a call by more than this have changed what they measure."""

Macs = Mapping[Tile, int]
"""Multiply-adds for one image by stage of a phase, and by whole phase."""


def parts_of(
    configuration: Configuration, macs: Macs
) -> tuple[tuple[PartTime, ...], PartsCheck | None]:
    """Every part in the order of the call, and whether the instruments changed the call.

    Nothing where no instrumented round was taken.
    """
    per_launch = [launch.tiled for launch in configuration.launches if launch.tiled]
    if not per_launch:
        return (), None
    tiles = tuple(dict.fromkeys(per_launch[0][0].tiles))
    times = {tile: _values(tile, per_launch) for tile in tiles}
    whole = sum(median(values) for values in times.values())
    all_macs = sum(macs.get(tile, 0) for tile in tiles)
    parts = []
    for tile, values in times.items():
        time_s, interval = median(values), order_interval(values)
        ours = macs.get(tile)
        counted = None if ours is None else ours * configuration.images
        parts.append(
            PartTime(
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
    return tuple(parts), _check(configuration.launches)


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


def _check(launches: Sequence[Launch]) -> PartsCheck | None:
    """Pairs each instrumented round with the clean one beside it."""
    pairs = [
        (median(clean.samples_s), median(sum(call) for call in tiled.samples_s))
        for launch in launches
        for tiled in launch.tiled
        for clean in launch.of(Metric.LATENCY)
        if clean.index == tiled.index
    ]
    if not pairs:
        return None
    deviation = median(instrumented / clean for clean, instrumented in pairs) - 1
    return PartsCheck(
        clean_s=median(clean for clean, _ in pairs),
        instrumented_s=median(instrumented for _, instrumented in pairs),
        deviation=deviation,
        perturbed=abs(deviation) > MOST_DEVIATION,
    )


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
