"""The measuring loop on a clock on which only scripted time passes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from itertools import islice
from unittest.mock import patch

from resprof.measure.clock import Call, TiledCall, Timing
from resprof.measure.rounds import Course, Taken, TakenTiles, run_rounds
from resprof.measure.run import Metric, Plan
from resprof.model.environment import DeviceKind


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


class Kept:
    """Keeps rounds, in the order in which they came."""

    def __init__(self) -> None:
        self.begun = 0
        self.rounds: list[Taken | TakenTiles] = []

    def begin(self) -> None:
        self.begun += 1

    def keep(self, taken: Taken | TakenTiles, /) -> None:
        self.rounds.append(taken)

    def of(self, metric: Metric) -> list[Taken]:
        return [each for each in self.rounds if isinstance(each, Taken) and each.metric is metric]

    def tiles(self) -> list[TakenTiles]:
        return [each for each in self.rounds if isinstance(each, TakenTiles)]


def _nothing() -> None:
    pass


def run(
    durations: Iterator[float],
    plan: Plan,
    *,
    call: Call = _nothing,
    tiled: TiledCall | None = None,
) -> tuple[Course, Kept]:
    """The loop's account of itself, and the rounds it took."""
    kept = Kept()
    # No time is measured here, and collecting would take most of it.
    with patch.object(gc, "collect", new=lambda: 0):
        course = run_rounds(call, ScriptedClock(durations), plan, kept, tiled=tiled)
    return course, kept
