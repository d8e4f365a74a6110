"""Percentiles, only where there are enough samples to support them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import count

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
