"""Intervals for a median and percentiles, and what ranks do by chance: no distribution assumed.

Samples of one process follow each other and resemble each other, so an interval over raw samples
promises more than it holds; rounds of many samples are nearly independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate, count
from operator import sub

CONFIDENCE = 0.95
"""What an interval is meant to cover."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A distribution-free interval for the median and the coverage it achieves."""

    low: float
    high: float
    coverage: float


def order_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """The narrowest interval between order statistics that covers the median this surely.

    A value lies below the median with probability 1/2, whatever its distribution, so the interval
    from the k-th smallest to the k-th largest of n misses it with probability
    2 P(Binomial(n, 1/2) < k). Where even the extremes reach less than ``confidence``, they are
    returned with the coverage they do have; None below two values.
    """
    if len(values) < 2:
        return None
    rank, coverage = order_rank(len(values), confidence)
    ordered = sorted(values)
    return Interval(low=ordered[rank - 1], high=ordered[-rank], coverage=coverage)


@lru_cache(maxsize=1024)
def order_rank(n: int, confidence: float = CONFIDENCE) -> tuple[int, float]:
    """The k of ``order_interval`` for n values, two at least, and the coverage it achieves."""
    ways = below = 1
    rank, coverage = 1, 1 - 2 * below / 2**n
    while rank < n // 2:
        # The next binomial coefficient from the last: each anew would take the square of the time.
        ways = ways * (n - rank + 1) // rank
        below += ways
        tighter = 1 - 2 * below / 2**n
        if tighter < confidence:
            break
        rank, coverage = rank + 1, tighter
    return rank, coverage


def relative_half_width(interval: Interval, centre: float) -> float:
    """Half the width as a share of ``centre``; infinite around 0, but 0 where there is no width."""
    half = (interval.high - interval.low) / 2
    if half == 0:
        return 0.0
    return half / abs(centre) if centre else math.inf


_TAIL_CONFIDENCE = Fraction(99, 100)
"""How sure MLPerf LoadGen's early stopping wants to be of a percentile."""
_OVER = 1
"""How many samples may lie above: with none, the estimate would be the maximum."""


def percentile_minimum(percent: int) -> int:
    """The fewest samples that support a percentile, by MLPerf LoadGen's early-stopping rule.

    The smallest n of which one sample may exceed the percentile p at 99% confidence:
    P(Binomial(n, 1 - p) <= 1) <= 1%. It gives 64, 130 and 662 for p90, p95 and p99.
    Source: mlcommons/inference, loadgen/early_stopping.cc, with a tolerance of zero.
    """
    over = 1 - Fraction(percent, 100)
    for n in count(_OVER + 1):
        chance = sum(
            math.comb(n, above) * over**above * (1 - over) ** (n - above)
            for above in range(_OVER + 1)
        )
        if chance <= 1 - _TAIL_CONFIDENCE:
            return n
    raise AssertionError("the chance falls below any bound")


PERCENTILE_MINIMA = {percent: percentile_minimum(percent) for percent in (90, 95, 99)}


def percentile(samples: Sequence[float], percent: int) -> float | None:
    """The nearest-rank percentile; None where there are too few samples to support it."""
    if len(samples) < PERCENTILE_MINIMA[percent]:
        return None
    rank = -(-percent * len(samples) // 100)
    return sorted(samples)[rank - 1]


# Both counts are coefficients of a product of (1 - q^a) / (1 - q^b). They are symmetric, so the
# lower half of them is enough, and no coefficient depends on a higher one.


@lru_cache(maxsize=64)
def mann_whitney_counts(n: int, m: int) -> tuple[int, ...]:
    """In how many orders of n and m values just u of the n * m pairs are inverted.

    One count for each u from 0 to half the pairs; all orders are ``math.comb(n + m, m)``.
    Source: Mann and Whitney 1947; the counts are the coefficients of the Gaussian binomial.
    """
    counts = [1] + [0] * (n * m // 2)
    for step in range(1, m + 1):
        counts = _divided(_multiplied(counts, n + step), step)
    return tuple(counts)


@lru_cache(maxsize=64)
def inversion_counts(n: int) -> tuple[int, ...]:
    """In how many orders of n values just k of their pairs are inverted.

    One count for each k from 0 to half the pairs; all orders are ``math.factorial(n)``.
    Source: Kendall 1938; the Mahonian numbers.
    """
    counts = [1] + [0] * (n * (n - 1) // 4)
    for step in range(1, n + 1):
        counts = _divided(_multiplied(counts, step), 1)
    return tuple(counts)


def _multiplied(counts: Sequence[int], step: int) -> list[int]:
    """The series times 1 - q^step, cut to its length."""
    return [*counts[:step], *map(sub, counts[step:], counts)]


def _divided(counts: Sequence[int], step: int) -> list[int]:
    """The series over 1 - q^step, cut to its length."""
    quotient = list(counts)
    for start in range(min(step, len(counts))):
        quotient[start::step] = accumulate(quotient[start::step])
    return quotient
