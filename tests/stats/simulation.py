"""Measurements simulated on a scripted clock, and how often what is said of them is right.

A call takes 1 s on average; its time deviates by normal noise that resembles the call before.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from resprof.measure.run import Metric, Plan, Stop
from resprof.stats.comparison import Comparison, SpeedVerdict, compare
from resprof.stats.intervals import Interval, order_interval
from tests.measure.scripted import run

SEEDS = 500
CALLS_PER_ROUND = 10
PLAN = Plan(
    warm_up_share=0.0,
    warm_up_s=0.0,
    # Half a call more than ten, so that noise does not change their number.
    round_s=CALLS_PER_ROUND + 0.5,
    time_limit_s=1e9,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """The rounds' medians in seconds, their rates per second, and why they ended."""

    medians_s: tuple[float, ...]
    rates: tuple[float, ...]
    stop: Stop


def durations(
    seed: int, *, noise: float, correlation: float = 0.0, mean_s: float = 1.0, drift: float = 0.0
) -> Iterator[float]:
    """Call times of deviation ``noise``, a share; each adds ``drift`` of the first's mean."""
    source = random.Random(seed)
    fresh = math.sqrt(1 - correlation**2)
    deviation = source.gauss()
    while True:
        yield mean_s * max(1e-3, 1 + noise * deviation)
        mean_s += drift
        deviation = correlation * deviation + fresh * source.gauss()


def simulate(script: Iterator[float], plan: Plan = PLAN) -> Simulated:
    """The rounds of a scripted clock, taken by the measuring loop with its stop rule."""
    course, kept = run(script, plan)
    return Simulated(
        medians_s=tuple(median(each.samples_s) for each in kept.of(Metric.LATENCY)),
        rates=tuple(each.calls / each.samples_s[0] for each in kept.of(Metric.THROUGHPUT)),
        stop=course.stop,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Shares of seeds whose interval holds the truth, of looks that paid off, and rounds taken."""

    latency: float
    throughput: float
    target_met: float
    mean_rounds: float
    numbers_of_rounds: frozenset[int]


def coverage(*, noise: float, correlation: float, seeds: int = SEEDS) -> Coverage:
    """How often intervals over rounds hold the mean, 1 s, that the rounds were made with."""
    runs = [
        simulate(durations(seed, noise=noise, correlation=correlation)) for seed in range(seeds)
    ]
    rounds = [len(run.medians_s) for run in runs]
    return Coverage(
        latency=sum(_holds(order_interval(run.medians_s)) for run in runs) / seeds,
        throughput=sum(_holds(order_interval(run.rates)) for run in runs) / seeds,
        target_met=sum(run.stop is Stop.TARGET_MET for run in runs) / seeds,
        mean_rounds=sum(rounds) / seeds,
        numbers_of_rounds=frozenset(rounds),
    )


def _holds(interval: Interval | None) -> bool:
    return interval is not None and interval.low <= 1.0 <= interval.high


def comparisons(
    *, slower: float, noise: float, correlation: float = 0.0, seeds: int = SEEDS
) -> list[Comparison]:
    """Verdicts on the rounds' medians of two runs, the second slower by that share."""
    found = []
    for seed in range(seeds):
        baseline, candidate = (
            simulate(
                durations(2 * seed + side, noise=noise, correlation=correlation, mean_s=mean_s)
            )
            for side, mean_s in enumerate((1.0, 1.0 + slower))
        )
        found.append(compare(baseline.medians_s, candidate.medians_s, higher_is_faster=False))
    return found


def share_of(found: list[Comparison], *verdicts: SpeedVerdict) -> float:
    """The share of comparisons that end in one of these verdicts."""
    return sum(each.verdict in verdicts for each in found) / len(found)
