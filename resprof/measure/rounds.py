"""The measuring loop: first call, warm-up, rounds, energy; pure over a clock and calls.

NVML's counter moves every tenth of a second or so, and some devices look at their power for a part
of the time only (arXiv 2312.02741): a round is too short for it.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Protocol

from resprof.measure.clock import Call, Clock, TiledCall, Timing
from resprof.measure.nvml import between
from resprof.measure.run import Metric, Order, Plan, Round, Stop, TiledRound, WarmUp
from resprof.measure.run_file import Record
from resprof.measure.tiles import Tiled
from resprof.model.environment import DeviceKind, GpuReading
from resprof.stats.stopping import rounds_wanted, target_met

_BLOCK = 5
"""Calls per block of the warm-up: fewer make a poor median, more a long warm-up."""
_STEADY_SHARE = 0.02
"""Call times have settled when the medians of the last two blocks differ by at most this."""
_SHORTEST_S = 1e-5
"""No pass through a network is shorter: what a coarse clock calls 0 is taken to be this long."""


Instruments = Callable[[], AbstractContextManager[object]]
"""Puts in what a tiled call needs and takes it out again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The raw samples of one round, each of ``calls`` calls."""

    metric: Metric
    index: int
    calls: int
    samples_s: tuple[float, ...]
    wall_s: tuple[float, ...] | None
    issue_s: tuple[float, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenTiles:
    """The raw samples of one round of instrumented calls: the seconds of each call's tiles."""

    index: int
    samples_s: tuple[tuple[float, ...], ...]


class Sink(Protocol):
    """Where rounds go, one after another."""

    def begin(self) -> None:
        """Told right before a round is timed."""

    def keep(self, taken: Taken | TakenTiles, /) -> None:
        """Given a round right after it was timed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How the measurement went, beside its rounds."""

    first_call_s: float
    warm_up: WarmUp
    stop: Stop


def run_rounds(
    call: Call,
    clock: Clock,
    plan: Plan,
    sink: Sink,
    *,
    tiled: TiledCall | None = None,
    instruments: Instruments = nullcontext,
) -> Course:
    """Measures ``call`` by the plan, and ``tiled`` beside it; each round goes to ``sink`` at once.

    An index is one round of each metric and one of tiles. Even indices run forth and odd ones
    back, so that a drift weighs on clean and instrumented rounds alike. The first indices share
    out the time limit, six by default; then their scatter settles how many are taken in all, as
    far as the time allows. The limit holds from the end of the first call and is passed by one
    index at most. The first index is always taken in full. ``instruments`` are in place for
    instrumented rounds only.
    """
    with _collector_off():
        first = _wall(clock.one(call))
        # Not before it: a compiler may take longer than all that it is asked to speed up.
        deadline = clock.now() + plan.time_limit_s
        warm_up = _warm_up(call, clock, plan)
        if tiled is not None:
            with instruments():  # a first pass may make events
                clock.tiled(tiled)
        loop = _Loop(
            parts=_parts(call, clock, plan, tiled, instruments),
            clock=clock,
            plan=plan,
            sink=sink,
            deadline=deadline,
            call_s=median(warm_up.samples_s[-_BLOCK:]),
        )
        return Course(first_call_s=first, warm_up=warm_up, stop=loop.run())


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


_Part = Callable[[int, int], Taken | TakenTiles]
"""Times the round of an index, given how many calls it has."""


class _Loop:
    """Takes index after index, and remembers of each what settles how the next is taken."""

    def __init__(
        self,
        *,
        parts: Sequence[_Part],
        clock: Clock,
        plan: Plan,
        sink: Sink,
        deadline: float,
        call_s: float,
    ) -> None:
        self._parts = parts
        self._clock = clock
        self._plan = plan
        self._sink = sink
        self._deadline = deadline
        self._call_s = max(_SHORTEST_S, call_s)
        self._pilot = max(1, min(plan.least_rounds, plan.most_rounds))
        self._durations_s: list[float] = []
        self._series: dict[Metric, list[float]] = {metric: [] for metric in plan.metrics}

    def run(self) -> Stop:
        """Takes as many indices as the plan, their scatter and the time allow."""
        plan, wanted = self._plan, self._pilot
        while True:
            while len(self._durations_s) < wanted:
                if self._is_late():
                    return Stop.TIME_LIMIT
                self._take()
            if plan.target_ci is None:
                return Stop.ROUNDS_DONE
            series = tuple(self._series.values())
            if target_met(series, plan.target_ci):
                return Stop.TARGET_MET
            wanted = rounds_wanted(
                series, target=plan.target_ci, least=plan.least_rounds, most=plan.most_rounds
            )
            if wanted <= len(self._durations_s):
                return Stop.ROUNDS_DONE

    def _is_late(self) -> bool:
        """Whether the time is up or, once those that were promised are taken, too short."""
        now, taken = self._clock.now(), len(self._durations_s)
        if taken < self._pilot:
            return taken > 0 and now >= self._deadline
        return now + median(self._durations_s) > self._deadline

    def _take(self) -> None:
        index = len(self._durations_s)
        begun = self._clock.now()
        order = self._parts if index % 2 == 0 else self._parts[::-1]
        for done, part in enumerate(order):
            taken = self._round(part, index, done)
            if isinstance(taken, Taken):
                self._series[taken.metric].append(_value(taken))
        self._durations_s.append(self._clock.now() - begun)

    def _round(self, part: _Part, index: int, done: int) -> Taken | TakenTiles:
        """One round, as long as planned or as its share of the time that is left."""
        rounds_left = max(1, self._pilot - index) * len(self._parts) - done
        left = (self._deadline - self._clock.now()) / rounds_left
        wanted = max(self._plan.round_s / self._call_s, self._plan.round_calls)
        calls = max(1, int(min(wanted, left / self._call_s)))
        gc.collect()
        self._sink.begin()
        begun = self._clock.now()
        taken = part(index, calls)
        # From the round before, not from the warm-up alone: that may have been disturbed.
        self._call_s = max(_SHORTEST_S, (self._clock.now() - begun) / calls)
        self._sink.keep(taken)
        return taken


def _parts(
    call: Call, clock: Clock, plan: Plan, tiled: TiledCall | None, instruments: Instruments
) -> tuple[_Part, ...]:
    """What an index consists of: instrumented rounds stand next to the clean ones they resemble."""
    parts: list[_Part] = []
    if Metric.LATENCY in plan.metrics:
        parts.append(partial(_latency, clock, call))
    if tiled is not None:
        parts.append(partial(_tiles, clock, tiled, instruments))
    if Metric.THROUGHPUT in plan.metrics:
        parts.append(partial(_throughput, clock, call))
    return tuple(parts)


def _latency(clock: Clock, call: Call, index: int, calls: int) -> Taken:
    timings = [clock.one(call) for _ in range(calls)]
    walls = tuple(timing.wall_s for timing in timings if timing.wall_s is not None)
    issues = tuple(timing.issue_s for timing in timings if timing.issue_s is not None)
    return Taken(
        metric=Metric.LATENCY,
        index=index,
        calls=1,
        samples_s=tuple(timing.seconds for timing in timings),
        wall_s=walls or None,
        issue_s=issues or None,
    )


def _tiles(
    clock: Clock, tiled: TiledCall, instruments: Instruments, index: int, calls: int
) -> TakenTiles:
    with instruments():
        return TakenTiles(index=index, samples_s=tuple(clock.tiled(tiled) for _ in range(calls)))


def _throughput(clock: Clock, call: Call, index: int, calls: int) -> Taken:
    return Taken(
        metric=Metric.THROUGHPUT,
        index=index,
        calls=calls,
        samples_s=(clock.back_to_back(call, calls),),
        wall_s=None,
        issue_s=None,
    )


def _value(taken: Taken) -> float:
    """What a round counts as: the median of single calls, or the rate of many."""
    if taken.metric is Metric.LATENCY:
        return median(taken.samples_s)
    return taken.calls / max(_SHORTEST_S, sum(taken.samples_s))


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


Emit = Callable[[Record], None]


class RoundSink:
    """Takes rounds and emits records.

    ``call_s`` is how long a call took in the last round of calls back to back, as those are over
    which energy is read.
    """

    def __init__(
        self,
        order: Order,
        kind: DeviceKind,
        tiled: Tiled | None,
        read: Callable[[], GpuReading | None],
        emit: Emit,
    ) -> None:
        self.call_s = 0.0
        self._order = order
        self._kind = kind
        self._tiled = tiled
        self._read = read
        self._emit = emit
        self._before: GpuReading | None = None

    def begin(self) -> None:
        """A round is about to be timed."""
        self._before = self._read()

    def keep(self, taken: Taken | TakenTiles, /) -> None:
        """A round has been timed; the device is read first, before it goes idle."""
        telemetry = between(self._before, self._read())
        key, launch = self._order.workload.text, self._order.launch
        if isinstance(taken, Taken):
            if taken.metric is Metric.THROUGHPUT:
                self.call_s = sum(taken.samples_s) / (taken.calls * len(taken.samples_s))
            self._emit(
                Round(
                    key=key,
                    launch=launch,
                    device=self._kind,
                    metric=taken.metric,
                    index=taken.index,
                    calls=taken.calls,
                    samples_s=taken.samples_s,
                    wall_s=taken.wall_s,
                    issue_s=taken.issue_s,
                    telemetry=telemetry,
                )
            )
        elif self._tiled is not None:
            self._emit(
                TiledRound(
                    key=key,
                    launch=launch,
                    device=self._kind,
                    index=taken.index,
                    tiles=self._tiled.tiles,
                    samples_s=taken.samples_s,
                    telemetry=telemetry,
                )
            )


Read = Callable[[], GpuReading | None]


def over_calls(
    call: Call, clock: Clock, read: Read, *, call_s: float, window_s: float
) -> tuple[int, float, float] | None:
    """(calls, seconds, joules) of calls back to back for about ``window_s``; None if unknown."""
    calls = max(1, math.ceil(window_s / call_s))
    before = read()
    if before is None or before.energy_j is None:
        return None
    clock.back_to_back(call, calls)
    return _between(before, read(), calls)


def idle(read: Read, *, window_s: float) -> tuple[int, float, float] | None:
    """The same of a device that has nothing to do."""
    before = read()
    if before is None or before.energy_j is None:
        return None
    time.sleep(window_s)
    return _between(before, read(), 0)


def _between(
    before: GpuReading, after: GpuReading | None, calls: int
) -> tuple[int, float, float] | None:
    if after is None or after.energy_j is None or before.energy_j is None:
        return None
    joules = after.energy_j - before.energy_j
    # A counter that falls was set back: by a driver that was loaded anew, for example.
    return (calls, after.at_s - before.at_s, joules) if joules >= 0 else None
