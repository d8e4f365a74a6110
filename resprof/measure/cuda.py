"""The clock of a CUDA device: events on its current stream, the host's clock beside them."""

from __future__ import annotations

import time

import torch

from resprof.measure.clock import Call, Timing
from resprof.records.environment import DeviceKind

_MS = 1e-3
_NS = 1e-9


class CudaClock:
    """Times work on one device. Events resolve about half a microsecond."""

    kind = DeviceKind.CUDA

    def __init__(self, device: torch.device) -> None:
        self._device = device
        with torch.cuda.device(device):
            self._start = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            self._end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]

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
        self._end.synchronize()
        end = time.perf_counter_ns()
        return Timing(seconds=self._start.elapsed_time(self._end) * _MS, wall_s=(end - start) * _NS)

    def back_to_back(self, call: Call, calls: int) -> float:
        """Issues the calls without waiting for them.

        How far the host runs ahead is bounded by the driver's queue, about a thousand launches.
        """
        turns = range(calls)
        torch.cuda.synchronize(self._device)
        start = time.perf_counter_ns()
        for _ in turns:
            call()
        torch.cuda.synchronize(self._device)
        end = time.perf_counter_ns()
        return (end - start) * _NS
