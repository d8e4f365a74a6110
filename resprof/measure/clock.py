"""Clocks: how long one call takes, many back to back, and the parts of one, in seconds.

The loop in ``rounds`` knows nothing else of time, so it runs on a scripted clock as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from resprof.model.environment import DeviceKind

Call = Callable[[], object]
"""One forward pass, or one training step."""

Mark = Callable[[], None]
"""Ends a tile where it is called and begins the next one."""

TiledCall = Callable[[Mark], object]
"""A call that marks the end of each of its tiles, the last one included."""

_NS = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """A call by the device's clock, and by the host's where that is another one.

    ``issue_s`` is how long the host was busy with the call before it could do something else.
    """

    seconds: float
    wall_s: float | None = None
    issue_s: float | None = None


class Clock(Protocol):
    """What the loop asks of a device; between its own two readings a clock does nothing else."""

    @property
    def kind(self) -> DeviceKind:
        """Which kind of figure comes of it."""

    def now(self) -> float:
        """Host time in seconds from any origin, for limits."""

    def one(self, call: Call) -> Timing:
        """Times one call with nothing else in flight, to the end of its work."""

    def back_to_back(self, call: Call, calls: int) -> float:
        """Times that many calls by the host's clock, waiting only for the last."""

    def tiled(self, call: TiledCall) -> tuple[float, ...]:
        """Times the tiles of one call with nothing else in flight; they add up to the call."""


class CpuClock:
    """The host's clock for work that is done when the call returns."""

    kind = DeviceKind.CPU

    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return time.perf_counter()

    def one(self, call: Call) -> Timing:
        """Times one call."""
        start = time.perf_counter_ns()
        call()
        end = time.perf_counter_ns()
        return Timing(seconds=(end - start) * _NS)

    def back_to_back(self, call: Call, calls: int) -> float:
        """Times that many calls."""
        turns = range(calls)
        start = time.perf_counter_ns()
        for _ in turns:
            call()
        end = time.perf_counter_ns()
        return (end - start) * _NS

    def tiled(self, call: TiledCall) -> tuple[float, ...]:
        """Times the tiles of one call."""
        times: list[int] = []
        read, keep = time.perf_counter_ns, times.append
        keep(read())
        call(lambda: keep(read()))
        return tuple((end - start) * _NS for start, end in pairwise(times))
