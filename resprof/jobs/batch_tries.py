"""Batch sizes tried on a CUDA device, each in a process of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from resprof.errors import EnvironmentMissing, NotMeasured
from resprof.jobs.device_steps import prepare_process, run_on_device
from resprof.measure.memory_history import DeviceMemory, Usage, run_in_child
from resprof.records.codec import to_plain
from resprof.records.decode import from_plain
from resprof.records.environment import Environment
from resprof.records.recipe import Workload
from resprof.records.validation import BatchTry

LIMIT_S = 120.0
"""What one try may take: ten seconds as a rule, most of it to load libraries."""
_NO_ALGORITHM = "unable to find an engine"
"""What torch says after none of cuDNN's algorithms ran, be it for want of memory (pytorch#108645)
or because there is none."""
_NO_HANDLE = "CUBLAS_STATUS_NOT_INITIALIZED"
"""What torch says where cuBLAS could not be set up, which is mostly for want of memory."""
_NEARLY_FULL = 512 * 2**20
"""Far more than a handle and its workspace take: with that much free, memory is not why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLook:
    """The device before anything runs; ``in_use_bytes`` are other processes', None if unknown."""

    environment: Environment
    total_bytes: int
    in_use_bytes: int | None


class Device(Protocol):
    """Where batch sizes are tried."""

    def look(self) -> DeviceLook:
        """How the device stands. Raises ``EnvironmentMissing`` where there is none."""

    def run(self, workload: Workload) -> BatchTry:
        """Setup and two steps. Raises ``NotMeasured`` for any end but the two that are asked."""


class CudaDevice:
    """The current CUDA device, with a new process for each question."""

    def look(self) -> DeviceLook:
        """How the device stands, which takes two processes at once."""
        text = run_in_child(f"{__name__}:{look_around.__name__}", None, limit_s=LIMIT_S)
        return from_plain(DeviceLook, json.loads(text))

    def run(self, workload: Workload) -> BatchTry:
        """Setup and two steps."""
        task = f"{__name__}:{try_batch.__name__}"
        text = run_in_child(task, to_plain(workload), limit_s=LIMIT_S)
        return from_plain(BatchTry, json.loads(text))


def free_beside() -> int | None:
    """What is free on the device in the eyes of one more process; None where it cannot run."""
    task = f"{__name__}:{free_bytes.__name__}"
    try:
        return int(run_in_child(task, None, limit_s=LIMIT_S))
    except (NotMeasured, EnvironmentMissing):  # a device may be set to take one process only
        return None


def free_bytes(argument: Any, memory: DeviceMemory) -> str:  # noqa: ARG001
    """A child's task: what is free with a context of its own on the device."""
    return str(memory.usage().free)


def look_around(
    argument: Any,  # noqa: ARG001
    memory: DeviceMemory,
    beside: Callable[[], int | None] = free_beside,
) -> str:
    """A child's task: returns a ``DeviceLook`` as JSON.

    CUDA tells nothing before a process has its context, and of what is in use then not how much
    the context takes. The context of a second process takes as much, and that can be seen.
    """
    own = memory.usage()
    free = beside()
    context = None if free is None else own.free - free
    look = DeviceLook(
        environment=memory.environment(),
        total_bytes=own.total,
        in_use_bytes=None if context is None else max(own.total - own.free - context, 0),
    )
    return json.dumps(to_plain(look))


def try_batch(argument: Any, memory: DeviceMemory) -> str:
    """A child's task: ``argument`` is a workload as JSON has it; returns a ``BatchTry`` as JSON."""
    from resprof.steps.watch import Watch

    workload = from_plain(Workload, argument)
    prepare_process(workload.recipe)
    start = memory.usage()
    begun = time.perf_counter()
    error = None
    try:
        run_on_device(workload, memory, Watch())
    except (RuntimeError, MemoryError) as raised:
        if not _ran_out(raised, memory.usage()):
            raise
        error = (str(raised).strip().splitlines() or [type(raised).__name__])[0]
    end = memory.usage()
    tried = BatchTry(
        batch=workload.recipe.batch,
        fits=error is None,
        error=error,
        seconds=time.perf_counter() - begun,
        peak_allocated_bytes=end.peak_allocated,
        peak_reserved_bytes=end.peak_reserved,
        start_bytes=start.total - start.free,
        context_bytes=end.total - end.free - end.reserved,
        retries=end.retries,
    )
    return json.dumps(to_plain(tried))


def _ran_out(error: BaseException, usage: Usage) -> bool:
    from resprof.measure.device import is_out_of_memory

    text = str(error)
    if is_out_of_memory(error):
        return True
    # Only near the end of memory is it the likelier reason.
    no_room = usage.retries > 0 or usage.free < _NEARLY_FULL
    return (_NO_ALGORITHM in text and usage.retries > 0) or (_NO_HANDLE in text and no_room)
