"""A GPU that takes what the documented defaults say, by the model of the allocator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from resprof.answers.gpu import largest_batch, validate_cuda
from resprof.answers.gpu.largest_batch import DeviceLook
from resprof.answers.gpu.validation import BatchTry
from resprof.answers.memory.traces import trace_workload
from resprof.errors import NotMeasured
from resprof.measure.host import machine_environment
from resprof.memory.history import MemoryHistory
from resprof.memory.overlay import CONTEXT, default_overlay, overlaid
from resprof.memory.replay import Stream, flatten, replay
from resprof.model.networks import resolve
from resprof.model.recipe import Recipe, Workload
from tests.answers.gpu.scripted_memory import GPU, TOTAL
from tests.memory import memory_histories
from tests.memory.memory_histories import peak_of, recorded

if TYPE_CHECKING:
    import pytest

BARE_CONTEXT = CONTEXT // 2


class ModelDevice:
    """``total`` and ``in_use`` in bytes: the device's memory and what other processes have of it.

    What is in use is told unless ``secret``.
    """

    def __init__(self, total: int = 2**30, *, in_use: int = 0, secret: bool = False) -> None:
        self.total = total
        self.in_use = in_use
        self.secret = secret
        self.batches: list[int] = []
        self._streams: dict[Recipe, Stream] = {}

    def look(self) -> DeviceLook:
        return DeviceLook(
            environment=replace(machine_environment(), gpu=GPU),
            total_bytes=self.total,
            in_use_bytes=None if self.secret else self.in_use,
        )

    def run(self, workload: Workload) -> BatchTry:
        batch = workload.recipe.batch
        self.batches.append(batch)
        capacity = self.total - CONTEXT - self.in_use
        replayed = replay(self._stream(workload), batch, capacity_bytes=capacity)
        return BatchTry(
            batch=batch,
            fits=replayed.shortage is None,
            error=None if replayed.shortage is None else "CUDA out of memory",
            seconds=1.0,
            peak_allocated_bytes=replayed.peak.allocated_bytes,
            peak_reserved_bytes=replayed.peak.reserved_bytes,
            start_bytes=self.in_use + BARE_CONTEXT,
            context_bytes=self.in_use + CONTEXT,
            retries=replayed.retries,
        )

    def _stream(self, workload: Workload) -> Stream:
        recipe = replace(workload.recipe, batch=2)
        if recipe not in self._streams:
            trace = trace_workload(resolve(workload.model), recipe)
            self._streams[recipe] = flatten(overlaid(trace, default_overlay((9, 0))))
        return self._streams[recipe]


def scripted(workload: Workload) -> MemoryHistory:
    """What a GPU would record that takes exactly what the documented defaults say."""
    architecture, recipe = resolve(workload.model), workload.recipe
    trace = overlaid(trace_workload(architecture, recipe), default_overlay((9, 0)))
    events, starts = recorded(trace, recipe.batch)
    return MemoryHistory(
        workload=workload,
        environment=replace(machine_environment(), gpu=GPU),
        total_bytes=TOTAL,
        context_bytes=memory_histories.CONTEXT,
        peak=peak_of(events),
        retries=0,
        step_starts=starts,
        events=events,
    )


def taking_more(share: float) -> Any:
    def record(workload: Workload) -> MemoryHistory:
        history = scripted(workload)
        peak = history.peak
        allocated = round(peak.allocated_bytes * (1 + share))
        return replace(history, peak=replace(peak, allocated_bytes=allocated))

    return record


def out_of_memory(_: Workload) -> MemoryHistory:
    raise NotMeasured("the GPU ran out of memory", hint="choose a smaller batch")


def put_in_place(
    patch: pytest.MonkeyPatch, device: ModelDevice, record: Callable[[Workload], MemoryHistory]
) -> None:
    """Lets commands find that device and that history."""
    patch.setattr(largest_batch, "CudaDevice", lambda: device)
    patch.setattr(validate_cuda, "record_history", record)
