"""Comparisons: known ranks, exact coverage by all orders, symmetry, and what is said of them."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations
from statistics import NormalDist

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from resprof.stats.comparison import Comparison, SpeedVerdict, compare
from resprof.stats.intervals import mann_whitney_counts


def test_the_ratio_is_the_median_of_the_ratios_of_all_pairs() -> None:
    found = compare([1.0, 2.0, 5.0], [4.0, 8.0], higher_is_faster=True)
    # By hand: 4/5, 8/5, 4/2, 4/1, 8/2, 8/1.
    assert found.ratio == pytest.approx(math.sqrt(2 * 4))


def _all_ratios_apart(n: int, m: int) -> tuple[list[float], list[float]]:
    """Sides whose ratios are the powers of 1.01 from 1 - n to n * (m - 1), each just once."""
    return [1.01**exponent for exponent in range(n)], [
        1.01 ** (exponent * n) for exponent in range(m)
    ]


def _outside(found: Comparison, before: list[float], after: list[float]) -> tuple[int, int]:
    """How many ratios of pairs lie below the interval and above it."""
    ratios = [late / early for early in before for late in after]
    return (
        sum(ratio < found.low * (1 - 1e-9) for ratio in ratios),
        sum(ratio > found.high * (1 + 1e-9) for ratio in ratios),
    )


@pytest.mark.parametrize(
    ("n", "m", "critical"),
    [(4, 4, 0), (5, 5, 2), (6, 6, 5), (5, 8, 6), (8, 8, 13), (10, 10, 23), (12, 15, 49)],
)
def test_ranks_are_those_of_printed_tables(n: int, m: int, critical: int) -> None:
    """The largest U that is significant at 5%, two-sided, as such tables print it."""
    sides = _all_ratios_apart(n, m)
    found = compare(*sides, higher_is_faster=True)
    assert _outside(found, *sides) == (critical, critical)
    assert found.coverage >= 0.95


def test_three_values_a_side_are_too_few() -> None:
    found = compare([1.0, 1.01, 1.02], [2.0, 2.01, 2.02], higher_is_faster=True)
    assert found.coverage == pytest.approx(0.9)
    assert found.verdict is SpeedVerdict.INCONCLUSIVE
    sure_enough = compare(
        [1.0, 1.01, 1.02], [2.0, 2.01, 2.02], confidence=0.9, higher_is_faster=True
    )
    assert sure_enough.verdict is SpeedVerdict.FASTER


@pytest.mark.parametrize(("n", "m"), [(2, 3), (4, 4), (4, 6), (5, 7)])
def test_the_stated_coverage_is_that_of_all_orders(n: int, m: int) -> None:
    """Without a difference all orders are equally likely, and the interval is to hold 1."""
    covered = total = 0
    for places in combinations(range(n + m), n):
        before = [2.0**place for place in places]
        after = [2.0**place for place in range(n + m) if place not in places]
        found = compare(before, after, higher_is_faster=True)
        covered += found.low <= 1 <= found.high
        total += 1
    assert Fraction(covered, total) == pytest.approx(found.coverage)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_many_values_are_ranked_nearly_as_all_orders_would(confidence: float) -> None:
    n, m = 120, 90
    assert n * m > 10_000
    sides = _all_ratios_apart(n, m)
    found = compare(*sides, confidence=confidence, higher_is_faster=True)
    below, above = _outside(found, *sides)
    assert below == above
    misses = 2 * sum(mann_whitney_counts(n, m)[: below + 1]) / math.comb(n + m, m)
    assert found.coverage == pytest.approx(1 - misses, abs=5e-4)
    assert confidence <= found.coverage <= confidence + 5e-4


_values = st.lists(st.floats(0.5, 2.0), min_size=1, max_size=9)
_OPPOSITE = {
    SpeedVerdict.FASTER: SpeedVerdict.SLOWER,
    SpeedVerdict.SLOWER: SpeedVerdict.FASTER,
    SpeedVerdict.SAME: SpeedVerdict.SAME,
    SpeedVerdict.INCONCLUSIVE: SpeedVerdict.INCONCLUSIVE,
}


def _near_an_edge(found: Comparison) -> bool:
    """Where rounding may decide."""
    figures = (found.ratio, found.low, found.high)
    return any(
        math.isclose(figure, edge, rel_tol=1e-9)
        for figure in figures
        for edge in (1, 1.01, 1 / 1.01)
    )


@given(_values, _values, st.booleans())
def test_exchanged_sides_exchange_the_verdict(
    before: list[float], after: list[float], higher: bool
) -> None:
    forth = compare(before, after, higher_is_faster=higher)
    back = compare(after, before, higher_is_faster=higher)
    assume(not _near_an_edge(forth))
    assert back.ratio == pytest.approx(1 / forth.ratio)
    assert (back.low, back.high) == pytest.approx((1 / forth.high, 1 / forth.low))
    assert back.verdict is _OPPOSITE[forth.verdict]


@given(_values, _values)
def test_times_and_rates_are_judged_alike(before: list[float], after: list[float]) -> None:
    times = compare(before, after, higher_is_faster=False)
    rates = compare(
        [1 / value for value in before], [1 / value for value in after], higher_is_faster=True
    )
    assume(not _near_an_edge(times))
    assert rates.verdict is times.verdict


@given(_values, _values)
def test_the_estimate_lies_in_its_interval(before: list[float], after: list[float]) -> None:
    found = compare(before, after, higher_is_faster=True)
    assert found.low <= found.ratio <= found.high
    assert 0 <= found.coverage < 1


def _spread(centre: float, deviation: float, count: int = 8) -> list[float]:
    """Values as evenly spread as a normal law of that relative deviation has them."""
    law = NormalDist(centre, centre * deviation)
    return [law.inv_cdf((step + 0.5) / count) for step in range(count)]


@pytest.mark.parametrize(
    ("ratio", "deviation", "verdict"),
    [
        (1.0, 0.001, SpeedVerdict.SAME),
        # Excludes 1, but nobody would act on it.
        (1.005, 0.001, SpeedVerdict.SAME),
        (1.02, 0.005, SpeedVerdict.SLOWER),
        (1 / 1.02, 0.005, SpeedVerdict.FASTER),
        # Excludes 1, by less than the margin and not surely within it.
        (1.009, 0.005, SpeedVerdict.INCONCLUSIVE),
        # Beyond the margin, but perhaps by chance.
        (1.02, 0.05, SpeedVerdict.INCONCLUSIVE),
        (1.0, 0.05, SpeedVerdict.INCONCLUSIVE),
    ],
)
def test_what_is_said_of_times(ratio: float, deviation: float, verdict: SpeedVerdict) -> None:
    found = compare(_spread(1.0, deviation), _spread(ratio, deviation), higher_is_faster=False)
    assert found.verdict is verdict
    rates = compare(_spread(ratio, deviation), _spread(1.0, deviation), higher_is_faster=True)
    assert rates.verdict is verdict


def test_the_margin_is_what_is_asked_for() -> None:
    before, after = _spread(1.0, 0.005), _spread(1.02, 0.005)
    wide = compare(before, after, margin=0.03, higher_is_faster=False)
    assert wide.verdict is SpeedVerdict.SAME
    none = compare(before, _spread(1.004, 0.001), margin=0.0, higher_is_faster=False)
    assert none.verdict is SpeedVerdict.SLOWER


def test_a_single_pair_says_nothing() -> None:
    found = compare([1.0], [2.0], higher_is_faster=True)
    assert found.ratio == pytest.approx(2.0)
    assert found.coverage == 0.0
    assert found.verdict is SpeedVerdict.INCONCLUSIVE


@pytest.mark.parametrize("broken", [[], [1.0, 0.0], [-1.0], [math.nan], [math.inf]])
def test_values_without_a_ratio_are_refused(broken: list[float]) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        compare(broken, [1.0] * len(broken) or [1.0], higher_is_faster=True)
    with pytest.raises(ValueError, match="positive and finite"):
        compare([1.0] * len(broken) or [1.0], broken, higher_is_faster=True)
