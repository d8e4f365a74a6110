"""Known answers for intervals between order statistics, percentiles and counts of orderings."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import combinations, permutations
from statistics import fmean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resprof.stats.intervals import (
    PERCENTILE_MINIMA,
    Interval,
    inversion_counts,
    mann_whitney_counts,
    order_interval,
    percentile,
    percentile_minimum,
    relative_half_width,
)

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


def test_six_values_are_the_fewest_for_95_percent() -> None:
    six = order_interval([3.0, 1.0, 2.0, 6.0, 5.0, 4.0])
    assert six == Interval(low=1.0, high=6.0, coverage=1 - 2 * 0.5**6)
    five = order_interval([3.0, 1.0, 2.0, 5.0, 4.0])
    assert five == Interval(low=1.0, high=5.0, coverage=1 - 2 * 0.5**5)


def test_one_value_has_no_interval() -> None:
    assert order_interval([1.0]) is None
    assert order_interval([]) is None


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=60), st.sampled_from([0.9, 0.95, 0.96875])
)
def test_more_values_narrow_the_interval_to_the_ranks_that_still_cover(
    values: list[float], confidence: float
) -> None:
    found = order_interval(values, confidence)
    assert found is not None
    ordered = sorted(values)
    assert found.low <= median(values) <= found.high
    below = sum(value < found.low for value in ordered)
    above = sum(value > found.high for value in ordered)

    def miss(rank: int) -> float:
        ways = sum(math.comb(len(values), k) for k in range(rank))
        return 2.0 * ways / 2.0 ** len(values)

    assert found.coverage >= confidence
    ranks = [rank for rank in range(1, len(values) // 2 + 1) if 1 - miss(rank) >= confidence]
    assert found.coverage == pytest.approx(1 - miss(max(ranks)))
    assert max(below, above) <= max(ranks) - 1


def test_a_width_is_a_share_of_the_size_of_its_centre() -> None:
    interval = Interval(low=9.0, high=12.0, coverage=0.95)
    assert relative_half_width(interval, 10.0) == 0.15
    assert relative_half_width(interval, -10.0) == 0.15
    assert relative_half_width(interval, 0.0) == math.inf
    point = Interval(low=0.0, high=0.0, coverage=0.95)
    assert relative_half_width(point, 0.0) == 0.0


# Percentiles and the samples that support them.


@pytest.mark.parametrize(("percent", "published"), [(90, 64), (95, 130), (99, 662)])
def test_the_early_stopping_rule_gives_loadgens_published_minima(
    percent: int, published: int
) -> None:
    """MLPerf inference rules: p90, p95 and p99 need at least 64, 130 and 662 queries."""
    assert percentile_minimum(percent) == published == PERCENTILE_MINIMA[percent]
    over = 1 - percent / 100

    def at_most_one_above(n: int) -> float:
        return (1 - over) ** n + n * over * (1 - over) ** (n - 1)

    assert at_most_one_above(published) <= 0.01 < at_most_one_above(published - 1)


def test_a_percentile_is_unknown_below_its_minimum() -> None:
    assert percentile([1.0] * 63, 90) is None
    assert percentile([1.0] * 64, 90) == 1.0


def test_a_percentile_is_the_sample_of_the_nearest_rank() -> None:
    hundred = [float(value) for value in range(100, 0, -1)]
    assert percentile(hundred, 90) == 90.0
    assert percentile(hundred, 95) is None
    assert percentile([*hundred, 101.0], 90) == 91.0


# Counts of orderings against all orderings.


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 5), (5, 1), (3, 4), (5, 5), (6, 4)])
def test_inverted_pairs_of_two_sides_are_counted(n: int, m: int) -> None:
    seen = Counter(
        sum(place > other for place in places for other in set(range(n + m)) - set(places))
        for places in combinations(range(n + m), n)
    )
    counts = mann_whitney_counts(n, m)
    assert counts == tuple(seen[inverted] for inverted in range(n * m // 2 + 1))


@pytest.mark.parametrize("n", range(1, 8))
def test_inversions_of_one_series_are_counted(n: int) -> None:
    seen = Counter(
        sum(a > b for a, b in combinations(order, 2)) for order in permutations(range(n))
    )
    assert inversion_counts(n) == tuple(seen[inverted] for inverted in range(n * (n - 1) // 4 + 1))


def test_the_lower_half_of_large_counts_is_half_of_all_orders() -> None:
    # 9 * 7 is odd: no count stands in the middle.
    assert 2 * sum(mann_whitney_counts(9, 7)) == math.comb(16, 7)
    assert 2 * sum(inversion_counts(14)) == math.factorial(14)
