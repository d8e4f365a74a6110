"""The clock of a CUDA device: events on its current stream, the host's clock beside them."""

from __future__ import annotations

import time
from itertools import cycle, pairwise

import torch

from resprof.measure.clock import Call, TiledCall, Timing
from resprof.model.environment import DeviceKind

_MS = 1e-3
_NS = 1e-9
_IN_FLIGHT = 8
"""How many calls the host may run ahead: enough that the device never waits for it, few enough
that what is queued does not grow with the round."""


class CudaClock:
    """Times work on one device. Events resolve about half a microsecond."""

    kind = DeviceKind.CUDA

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._start, self._end = self._event(), self._event()
        self._queue = [self._event(timing=False) for _ in range(_IN_FLIGHT)]
        self._boundaries: list[torch.cuda.Event] = []

    def now(self) -> float:
        """Seconds of the host's monotonic clock."""
        return time.perf_counter()

    def one(self, call: Call) -> Timing:
        """Times one call between two events; the wall time ends when the host sees the second."""
        stream = torch.cuda.current_stream(self._device)
        torch.cuda.synchronize(self._device)
        start = time.perf_counter_ns()
        self._start.record(stream)
        call()
        self._end.record(stream)
        issued = time.perf_counter_ns()
        self._end.synchronize()
        end = time.perf_counter_ns()
        return Timing(
            seconds=self._start.elapsed_time(self._end) * _MS,
            wall_s=(end - start) * _NS,
            issue_s=(issued - start) * _NS,
        )

    def back_to_back(self, call: Call, calls: int) -> float:
        """Issues the calls with a bounded number of them in flight."""
        stream = torch.cuda.current_stream(self._device)
        slots = cycle(self._queue)
        turns = range(calls)
        torch.cuda.synchronize(self._device)
        start = time.perf_counter_ns()
        for _ in turns:
            done = next(slots)
            done.synchronize()  # of the call that used the slot before; at once for a fresh event
            call()
            done.record(stream)
        torch.cuda.synchronize(self._device)
        end = time.perf_counter_ns()
        return (end - start) * _NS

    def tiled(self, call: TiledCall) -> tuple[float, ...]:
        """Times the tiles of one call between events, which are read when all is done."""
        stream = torch.cuda.current_stream(self._device)
        used = 0

        def mark() -> None:
            nonlocal used
            if used == len(self._boundaries):  # in the first call only, which is not timed
                self._boundaries.append(self._event())
            self._boundaries[used].record(stream)
            used += 1

        torch.cuda.synchronize(self._device)
        mark()
        call(mark)
        torch.cuda.synchronize(self._device)
        events = self._boundaries[:used]
        return tuple(first.elapsed_time(second) * _MS for first, second in pairwise(events))

    def _event(self, *, timing: bool = True) -> torch.cuda.Event:
        with torch.cuda.device(self._device):
            return torch.cuda.Event(enable_timing=timing)  # type: ignore[no-untyped-call]
