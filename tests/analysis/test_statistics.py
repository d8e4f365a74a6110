"""Known answers for intervals, percentiles and the figures that are made of rounds."""

from __future__ import annotations

import math
import random
from statistics import fmean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resprof.analysis.statistics import (
    interval_flags,
    latency,
    order_interval,
    percentile,
    percentile_minimum,
    throughput,
)
from resprof.records.environment import DeviceKind
from resprof.records.run import Flag, Interval, Metric, Round

_SEEDS = 500
_ROUNDS = 6
_SAMPLES_PER_ROUND = 50


def _autocorrelated(seed: int, correlation: float, count: int) -> list[float]:
    """A stationary series of median 0 and deviation 1 whose neighbours correlate."""
    source = random.Random(seed)
    fresh = math.sqrt(1 - correlation**2)
    value = source.gauss()
    series = []
    for _ in range(count):
        value = correlation * value + fresh * source.gauss()
        series.append(value)
    return series


def _covers(interval: Interval | None) -> bool:
    return interval is not None and interval.low <= 0 <= interval.high


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_an_interval_over_rounds_covers_what_it_says(correlation: float) -> None:
    covered = 0
    for seed in range(_SEEDS):
        raw = _autocorrelated(seed, correlation, _ROUNDS * _SAMPLES_PER_ROUND)
        rounds = [
            fmean(raw[start : start + _SAMPLES_PER_ROUND])
            for start in range(0, len(raw), _SAMPLES_PER_ROUND)
        ]
        covered += _covers(order_interval(rounds))
    assert covered / _SEEDS >= 0.93


def test_an_interval_over_raw_samples_would_not() -> None:
    covered = sum(
        _covers(order_interval(_autocorrelated(seed, 0.8, _ROUNDS * _SAMPLES_PER_ROUND)))
        for seed in range(100)
    )
    assert covered / 100 < 0.75


def test_six_rounds_are_the_fewest_for_95_percent() -> None:
    six = order_interval([3.0, 1.0, 2.0, 6.0, 5.0, 4.0])
    assert six == Interval(low=1.0, high=6.0, coverage=1 - 2 * 0.5**6)
    assert interval_flags(six) == ()
    five = order_interval([3.0, 1.0, 2.0, 5.0, 4.0])
    assert five == Interval(low=1.0, high=5.0, coverage=1 - 2 * 0.5**5)
    assert interval_flags(six, five) == (Flag.FEW_ROUNDS,)


def test_one_value_has_no_interval() -> None:
    assert order_interval([1.0]) is None
    assert interval_flags(None) == (Flag.FEW_ROUNDS,)


@given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=60))
def test_more_values_narrow_the_interval_to_the_ranks_that_still_cover(
    values: list[float],
) -> None:
    found = order_interval(values)
    assert found is not None
    ordered = sorted(values)
    assert found.low <= median(values) <= found.high
    below = sum(value < found.low for value in ordered)

    def miss(rank: int) -> float:
        ways = sum(math.comb(len(values), k) for k in range(rank))
        return 2.0 * ways / 2.0 ** len(values)

    assert found.coverage >= 0.95
    ranks = [rank for rank in range(1, len(values) // 2 + 1) if 1 - miss(rank) >= 0.95]
    assert found.coverage == pytest.approx(1 - miss(max(ranks)))
    assert below <= max(ranks) - 1


@pytest.mark.parametrize(("percent", "published"), [(90, 64), (95, 130), (99, 662)])
def test_the_early_stopping_rule_gives_loadgens_published_minima(
    percent: int, published: int
) -> None:
    """MLPerf inference rules: p90, p95 and p99 need at least 64, 130 and 662 queries."""
    assert percentile_minimum(percent) == published
    over = 1 - percent / 100

    def at_most_one_above(n: int) -> float:
        return (1 - over) ** n + n * over * (1 - over) ** (n - 1)

    assert at_most_one_above(published) <= 0.01 < at_most_one_above(published - 1)


def test_a_percentile_is_unknown_below_its_minimum() -> None:
    assert percentile([1.0] * 63, 90) is None
    assert percentile([float(value) for value in range(1, 101)], 90) == 90.0
    assert percentile([float(value) for value in range(1, 101)], 95) is None


def _round(metric: Metric, index: int, samples: tuple[float, ...], calls: int = 1) -> Round:
    return Round(
        key="k",
        device=DeviceKind.CPU,
        metric=metric,
        index=index,
        calls=calls,
        samples_s=samples,
    )


def test_latency_is_the_median_of_the_rounds_medians() -> None:
    rounds = [
        _round(Metric.LATENCY, index, (1.0 + index, 2.0 + index, 9.0 + index)) for index in range(6)
    ]
    rounds.append(_round(Metric.THROUGHPUT, 0, (100.0,)))
    found = latency(rounds)
    assert found is not None
    assert (found.rounds, found.samples, found.median_s) == (6, 18, 4.5)
    assert found.interval_s == Interval(low=2.0, high=7.0, coverage=0.96875)
    assert (found.p90_s, found.p95_s, found.p99_s) == (None, None, None)
    assert latency([]) is None


def test_throughput_is_all_images_over_all_time() -> None:
    rounds = [
        _round(Metric.THROUGHPUT, 0, (1.0,), calls=10),
        _round(Metric.THROUGHPUT, 1, (4.0,), calls=10),
    ]
    found = throughput(rounds, batch=8)
    assert found is not None
    assert found.images_per_s == 8 * 20 / 5.0
    assert found.interval_images_per_s == Interval(low=20.0, high=80.0, coverage=0.5)
    assert throughput([], batch=8) is None
