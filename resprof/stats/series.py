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
"""Up to this many values the test counts orders; above, the normal approximation is as good."""
_ALL_PAIRS = 1000
"""Up to this many values every pair has its slope: half a million pairs."""
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
    slope = median(_slopes(values))
    return Drift(share=slope * (len(values) - 1) / centre, chance=_trend_chance(values))


def _slopes(values: Sequence[float]) -> list[float]:
    """Those between all pairs; of a long series each value's with the one half the series on.

    The latter is Theil's incomplete method: as unbiased, and linear in the number of values.
    """
    n = len(values)
    if n <= _ALL_PAIRS:
        pairs = combinations(enumerate(values), 2)
        return [(later - earlier) / (j - i) for (i, earlier), (j, later) in pairs]
    apart = (n + 1) // 2
    return [
        (later - earlier) / apart for earlier, later in zip(values, values[apart:], strict=False)
    ]


def _trend_chance(values: Sequence[float]) -> float:
    """How likely values without a trend rise, or fall, at least as consistently."""
    n = len(values)
    trend = abs(rises(values))
    groups = Counter(values).values()
    if n <= _EXACT and max(groups) == 1:
        inverted = (n * (n - 1) // 2 - trend) // 2
        as_consistent = sum(inversion_counts(n)[: inverted + 1])
        return min(1.0, 2 * as_consistent / math.factorial(n))
    variance = (_weight(n) - sum(map(_weight, groups))) / 18
    if variance == 0:
        return 1.0
    distance = max(0, trend - 1) / math.sqrt(variance)
    return 2 * NormalDist().cdf(-distance)


def rises(values: Sequence[float]) -> int:
    """How many more pairs rise than fall, counted in n log n steps.

    ``below`` is a binary indexed tree (Fenwick 1994) of how many values of each rank have come.
    """
    ranks = {value: rank for rank, value in enumerate(sorted(set(values)), start=1)}
    below = [0] * (len(ranks) + 1)
    more = 0
    for seen, value in enumerate(values):
        rank = ranks[value]
        more += _sum_to(below, rank - 1) - (seen - _sum_to(below, rank))
        while rank < len(below):
            below[rank] += 1
            rank += rank & -rank
    return more


def _sum_to(tree: Sequence[int], rank: int) -> int:
    total = 0
    while rank:
        total += tree[rank]
        rank &= rank - 1
    return total


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
