"""The measuring loop on a clock on which only scripted time passes."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from unittest.mock import patch

from resprof.measure.clock import Call, Clock, Mark, TiledCall, Timing
from resprof.measure.rounds import InstrumentedCall, run_rounds
from resprof.measure.run import Metric, Order, Plan, Round, Stop, Tile, TiledRound, WarmUp
from resprof.measure.run_file import Record
from resprof.model.environment import DeviceKind
from resprof.model.recipe import Phase
from tests.factories import of


class ScriptedClock:
    """Time passes only while a call, or a tile of one, is timed: by as much as the script says."""

    kind = DeviceKind.CPU

    def __init__(self, durations: Iterator[float]) -> None:
        self._durations = durations
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def one(self, call: Call) -> Timing:
        call()
        return Timing(seconds=self._passed(1))

    def back_to_back(self, call: Call, calls: int) -> float:
        for _ in range(calls):
            call()
        return self._passed(calls)

    def tiled(self, call: TiledCall) -> tuple[float, ...]:
        tiles: list[float] = []
        call(lambda: tiles.append(self._passed(1)))
        return tuple(tiles)

    def _passed(self, calls: int) -> float:
        seconds = sum(islice(self._durations, calls))
        self._now += seconds
        return seconds


class ScriptedTiles:
    """An instrumented call of one function, which marks its tiles itself."""

    def __init__(
        self,
        function: Callable[[Mark], object],
        installed: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._function = function
        self.installed = installed
        self.tiles: tuple[Tile, ...] = ()

    def __call__(self, mark: Mark, /) -> None:
        ended: list[Tile] = []

        def marked() -> None:
            mark()
            ended.append(Tile(phase=Phase.FORWARD, stage=str(len(ended))))

        self._function(marked)
        self.tiles = tuple(ended)


class Kept:
    """Keeps rounds, in the order in which they came."""

    def __init__(self) -> None:
        self.readings = 0
        self.rounds: list[Round | TiledRound] = []

    def read(self) -> None:
        self.readings += 1

    def emit(self, record: Record) -> None:
        assert isinstance(record, (Round, TiledRound))
        self.rounds.append(record)

    def of(self, metric: Metric) -> list[Round]:
        return [each for each in self.rounds if isinstance(each, Round) and each.metric is metric]

    def tiles(self) -> list[TiledRound]:
        return [each for each in self.rounds if isinstance(each, TiledRound)]


def order_of(plan: Plan) -> Order:
    """An order of that plan, without energy."""
    return Order(workload=of(1), subject="", device="cpu", plan=replace(plan, energy_s=0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How the loop went, beside its rounds."""

    first_call_s: float
    warm_up: WarmUp
    stop: Stop


def run_on(
    clock: Clock,
    plan: Plan,
    kept: Kept,
    *,
    call: Call = lambda: None,
    tiled: InstrumentedCall | None = None,
) -> Course:
    """The loop's account of itself."""
    first, warm_up, stop = run_rounds(
        call, clock, order_of(plan), kept.emit, read=kept.read, instrumented=tiled
    )
    return Course(first_call_s=first, warm_up=warm_up, stop=stop)


def run(
    durations: Iterator[float],
    plan: Plan,
    *,
    call: Call = lambda: None,
    tiled: Callable[[Mark], object] | None = None,
) -> tuple[Course, Kept]:
    """The loop's account of itself, and the rounds it took."""
    kept = Kept()
    instrumented = None if tiled is None else ScriptedTiles(tiled)
    # No time is measured here, and collecting would take most of it.
    with patch.object(gc, "collect", new=lambda: 0):
        course = run_on(ScriptedClock(durations), plan, kept, call=call, tiled=instrumented)
    return course, kept
