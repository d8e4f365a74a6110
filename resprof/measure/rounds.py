"""The measuring loop: first call, warm-up, rounds; pure over a clock and a call."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from resprof.measure.clock import Call, Clock, Timing
from resprof.measure.plan import Plan
from resprof.records.run import Metric, Stop, WarmUp

_BLOCK = 5
"""Calls per block of the warm-up: fewer make a poor median, more a long warm-up."""
_STEADY_SHARE = 0.02
"""Call times have settled when the medians of the last two blocks differ by at most this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The raw samples of one round, each of ``calls`` calls."""

    metric: Metric
    index: int
    calls: int
    samples_s: tuple[float, ...]
    wall_s: tuple[float, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How the measurement went, beside its rounds."""

    first_call_s: float
    warm_up: WarmUp
    stop: Stop


def run_rounds(call: Call, clock: Clock, plan: Plan, keep: Callable[[Taken], None]) -> Course:
    """Measures ``call`` by the plan; each round goes to ``keep`` as soon as it is taken.

    The limit holds from the first call on and is looked at between rounds, so it is passed by one
    round at most. The first round is always taken.
    """
    with _collector_off():
        start = clock.now()
        first = _wall(clock.one(call))
        warm_up = _warm_up(call, clock, plan)
        call_s = median(warm_up.samples_s[-_BLOCK:])
        rounds_left = plan.rounds * len(plan.metrics)
        for index in range(plan.rounds):
            if index > 0 and clock.now() - start >= plan.time_limit_s:
                return Course(first_call_s=first, warm_up=warm_up, stop=Stop.TIME_LIMIT)
            for metric in plan.metrics:
                left = plan.time_limit_s - (clock.now() - start)
                # From the round before, not from the warm-up alone: that may have been disturbed.
                calls = max(1, int(min(plan.round_s, left / rounds_left) / call_s))
                taken = _round(call, clock, metric, index, calls)
                keep(taken)
                gc.collect()
                call_s = sum(taken.wall_s or taken.samples_s) / calls
                rounds_left -= 1
    return Course(first_call_s=first, warm_up=warm_up, stop=Stop.ROUNDS_DONE)


def _warm_up(call: Call, clock: Clock, plan: Plan) -> WarmUp:
    """Calls until times have settled, at least as often and as long as planned, or to the cap."""
    start = clock.now()
    samples: list[float] = []
    while True:
        samples.append(_wall(clock.one(call)))
        steady = is_steady(samples)
        elapsed = clock.now() - start
        enough = len(samples) >= plan.warm_up_calls and elapsed >= plan.warm_up_s
        if (enough and steady) or elapsed >= plan.warm_up_share * plan.time_limit_s:
            return WarmUp(samples_s=tuple(samples), steady=steady)


def is_steady(samples: Sequence[float]) -> bool:
    """Whether the medians of the last two blocks of samples agree."""
    if len(samples) < 2 * _BLOCK:
        return False
    before, last = median(samples[-2 * _BLOCK : -_BLOCK]), median(samples[-_BLOCK:])
    return abs(last - before) <= _STEADY_SHARE * before


def _round(call: Call, clock: Clock, metric: Metric, index: int, calls: int) -> Taken:
    if metric is Metric.THROUGHPUT:
        samples: tuple[float, ...] = (clock.back_to_back(call, calls),)
        return Taken(metric=metric, index=index, calls=calls, samples_s=samples, wall_s=None)
    timings = [clock.one(call) for _ in range(calls)]
    walls = tuple(timing.wall_s for timing in timings if timing.wall_s is not None)
    return Taken(
        metric=metric,
        index=index,
        calls=1,
        samples_s=tuple(timing.seconds for timing in timings),
        wall_s=walls or None,
    )


def _wall(timing: Timing) -> float:
    return timing.seconds if timing.wall_s is None else timing.wall_s


@contextmanager
def _collector_off() -> Iterator[None]:
    """Keeps the garbage collector out of what follows, so that it runs only where it is called.

    What exists already is set aside, or each of those calls would walk all of torch.
    """
    was_on = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()
