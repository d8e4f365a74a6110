"""The stop rule: it ends, it looks seldom, and its intervals cover what they say."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resprof.stats.intervals import order_interval
from resprof.stats.stopping import rounds_wanted, target_met

_LEAST, _MOST, _TARGET = 6, 60, 0.005


def _stop(values: Sequence[float]) -> tuple[int, int]:
    """How many values the rule takes, and how often it looks."""
    taken = _LEAST
    for looks in count(1):
        wanted = rounds_wanted([values[:taken]], target=_TARGET, least=_LEAST, most=_MOST)
        if wanted <= taken:
            return taken, looks
        taken = wanted
    raise AssertionError("the count is endless")


def _peek(values: Sequence[float]) -> tuple[int, int]:
    """The rule that ours is not: looks at every value."""
    taken = _LEAST
    while taken < _MOST and not target_met([values[:taken]], _TARGET):
        taken += 1
    return taken, taken - _LEAST + 1


def _normal(source: random.Random) -> float:
    return source.gauss()


def _skewed(source: random.Random) -> float:
    """Of median 0."""
    return source.expovariate(1.0) - math.log(2)


def _series(draw: Callable[[random.Random], float], scatter: float) -> Iterator[list[float]]:
    for seed in range(500):
        source = random.Random(seed)
        yield [1 + scatter * draw(source) for _ in range(_MOST)]


def _coverage(
    rule: Callable[[Sequence[float]], tuple[int, int]], series: Iterator[list[float]]
) -> float:
    covered = 0
    for values in series:
        interval = order_interval(values[: rule(values)[0]])
        assert interval is not None
        covered += interval.low <= 1 <= interval.high
    return covered / 500


@pytest.mark.parametrize("scatter", [0.004, 0.006, 0.008])
@pytest.mark.parametrize("draw", [_normal, _skewed])
def test_intervals_cover_with_the_rule_what_they_say(
    draw: Callable[[random.Random], float], scatter: float
) -> None:
    assert _coverage(_stop, _series(draw, scatter)) >= 0.95


def test_a_rule_that_looks_at_every_round_covers_less() -> None:
    ours = _coverage(_stop, _series(_normal, 0.008))
    peeking = _coverage(_peek, _series(_normal, 0.008))
    assert peeking < 0.95 <= ours
    assert ours - peeking >= 0.015


def test_most_targets_are_met_by_the_first_plan() -> None:
    looks = [_stop(values)[1] for values in _series(_normal, 0.006)]
    # The pilot is the first look, the plan it made the second.
    assert sum(number <= 2 for number in looks) / len(looks) >= 0.75


def test_quiet_rounds_need_no_more_and_loud_ones_all() -> None:
    def wanted(values: list[float]) -> int:
        return rounds_wanted([values], target=_TARGET, least=_LEAST, most=_MOST)

    assert wanted([1.0, 1.001, 0.999, 1.002, 0.998, 1.0]) == 6
    assert wanted([1.0, 1.5, 0.5, 2.0, 0.1, 1.0]) == 60
    assert wanted([1.0] * 6) == 6
    assert wanted([0.0] * 6) == 6
    assert wanted([0.0, 0.0, 0.0, 0.0, 1.0, -1.0]) == 60


def test_one_stray_round_does_not_ask_for_all() -> None:
    quiet = [1.0, 1.002, 0.998, 1.001, 0.999]
    alone = rounds_wanted([[*quiet, 5.0]], target=_TARGET, least=_LEAST, most=_MOST)
    assert 6 < alone <= 20


def test_the_loudest_metric_decides() -> None:
    quiet = [1.0, 1.001, 0.999, 1.002, 0.998, 1.0]
    loud = [1.0, 1.01, 0.99, 1.005, 0.995, 1.002]
    both = rounds_wanted([quiet, loud], target=_TARGET, least=_LEAST, most=_MOST)
    assert both == rounds_wanted([loud], target=_TARGET, least=_LEAST, most=_MOST) > 6
    assert target_met([quiet], _TARGET)
    assert not target_met([quiet, loud], _TARGET)


def test_the_scale_of_the_values_does_not_matter() -> None:
    values = [1.0, 1.01, 0.99, 1.005, 0.995, 1.002]
    scaled = [1024 * value for value in values]
    assert rounds_wanted([values], target=0.005, least=6, most=60) == rounds_wanted(
        [scaled], target=0.005, least=6, most=60
    )


def test_fewer_than_six_rounds_support_no_interval() -> None:
    five = [1.0] * 5
    assert not target_met([five], _TARGET)
    assert rounds_wanted([five], target=_TARGET, least=2, most=60) == 6
    assert rounds_wanted([five], target=_TARGET, least=2, most=5) == 5


def test_without_metrics_there_is_nothing_to_meet() -> None:
    assert not target_met([], _TARGET)
    assert rounds_wanted([], target=_TARGET, least=6, most=60) == 6


def test_plans_that_fall_short_again_and_again_cost_few_looks() -> None:
    """Rounds scatter more and more, so that each plan but the last is a little too short."""
    sides = [1 if number % 3 else -1 for number in range(_MOST)]
    values = [1 + side * 0.003 * (place + 1) ** 0.4 for place, side in enumerate(sides)]
    taken, looks = _stop(values)
    assert taken > 30
    assert 4 <= looks <= 7


def test_a_high_limit_is_planned_for_in_no_time() -> None:
    values = [1.0, 1.03, 0.97, 1.02, 0.98, 1.01]
    assert 60 < rounds_wanted([values], target=0.002, least=6, most=5000) <= 5000


_extremes = st.floats(0.0, 1e9) | st.sampled_from([0.0, 1e-12, 1.0, 1e12])


@given(
    st.lists(_extremes, min_size=_MOST, max_size=_MOST),
    st.sampled_from([0.0, 0.005, 0.5]),
    st.integers(0, 12),
    st.integers(1, _MOST),
)
def test_the_rule_ends_after_few_looks(
    values: list[float], target: float, least: int, most: int
) -> None:
    taken, looks = max(1, min(least, most)), 0
    while True:
        wanted = rounds_wanted([values[:taken]], target=target, least=least, most=most)
        looks += 1
        assert min(least, most) <= wanted <= most
        met = target_met([values[:taken]], target)
        assert (wanted > taken) == (not met and taken < most)
        if wanted <= taken:
            break
        taken = wanted
    # Fewer than six, then 6, 9, 14, 21, 32, 48, 60.
    assert looks <= 8
