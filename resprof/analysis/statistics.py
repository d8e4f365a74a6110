"""What raw samples support: intervals over rounds without assuming a distribution, percentiles.

Samples of one process follow each other and resemble each other, so an interval over raw samples
promises more than it holds; rounds of many samples are nearly independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import count
from statistics import median

from resprof.records.run import Flag, Interval, Latency, Metric, Round, Throughput

CONFIDENCE = 0.95
"""What an interval is meant to cover; six rounds are the fewest that can (min..max: 96.9%)."""
_TAIL_CONFIDENCE = Fraction(99, 100)
"""How sure MLPerf LoadGen's early stopping wants to be of a percentile."""
_OVER = 1
"""How many samples may lie above: with none, the estimate would be the maximum."""


def order_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """The narrowest interval between order statistics that covers the median this surely.

    A value lies below the median with probability 1/2, whatever its distribution, so the interval
    from the k-th smallest to the k-th largest of n misses it with probability
    2 P(Binomial(n, 1/2) < k). Where even the extremes reach less than ``confidence``, they are
    returned with the coverage they do have; None below two values.
    """
    n = len(values)
    if n < 2:
        return None
    rank = 1
    while rank < n // 2 and _order_coverage(n, rank + 1) >= confidence:
        rank += 1
    ordered = sorted(values)
    return Interval(low=ordered[rank - 1], high=ordered[-rank], coverage=_order_coverage(n, rank))


def _order_coverage(n: int, rank: int) -> float:
    below = sum(math.comb(n, successes) for successes in range(rank))
    return float(1 - Fraction(2 * below, 2**n))


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


def latency(rounds: Sequence[Round]) -> Latency | None:
    """The latency of a configuration from its latency rounds; None without any."""
    ours = [each for each in rounds if each.metric is Metric.LATENCY]
    if not ours:
        return None
    medians = [median(each.samples_s) / each.calls for each in ours]
    samples = [sample / each.calls for each in ours for sample in each.samples_s]
    return Latency(
        rounds=len(ours),
        samples=len(samples),
        median_s=median(medians),
        interval_s=order_interval(medians),
        p90_s=percentile(samples, 90),
        p95_s=percentile(samples, 95),
        p99_s=percentile(samples, 99),
    )


def throughput(rounds: Sequence[Round], batch: int) -> Throughput | None:
    """Images per second of wall time from the throughput rounds; None without any.

    All images over all time, which a mean of the rounds' rates is not.
    """
    ours = [each for each in rounds if each.metric is Metric.THROUGHPUT]
    if not ours:
        return None
    calls = [each.calls * len(each.samples_s) for each in ours]
    times = [sum(each.wall_s or each.samples_s) for each in ours]
    rates = [batch * number / time for number, time in zip(calls, times, strict=True)]
    return Throughput(
        rounds=len(ours),
        calls=sum(calls),
        images_per_s=batch * sum(calls) / sum(times),
        interval_images_per_s=order_interval(rates),
    )


def interval_flags(*intervals: Interval | None) -> tuple[Flag, ...]:
    """Marks figures whose interval covers less than it is meant to."""
    few = any(each is None or each.coverage < CONFIDENCE for each in intervals)
    return (Flag.FEW_ROUNDS,) if few else ()
