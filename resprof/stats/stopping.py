"""How many rounds to take: settled by what the first few scatter by, not by looking at each.

To stop at the first round after which an interval happens to be narrow is to pick intervals that
are narrow by luck, and those miss too often. So the count is fixed from a pilot and looked at
again only where it is reached and the target is missed, each time with many more rounds; and it is
one whose interval covers more than it has to, by about what these few looks cost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import NormalDist, median

from resprof.stats.intervals import CONFIDENCE, order_interval, order_rank, relative_half_width

FEWEST = 6
"""The fewest values whose interval reaches 95% (min..max: 96.9%)."""
_ROOM = 0.965
"""What the interval of a planned count covers at least: looking costs up to 2%, simulated."""
_MANY = 100
"""Of more rounds no count covers that much, and looking costs less; nor does each one matter."""
_SAFETY = 1.1
"""How much wider than measured the scatter is taken to be: six values often show too little."""
_GROWTH = 1.5
"""A further look comes after this many times the rounds, which bounds the number of looks."""
_NORMAL = NormalDist()
_DIFFERENCE = _NORMAL.inv_cdf(0.75) * math.sqrt(2)
"""The median distance between two normal values, in standard deviations."""


def target_met(series: Sequence[Sequence[float]], target: float) -> bool:
    """Whether the interval of every series is within ``target`` of its median, a share.

    False where a series has too few values for an interval of 95%, and without any series.
    """
    return bool(series) and all(_is_met(values, target) for values in series)


def rounds_wanted(
    series: Sequence[Sequence[float]], *, target: float, least: int, most: int
) -> int:
    """How many rounds in all bring the interval of every series within ``target`` of its median.

    ``series`` holds the values of each metric, one a round. Returns the rounds taken where the
    target is met, otherwise a larger number between ``least`` and ``most``; ``most`` wins.
    """
    needs = (_needed(values, target, most) for values in series)
    return min(most, max(least, *needs)) if series else min(most, least)


def _is_met(values: Sequence[float], target: float) -> bool:
    interval = order_interval(values)
    if interval is None or interval.coverage < CONFIDENCE:
        return False
    return relative_half_width(interval, median(values)) <= target


def _needed(values: Sequence[float], target: float, most: int) -> int:
    taken = len(values)
    if taken < FEWEST:
        return FEWEST
    if _is_met(values, target):
        return taken
    allowed = target * abs(median(values))
    scatter = _SAFETY * _scatter(values)
    count = math.ceil(_GROWTH * taken)
    while count < most:
        rank, coverage = order_rank(count)
        has_room = coverage >= _ROOM or count > _MANY
        if has_room and scatter * _half_width(count, rank) <= allowed:
            return count
        count += 1 + count // _MANY
    return max(most, taken)


def _scatter(values: Sequence[float]) -> float:
    """The standard deviation, from the median distance of two values: one stray changes little."""
    return median(abs(a - b) for a, b in combinations(values, 2)) / _DIFFERENCE


def _half_width(count: int, rank: int) -> float:
    """Half the width to expect between the k-th extremes of normal values of deviation 1.

    Source: Blom 1958, the expected value of an order statistic.
    """
    return _NORMAL.inv_cdf((count - rank + 1 - 0.375) / (count + 0.25))
