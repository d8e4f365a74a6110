"""Drift and autocorrelation against all orders, by hand, and of series made to have them."""

from __future__ import annotations

import math
import random
from itertools import combinations, permutations
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resprof.stats.series import drift, lag1, rises


def _rises(values: tuple[int, ...]) -> int:
    return abs(sum(1 if b > a else -1 for a, b in combinations(values, 2)))


def test_the_chance_of_a_trend_is_its_share_of_all_orders() -> None:
    orders = list(permutations(range(1, 6)))
    for order in orders:
        found = drift(order)
        assert found is not None
        at_least = sum(_rises(other) >= _rises(order) for other in orders)
        assert found.chance == pytest.approx(at_least / len(orders))


def test_six_rounds_drift_only_if_they_rise_or_fall_throughout() -> None:
    significant = [
        order
        for order in permutations(range(1, 7))
        if (found := drift(order)) and found.significant
    ]
    assert significant == [(1, 2, 3, 4, 5, 6), (6, 5, 4, 3, 2, 1)]


def test_the_share_is_the_way_from_first_to_last_over_the_median() -> None:
    found = drift([10.0, 10.1, 10.2, 10.3, 10.4])
    assert found is not None
    assert found.share == pytest.approx(0.4 / 10.2)
    falling = drift([10.4, 10.3, 10.2, 10.1, 10.0])
    assert falling is not None
    assert falling.share == pytest.approx(-0.4 / 10.2)


def test_one_stray_value_is_no_drift() -> None:
    found = drift([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 9.0])
    assert found is not None
    assert found.share == 0.0
    assert not found.significant


def test_ties_are_paid_for() -> None:
    """By hand: n = 8, S = 26, one tie of 2 and one of 2: variance (8*7*21 - 2*2*1*9) / 18."""
    found = drift([1.0, 1.0, 2.0, 3.0, 3.0, 4.0, 5.0, 6.0])
    assert found is not None
    distance = 25 / math.sqrt((8 * 7 * 21 - 2 * (2 * 1 * 9)) / 18)
    assert found.chance == pytest.approx(math.erfc(distance / math.sqrt(2)))
    constant = drift([2.0] * 8)
    assert constant is not None
    assert (constant.share, constant.chance) == (0.0, 1.0)


def test_the_exact_law_and_the_normal_one_meet() -> None:
    source = random.Random(1)
    values = [step / 60 + source.gauss() for step in range(100)]
    exact = drift(values)
    # A tie of two of a hundred changes next to nothing but the method.
    tied = drift([*values[:50], values[49], *values[51:]])
    assert exact is not None
    assert tied is not None
    assert 1e-6 < exact.chance < 0.05
    assert tied.chance == pytest.approx(exact.chance, rel=0.25)


def test_one_value_or_none_drifts_nowhere() -> None:
    assert drift([]) is None
    assert drift([1.0]) is None
    assert drift([-1.0, 0.0, 1.0]) is None


@given(st.lists(st.floats(0.5, 2.0), min_size=2, max_size=12))
def test_what_rises_forth_falls_back(values: list[float]) -> None:
    forth, back = drift(values), drift(values[::-1])
    assert forth is not None
    assert back is not None
    assert forth.share == pytest.approx(-back.share)
    assert forth.chance == back.chance


def _autocorrelated(seed: int, correlation: float, count: int) -> list[float]:
    source = random.Random(seed)
    fresh = math.sqrt(1 - correlation**2)
    series = [source.gauss()]
    for _ in range(count - 1):
        series.append(correlation * series[-1] + fresh * source.gauss())
    return series


def _rounds(seed: int, correlation: float, rounds: int, samples: int) -> list[list[float]]:
    return [_autocorrelated(1000 * seed + number, correlation, samples) for number in range(rounds)]


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.5, 0.8])
def test_the_correlation_of_neighbours_is_found(correlation: float) -> None:
    found = lag1(_rounds(1, correlation, rounds=20, samples=200))
    assert found == pytest.approx(correlation, abs=0.05)


def test_short_rounds_of_independent_samples_do_not_look_opposed() -> None:
    found = [lag1(_rounds(seed, 0.0, rounds=6, samples=10)) for seed in range(200)]
    assert fmean(value for value in found if value is not None) == pytest.approx(0, abs=0.025)


def test_a_change_between_rounds_is_no_correlation() -> None:
    rounds = _rounds(2, 0.0, rounds=20, samples=100)
    moved = [[sample + 50 * number for sample in each] for number, each in enumerate(rounds)]
    assert lag1(moved) == pytest.approx(lag1(rounds), abs=1e-6)


def test_no_pair_reaches_across_rounds() -> None:
    """By hand: 0 1 0 1 ... is +-1/2 about its mean: -9/10 of the squares, and 1/10 for the mean."""
    assert lag1([[0.0, 1.0] * 5]) == pytest.approx(-0.8)
    assert lag1([[0.0, 1.0] * 5, [1.0, 0.0] * 5]) == pytest.approx(-0.8)


def test_too_few_or_constant_samples_have_no_correlation() -> None:
    assert lag1([]) is None
    assert lag1([[1.0, 2.0, 3.0]] * 50) is None
    assert lag1([[0.1] * 13, [0.3] * 17]) is None


@given(st.lists(st.lists(st.floats(0, 1e3), min_size=1, max_size=30), max_size=5))
def test_a_correlation_is_one(rounds: list[list[float]]) -> None:
    found = lag1(rounds)
    assert found is None or -1 - 1e-9 <= found <= 1


@given(st.lists(st.sampled_from([0.5, 1.0, 1.5, 2.0]) | st.floats(0.5, 2), min_size=2, max_size=60))
def test_pairs_that_rise_are_counted_exactly(values: list[float]) -> None:
    expected = sum(
        (later > earlier) - (later < earlier) for earlier, later in combinations(values, 2)
    )
    assert rises(values) == expected


def test_a_long_series_is_judged_as_a_short_one_is() -> None:
    """Of n values with a slope the estimate lies within what chance allows of the true share."""
    rng = random.Random(0)
    values = [1 + 0.05 * i / 20_000 + rng.gauss(0, 0.01) for i in range(20_000)]
    found = drift(values)
    assert found is not None
    assert found.significant
    assert found.share == pytest.approx(0.05 / 1.025, rel=0.03)
    scattering = [drift([rng.gauss(1, 0.01) for _ in range(2_000)]) for _ in range(200)]
    assert sum(1 for each in scattering if each and each.significant) <= 8
