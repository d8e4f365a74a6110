"""Whether values in the order in which they were taken drift, or resemble their neighbours."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import NormalDist, fmean, median

from resprof.stats.intervals import inversion_counts

_CHANCE = 0.01
"""How often values without drift may be called drifting."""
_EXACT = 100
"""Up to so many values the test counts orders; beyond, the normal law is as good."""
_SHORTEST = 10
"""Of a shorter round its own mean takes too much of the correlation away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """By what share of their median values change from first to last, and how likely by chance."""

    share: float
    chance: float

    @property
    def significant(self) -> bool:
        """Whether chance alone is a poor explanation."""
        return self.chance < _CHANCE


def drift(values: Sequence[float]) -> Drift | None:
    """The drift of values taken at equal distances; None below two, or around a median of 0.

    The slope is the median of all slopes between two values (Theil 1950, Sen 1968); the test is
    that of Mann 1945 and Kendall, two-sided. Six values must rise or fall throughout to count.
    """
    centre = median(values) if len(values) > 1 else 0.0
    if centre == 0:
        return None
    slope = median(
        (later - earlier) / (j - i)
        for (i, earlier), (j, later) in combinations(enumerate(values), 2)
    )
    return Drift(share=slope * (len(values) - 1) / centre, chance=_trend_chance(values))


def _trend_chance(values: Sequence[float]) -> float:
    """How likely values without a trend rise, or fall, at least as consistently."""
    n = len(values)
    rises = sum((b > a) - (b < a) for a, b in combinations(values, 2))
    groups = Counter(values).values()
    if n <= _EXACT and max(groups) == 1:
        inverted = (n * (n - 1) // 2 - abs(rises)) // 2
        as_consistent = sum(inversion_counts(n)[: inverted + 1])
        return min(1.0, 2 * as_consistent / math.factorial(n))
    variance = (_weight(n) - sum(map(_weight, groups))) / 18
    if variance == 0:
        return 1.0
    distance = max(0, abs(rises) - 1) / math.sqrt(variance)
    return 2 * NormalDist().cdf(-distance)


def _weight(n: int) -> int:
    """18 times the variance that n values add to the sum of signs, or n equal ones take from it."""
    return n * (n - 1) * (2 * n + 5)


def lag1(rounds: Sequence[Sequence[float]]) -> float | None:
    """How much of a sample's deviation the next one shares: lag-1 autocorrelation within rounds.

    Deviations are from the mean of the round and pairs are of one round, so that a change from
    round to round counts as drift alone. Rounds of fewer than ten samples are left out; None where
    no other is left or nothing varies.
    """
    long = [samples for samples in rounds if len(samples) >= _SHORTEST]
    if all(min(samples) == max(samples) for samples in long):
        return None
    products = squares = pairs = lost = 0.0
    for samples in long:
        mean = fmean(samples)
        apart = [sample - mean for sample in samples]
        products += math.fsum(a * b for a, b in pairwise(apart))
        squares += math.fsum(a * a for a in apart)
        pairs += len(samples) - 1
        lost += (len(samples) - 1) / len(samples)
    # The round's own mean makes independent samples look opposed, by variance / n for each pair.
    return min(1.0, products / squares + lost / pairs)
