"""The measuring loop: first call, warm-up, rounds, energy; pure over a clock and calls.

NVML's counter moves every tenth of a second or so, and some devices look at their power for a part
of the time only (arXiv 2312.02741): a round is too short for it.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from statistics import median
from typing import Protocol, TypeVar

from resprof.measure.clock import Call, Clock, Mark, Timing
from resprof.measure.nvml import between
from resprof.measure.run import (
    EnergyWindow,
    Metric,
    Order,
    Plan,
    Round,
    Stop,
    Tile,
    TiledRound,
    WarmUp,
)
from resprof.measure.run_file import Record
from resprof.model.environment import GpuReading, RoundTelemetry
from resprof.stats.stopping import rounds_wanted, target_met

T = TypeVar("T")

_BLOCK = 5
"""Calls per block of the warm-up: fewer make a poor median, more a long warm-up."""
_STEADY_SHARE = 0.02
"""Call times have settled when the medians of the last two blocks differ by at most this."""
_SHORTEST_S = 1e-5
"""No pass through a network is shorter: what a coarse clock calls 0 is taken to be this long."""


Read = Callable[[], GpuReading | None]
"""Reads the device's telemetry; None where there is none."""
Emit = Callable[[Record], None]
"""Takes a record as soon as it is there."""


class InstrumentedCall(Protocol):
    """A call that marks the end of each of its tiles while its instruments are installed."""

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The tiles of the last call, in their order."""

    def __call__(self, mark: Mark, /) -> object:
        """Runs the call; ``mark`` is called at the end of each tile."""

    def installed(self) -> AbstractContextManager[object]:
        """Puts the instruments in, and takes them out again."""


def run_rounds(
    call: Call,
    clock: Clock,
    order: Order,
    emit: Emit,
    *,
    read: Read,
    instrumented: InstrumentedCall | None = None,
) -> tuple[float, WarmUp, Stop]:
    """Measures ``call`` by the order's plan, and ``instrumented`` beside it.

    Returns the seconds of the first call, the warm-up, and why no further round was taken. Each
    round goes to ``emit`` at once; so do the windows of energy, of the idle device before and of
    calls back to back after the rounds.

    An index is one round of each metric and one of tiles. Even indices run forth and odd ones
    back, so that a drift weighs on clean and instrumented rounds alike. The first indices share
    out the time limit, six by default; then their scatter settles how many are taken in all, as
    far as the time allows. The limit holds from the end of the first call and is passed by one
    index at most. The first index is always taken in full. Instruments are in place for
    instrumented rounds only.
    """
    plan = order.plan
    if plan.energy_s and order.idle:
        _emit_known(emit, energy_window(lambda: time.sleep(plan.energy_s), order, read, calls=0))
    with _collector_off():
        first = _wall(clock.one(call))
        # Not before it: a compiler may take longer than all that it is asked to speed up.
        deadline = clock.now() + plan.time_limit_s
        warm_up = _warm_up(call, clock, plan)
        if instrumented is not None:
            with instrumented.installed():  # a first pass may make events
                clock.tiled(instrumented)
        loop = _Loop(
            call=call,
            instrumented=instrumented,
            clock=clock,
            order=order,
            read=read,
            emit=emit,
            deadline=deadline,
            call_s=median(warm_up.samples_s[-_BLOCK:]),
        )
        stop = loop.run()
    if plan.energy_s and loop.back_to_back_s:
        calls = max(1, math.ceil(plan.energy_s / loop.back_to_back_s))
        _emit_known(
            emit,
            energy_window(lambda: clock.back_to_back(call, calls), order, read, calls=calls),
        )
    return first, warm_up, stop


def energy_window(
    work: Callable[[], object], order: Order, read: Read, *, calls: int
) -> EnergyWindow | None:
    """The energy that the device takes for ``work``, of that many calls; None if unknown."""
    before = read()
    if before is None or before.energy_j is None:
        return None
    work()
    telemetry = between(before, read())
    if telemetry is None or telemetry.energy_j is None:
        return None
    return EnergyWindow(
        key=order.workload.text,
        launch=order.launch,
        calls=calls,
        seconds=telemetry.seconds,
        energy_j=telemetry.energy_j,
    )


def _emit_known(emit: Emit, window: EnergyWindow | None) -> None:
    if window is not None:
        emit(window)


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


class _Loop:
    """Takes index after index, and remembers of each what settles how the next is taken.

    ``back_to_back_s`` is how long a call took in the last round of calls back to back, as those
    are over which energy is read; 0 without any.
    """

    def __init__(
        self,
        *,
        call: Call,
        instrumented: InstrumentedCall | None,
        clock: Clock,
        order: Order,
        read: Read,
        emit: Emit,
        deadline: float,
        call_s: float,
    ) -> None:
        self.back_to_back_s = 0.0
        self._call = call
        self._clock = clock
        self._order = order
        self._plan = order.plan
        self._read = read
        self._emit = emit
        self._deadline = deadline
        self._call_s = max(_SHORTEST_S, call_s)
        self._pilot = max(1, min(self._plan.least_rounds, self._plan.most_rounds))
        self._durations_s: list[float] = []
        self._series: dict[Metric, list[float]] = {metric: [] for metric in self._plan.metrics}
        # Instrumented rounds stand next to the clean ones that they resemble.
        self._kinds_of_round: list[Callable[[int, int], Round | TiledRound]] = []
        if Metric.LATENCY in self._plan.metrics:
            self._kinds_of_round.append(self._latency)
        if instrumented is not None:
            self._kinds_of_round.append(partial(self._tiles, instrumented))
        if Metric.THROUGHPUT in self._plan.metrics:
            self._kinds_of_round.append(self._throughput)

    def run(self) -> Stop:
        """Takes as many indices as the plan, their scatter and the time allow."""
        plan, wanted = self._plan, self._pilot
        while True:
            while len(self._durations_s) < wanted:
                if self._is_late():
                    return Stop.TIME_LIMIT
                self._take_index()
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

    def _take_index(self) -> None:
        index = len(self._durations_s)
        begun = self._clock.now()
        order = self._kinds_of_round if index % 2 == 0 else self._kinds_of_round[::-1]
        for done, take_round in enumerate(order):
            self._emit(take_round(index, self._calls(index, done)))
        self._durations_s.append(self._clock.now() - begun)

    def _calls(self, index: int, done: int) -> int:
        """Calls of the next round: as planned, or what its share of the time left allows."""
        rounds_left = max(1, self._pilot - index) * len(self._kinds_of_round) - done
        left = (self._deadline - self._clock.now()) / rounds_left
        wanted = max(self._plan.round_s / self._call_s, self._plan.round_calls)
        return max(1, int(min(wanted, left / self._call_s)))

    def _timed(self, take: Callable[[], T], calls: int) -> tuple[T, RoundTelemetry | None]:
        """What ``take`` returns; the device is read right before, and after before it goes idle."""
        gc.collect()
        before = self._read()
        begun = self._clock.now()
        samples = take()
        # From the round before, not from the warm-up alone: that may have been disturbed.
        self._call_s = max(_SHORTEST_S, (self._clock.now() - begun) / calls)
        return samples, between(before, self._read())

    def _latency(self, index: int, calls: int) -> Round:
        timings, telemetry = self._timed(
            lambda: [self._clock.one(self._call) for _ in range(calls)], calls
        )
        samples = tuple(timing.seconds for timing in timings)
        self._series[Metric.LATENCY].append(median(samples))
        return Round(
            key=self._order.workload.text,
            launch=self._order.launch,
            device=self._clock.kind,
            metric=Metric.LATENCY,
            index=index,
            calls=1,
            samples_s=samples,
            wall_s=tuple(each.wall_s for each in timings if each.wall_s is not None) or None,
            issue_s=tuple(each.issue_s for each in timings if each.issue_s is not None) or None,
            telemetry=telemetry,
        )

    def _throughput(self, index: int, calls: int) -> Round:
        seconds, telemetry = self._timed(lambda: self._clock.back_to_back(self._call, calls), calls)
        self._series[Metric.THROUGHPUT].append(calls / max(_SHORTEST_S, seconds))
        self.back_to_back_s = seconds / calls
        return Round(
            key=self._order.workload.text,
            launch=self._order.launch,
            device=self._clock.kind,
            metric=Metric.THROUGHPUT,
            index=index,
            calls=calls,
            samples_s=(seconds,),
            telemetry=telemetry,
        )

    def _tiles(self, instrumented: InstrumentedCall, index: int, calls: int) -> TiledRound:
        def take() -> tuple[tuple[float, ...], ...]:
            with instrumented.installed():
                return tuple(self._clock.tiled(instrumented) for _ in range(calls))

        samples, telemetry = self._timed(take, calls)
        return TiledRound(
            key=self._order.workload.text,
            launch=self._order.launch,
            device=self._clock.kind,
            index=index,
            tiles=instrumented.tiles,
            samples_s=samples,
            telemetry=telemetry,
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
