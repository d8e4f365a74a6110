"""Whether a candidate is faster than a baseline: a ratio, its interval, and a verdict.

The rule: a difference is called where the interval excludes 1 *and* the estimate lies beyond the
margin, equality where the whole interval lies within the margin. Excluding 1 keeps false calls at
what the interval may miss, however loud the noise; the margin keeps a difference that nobody would
act on from being called however quiet it is. To ask that the whole interval lie beyond the margin
would call a true difference of twice the margin only where noise is small against the margin.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist, fmean

from resprof.stats.intervals import CONFIDENCE, Interval, mann_whitney_counts


class SpeedVerdict(StrEnum):
    """What a comparison allows to say of the candidate."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    """Any difference is smaller than the margin."""
    INCONCLUSIVE = "inconclusive"
    """More or quieter values are needed."""


MARGIN = 0.01
"""A smaller difference is one that nobody would act on."""
_LISTED_PAIRS = 1_000_000
_RESOLUTION = 1e-12
"""Of a logarithm: a clock does not tell as little apart."""
_EXACT_PAIRS = 10_000
"""Up to this many pairs orders are counted; above, the normal approximation agrees to 3 digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Candidate over baseline, and an interval for that ratio with the coverage it achieves."""

    ratio: float
    low: float
    high: float
    coverage: float
    verdict: SpeedVerdict


def compare(
    baseline: Sequence[float],
    candidate: Sequence[float],
    *,
    margin: float = MARGIN,
    confidence: float = CONFIDENCE,
    higher_is_faster: bool,
) -> Comparison:
    """Compares independent values of each side, such as one a launch: positive times or rates.

    The ratio is the median of the ratios of all pairs (Hodges and Lehmann 1963, on logarithms), and
    its interval lies between two of them (Moses 1965, by the distribution of Mann and Whitney). It
    assumes that the sides differ by a factor, no distribution. ``margin`` is a share and reaches
    from 1 / (1 + margin) to 1 + margin, so that exchanging the sides, or times for rates, exchanges
    the verdicts. Raises ValueError for no values, or any that are not positive and finite.
    """
    before, after = _logarithms(baseline), _logarithms(candidate)
    pairs = len(before) * len(after)
    rank, coverage = _pair_rank(len(before), len(after), confidence)
    middle = ((pairs + 1) // 2, pairs // 2 + 1)
    low, high, *central = _differences(before, after, (rank, pairs - rank + 1, *middle))
    interval = Interval(low=low, high=high, coverage=coverage)
    return _judged(
        fmean(central),
        interval,
        margin=margin,
        confidence=confidence,
        higher_is_faster=higher_is_faster,
    )


def _differences(
    before: Sequence[float], after: Sequence[float], ranks: Sequence[int]
) -> list[float]:
    """The differences of a pair that have these ranks, from 1 for the smallest.

    Many pairs are not written down: half and half again finds the value up to which as many
    differences lie, which a search in order counts (Johnson and Mizoguchi 1978).
    """
    if len(before) * len(after) <= _LISTED_PAIRS:
        ordered = sorted(late - early for early in before for late in after)
        return [ordered[rank - 1] for rank in ranks]
    late = sorted(after)
    widest = (late[0] - max(before) - 1, late[-1] - min(before))
    return [_difference(before, late, rank, *widest) for rank in ranks]


def _difference(
    before: Sequence[float], late: Sequence[float], rank: int, low: float, high: float
) -> float:
    """The one of that rank, which lies above ``low`` and not above ``high``."""
    while low < (middle := (low + high) / 2) < high and high - low > _RESOLUTION:
        if sum(bisect_right(late, early + middle) for early in before) >= rank:
            high = middle
        else:
            low = middle
    above = ((bisect_right(late, early + low), early) for early in before)
    return min(late[index] - early for index, early in above if index < len(late))


def _logarithms(values: Sequence[float]) -> list[float]:
    if not values or not all(0 < value < math.inf for value in values):
        raise ValueError("a comparison needs values on both sides, positive and finite")
    return [math.log(value) for value in values]


def _pair_rank(n: int, m: int, confidence: float) -> tuple[int, float]:
    """The k for which k-th smallest to k-th largest difference of a pair covers, and how surely.

    They miss with probability 2 P(U < k); the extremes are taken where even they cover less.
    """
    if n * m > _EXACT_PAIRS:
        return _approximate_pair_rank(n, m, confidence)
    orders = math.comb(n + m, m)
    rank, coverage, below = 1, 0.0, 0
    for tried, count in enumerate(mann_whitney_counts(n, m), start=1):
        below += count
        covered = max(0.0, 1 - 2 * below / orders)
        if tried > 1 and covered < confidence:
            break
        rank, coverage = tried, covered
    return rank, coverage


def _approximate_pair_rank(n: int, m: int, confidence: float) -> tuple[int, float]:
    law = NormalDist(n * m / 2, math.sqrt(n * m * (n + m + 1) / 12))
    # U is whole: P(U < k) is what the law gives for k - 1/2.
    rank = max(1, math.floor(law.inv_cdf((1 - confidence) / 2) + 0.5))
    return rank, 1 - 2 * law.cdf(rank - 0.5)


def _judged(
    centre: float,
    interval: Interval,
    *,
    margin: float,
    confidence: float,
    higher_is_faster: bool,
) -> Comparison:
    """The comparison whose ratio and interval are given as logarithms."""
    edge = math.log1p(margin)
    verdict = SpeedVerdict.INCONCLUSIVE
    if interval.coverage >= confidence:
        if -edge <= interval.low and interval.high <= edge:
            verdict = SpeedVerdict.SAME
        elif abs(centre) > edge and (interval.low > 0 or interval.high < 0):
            verdict = (
                SpeedVerdict.FASTER if (centre > 0) is higher_is_faster else SpeedVerdict.SLOWER
            )
    return Comparison(
        ratio=math.exp(centre),
        low=math.exp(interval.low),
        high=math.exp(interval.high),
        coverage=interval.coverage,
        verdict=verdict,
    )
