"""The memory of a CUDA device as its allocator tells it, asked in a process of its own.

A process that ran something before would start with its segments, handles and kernels. Only
``CudaMemory`` touches CUDA; the parent's side loads no torch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from resprof.errors import EnvironmentMissing, NotMeasured
from resprof.measure.host import machine_environment
from resprof.measure.worker import Emit, ask_worker, named
from resprof.memory.allocator import Levels
from resprof.memory.history import HistoryAction, HistoryEvent
from resprof.model.environment import DeviceKind, Environment

if TYPE_CHECKING:
    import torch


DEVICE = f"{__name__}:CudaMemory"
"""What opens the device in the child."""
_OPERATOR = re.compile(r"\bat::_ops::(\w+)::(?:call|redispatch)\b")
_ONLY_MAKE_ROOM = ("empty", "clone", "contiguous", "resize")
"""Operators that others call for memory; who called them says more."""
_ACTIONS = {action.value: action for action in HistoryAction}
_NOT_INHERITED = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
"""Predictions are for the allocator's default settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Bytes: the allocator's peaks since it began, its segments now, the device's total and free.

    ``retries`` counts how often everything cached was given back to make room.
    """

    peak: Levels
    reserved: int
    retries: int
    total: int
    free: int


class DeviceMemory(Protocol):
    """What a task asks of a device."""

    @property
    def device(self) -> torch.device:
        """Where tensors are to be made."""

    def environment(self) -> Environment:
        """The machine, torch and the device."""

    def record(self) -> None:
        """From here on the allocator's actions are kept."""

    def events(self) -> tuple[HistoryEvent, ...]:
        """What has been kept so far."""

    def usage(self) -> Usage:
        """Where things stand when all work is done."""

    def requested(self) -> int:
        """Bytes that are asked for now."""

    def peak_requested(self) -> int:
        """The most since ``reset_peak``."""

    def reset_peak(self) -> None:
        """Lets the peaks start from now."""


Task = Callable[[Any, DeviceMemory], str]
"""What a child runs: takes the order's argument, returns a text."""


class CudaMemory:
    """The current CUDA device. Raises ``EnvironmentMissing`` where there is none."""

    def __init__(self) -> None:
        import torch

        if not torch.cuda.is_available():
            raise EnvironmentMissing(
                "torch sees no CUDA device here",
                hint="run it on a machine with an NVIDIA GPU and a CUDA build of torch",
            )
        self._cuda = torch.cuda
        self.device = torch.device("cuda", torch.cuda.current_device())

    def environment(self) -> Environment:
        """The machine, torch and the device."""
        from resprof.measure.device import gpu, torch_build

        return replace(machine_environment(), torch=torch_build(), gpu=gpu(DeviceKind.CUDA))

    def record(self) -> None:
        """Keeps all actions, with the stack of each allocation."""
        self._cuda.memory._record_memory_history("all", context="alloc", stacks="all")

    def events(self) -> tuple[HistoryEvent, ...]:
        """The actions so far; names of stack frames are looked up here, which takes time."""
        traces = self._cuda.memory._snapshot()["device_traces"]
        return reduced(traces[self.device.index])

    def usage(self) -> Usage:
        """Where things stand when all work is done."""
        self._cuda.synchronize(self.device)
        stats = self._cuda.memory_stats(self.device)
        free, total = self._cuda.mem_get_info(self.device)
        return Usage(
            peak=Levels(
                requested_bytes=stats["requested_bytes.all.peak"],
                allocated_bytes=self._cuda.max_memory_allocated(self.device),
                reserved_bytes=self._cuda.max_memory_reserved(self.device),
            ),
            reserved=self._cuda.memory_reserved(self.device),
            retries=stats["num_alloc_retries"],
            total=total,
            free=free,
        )

    def requested(self) -> int:
        """Bytes that are asked for now."""
        return int(self._cuda.memory_stats(self.device).get("requested_bytes.all.current", 0))

    def peak_requested(self) -> int:
        """The most since ``reset_peak``."""
        return int(self._cuda.memory_stats(self.device).get("requested_bytes.all.peak", 0))

    def reset_peak(self) -> None:
        """Lets the peaks start from now."""
        self._cuda.reset_peak_memory_stats(self.device)


def reduced(entries: Iterable[Mapping[str, Any]]) -> tuple[HistoryEvent, ...]:
    """A device's trace in a snapshot of torch as plain events, without actions of other kinds."""
    return tuple(
        HistoryEvent(
            action=_ACTIONS[entry["action"]],
            address=entry.get("addr", 0),
            bytes=entry["size"],
            operator=operator_of([frame["name"] for frame in entry.get("frames", ())])
            if entry["action"] == HistoryAction.ALLOC
            else "",
        )
        for entry in entries
        if entry["action"] in _ACTIONS
    )


def operator_of(frames: Sequence[str]) -> str:
    """The innermost operator of a stack of function names, the innermost first.

    Operators that only make room are passed over where another one called them. Overloads are
    part of the name here: ``aten.add_Tensor``.
    """
    names = [found[1] for frame in frames if (found := _OPERATOR.search(frame))]
    telling = (name for name in names if not name.lstrip("_").startswith(_ONLY_MAKE_ROOM))
    name = next(telling, names[0] if names else "")
    return name and f"aten.{name}"


def run_in_child(task: str, argument: object, *, limit_s: float) -> str:
    """Runs ``module:function`` in a process of its own on the CUDA device; returns its text.

    ``argument`` arrives there as what JSON knows. Raises ``EnvironmentMissing`` without a device,
    ``NotMeasured`` where memory runs out, the process dies or takes longer than ``limit_s``.
    """
    known = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    return ask_worker(
        f"{__name__}:{run_task.__name__}",
        {"device": DEVICE, "task": task, "argument": argument},
        name="the measuring process",
        limit_s=limit_s,
        # Names from the dynamic symbol table do, and need no debug information.
        environ=known | {"TORCH_SYMBOLIZE_MODE": "dladdr"},
    )


def run_task(order: dict[str, Any], emit: Emit) -> None:
    """Opens the device, runs the task that the order names on it and emits its text."""
    try:
        memory: DeviceMemory = named(order["device"])()
        task: Task = named(order["task"])
        emit(task(order["argument"], memory))
    except (RuntimeError, MemoryError) as error:
        from resprof.measure.device import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        raise NotMeasured("the GPU ran out of memory", hint="choose a smaller batch") from None
