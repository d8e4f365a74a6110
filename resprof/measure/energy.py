"""Energy by the device's counter, over windows that are long against its updates.

NVML's counter moves every tenth of a second or so, and some devices look at their power for a part
of the time only (arXiv 2312.02741): a round is too short for it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from resprof.measure.clock import Call, Clock
from resprof.records.telemetry import GpuReading

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
