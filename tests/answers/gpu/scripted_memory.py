"""A CUDA device for tests of what runs in child processes: the CPU, with scripted figures."""

from __future__ import annotations

from dataclasses import replace

import torch

from resprof.measure.host import machine_environment
from resprof.measure.memory_history import Usage
from resprof.memory.allocator import Levels
from resprof.memory.history import HistoryAction, HistoryEvent
from resprof.model.environment import Environment, Gpu

TOTAL = 80 * 2**30
GPU = Gpu(name="NVIDIA Test", uuid=None, capability="9.0", memory_bytes=TOTAL, driver="1.2")


class ScriptedMemory:
    """A device that is the CPU, with a history of one event more at each look."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self._looks = 0
        self.recording = False

    def environment(self) -> Environment:
        return replace(machine_environment(), gpu=GPU)

    def record(self) -> None:
        self.recording = True

    def events(self) -> tuple[HistoryEvent, ...]:
        assert self.recording
        self._looks += 1
        return tuple(
            HistoryEvent(action=HistoryAction.ALLOC, address=address, bytes=2, operator="")
            for address in range(1, self._looks + 1)
        )

    def usage(self) -> Usage:
        return Usage(
            peak=Levels(requested_bytes=1, allocated_bytes=2, reserved_bytes=7),
            reserved=5,
            retries=0,
            total=100,
            free=60,
        )

    def requested(self) -> int:
        raise NotImplementedError

    def peak_requested(self) -> int:
        raise NotImplementedError

    def reset_peak(self) -> None:
        raise NotImplementedError
