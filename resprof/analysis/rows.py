"""A metric of a configuration: the figure, its interval, what disturbed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from resprof.analysis.configurations import Configuration
from resprof.analysis.disturbance import (
    device_flags,
    issue_share,
    sm_clock,
    throttled,
    worst_drift,
)
from resprof.records.bench import BenchRow, Flag, Over
from resprof.records.plan import Metric
from resprof.records.run import MemoryUse, Round, Stop
from resprof.statistics.intervals import (
    CONFIDENCE,
    Interval,
    order_interval,
    relative_half_width,
)
from resprof.statistics.percentiles import percentile
from resprof.statistics.series import lag1


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
