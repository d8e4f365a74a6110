"""Clocks: how long one call takes, and how long many take back to back, in seconds.

The loop in ``rounds`` knows nothing else of time, so it runs on a scripted clock as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from resprof.records.environment import DeviceKind

Call = Callable[[], object]
"""One forward pass, or one training step."""

_NS = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """A call by the device's clock, and by the host's where that is another one."""

    seconds: float
    wall_s: float | None = None


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
