"""Memory of one call: what autograd keeps, the largest live set, the peaks.

Nothing here runs inside a timed region.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from resprof.measure.environment import first_match
from resprof.measure.subject import Work
from resprof.records.run import MemoryUse, StageMemory

LOSS = "loss"
"""What the loss keeps belongs to no row of Table 1."""

Stages = Mapping[str, tuple[nn.Module, ...]]


class _Place:
    """Which stage runs: the last one entered."""

    def __init__(self, stage: str) -> None:
        self.stage = stage


@contextmanager
def _followed(model: nn.Module, stages: Stages) -> Iterator[_Place]:
    """Follows a forward pass through the stages, by hooks that are gone afterwards."""
    place = _Place(next(iter(stages)))

    def entering(stage: str) -> Callable[..., None]:
        def enter(*_: object) -> None:
            place.stage = stage

        return enter

    handles = [model.register_forward_hook(entering(LOSS))]
    try:
        for stage, modules in stages.items():
            handles += [module.register_forward_pre_hook(entering(stage)) for module in modules]
        yield place
    finally:
        for handle in handles:
            handle.remove()


def kept_for_backward(work: Work, stages: Stages) -> dict[str, int]:
    """Bytes that autograd keeps between forward and backward, per stage and for the loss.

    Whole storages, each counted once, in the stage that first keeps it: views of a storage and
    in-place results share it. Parameters, buffers, input and labels do not count. A network whose
    stages run more than once would be counted in the last one entered.
    """
    known = {_key(tensor) for tensor in _standing(work)}
    kept: list[torch.UntypedStorage] = []  # held, so that no address is used twice
    sizes = dict.fromkeys((*stages, LOSS), 0)

    with _followed(work.model, stages) as place:

        def pack(tensor: Tensor) -> Tensor:
            if _key(tensor) not in known:
                known.add(_key(tensor))
                kept.append(tensor.untyped_storage())
                sizes[place.stage] += tensor.untyped_storage().nbytes()
            return tensor

        with saved_tensors_hooks(pack, lambda tensor: tensor):
            work.forward()
    return sizes


def largest_live_sets(work: Work, stages: Stages) -> dict[str, int]:
    """The most bytes of tensors made in forward that live together, per stage.

    A tensor lives from the operator that returns it until nobody holds it; what a kernel takes for
    itself is not seen. Parameters, buffers and input do not count.
    """
    known = {_key(tensor) for tensor in _standing(work)}
    with _followed(work.model, stages) as place, _LiveSet(known, place) as live:
        work.forward()
    return {stage: live.peaks.get(stage, 0) for stage in stages}


class _LiveSet(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of storages that operators return, until each is freed."""

    def __init__(self, known: set[int], place: _Place) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peaks: dict[str, int] = {}
        self._known = known
        self._place = place
        self._bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs the operator and takes note of the storages it made."""
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and _key(leaf) not in self._known:
                self._add(_key(leaf), leaf.untyped_storage())
        stage = self._place.stage
        self.peaks[stage] = max(self.peaks.get(stage, 0), self._bytes)
        return result

    def _add(self, key: int, storage: torch.UntypedStorage) -> None:
        self._known.add(key)
        self._bytes += storage.nbytes()
        weakref.finalize(storage, self._drop, key, storage.nbytes())

    def _drop(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._bytes -= size


def measure_memory(work: Work, stages: Stages, *, process_peak_bytes: int | None) -> MemoryUse:
    """Runs the call and its forward pass again and reports what they take."""
    device = work.given[0].device
    on_cuda = device.type == "cuda"
    allocated, reserved = _cuda_peaks(work, device) if on_cuda else (_cpu_peak(work), None)
    if work.optimizer is None:
        per_stage = largest_live_sets(work, stages)
        total = max(per_stage.values())
    else:
        per_stage = kept_for_backward(work, stages)
        total = sum(per_stage.values())
    return MemoryUse(
        peak_allocated_bytes=allocated,
        peak_reserved_bytes=reserved,
        process_peak_bytes=process_peak_bytes,
        activation_bytes=total,
        stages=tuple(
            StageMemory(stage=stage, activation_bytes=size) for stage, size in per_stage.items()
        ),
    )


def _cuda_peaks(work: Work, device: torch.device) -> tuple[int, int]:
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    work.call()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device)


def _cpu_peak(work: Work) -> int | None:
    """What stands before the call plus the most that the CPU allocator's events add up to.

    These are all allocations through torch, temporaries inside kernels included. Blocks that are
    older than the profile have no events when they are freed; a call leaves none such behind.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as run:
        work.call()
    results = run.profiler.kineto_results if run.profiler is not None else None
    if results is None:
        return None
    events = [event for event in results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    live = peak = 0
    for event in events:
        live += event.nbytes()
        peak = max(peak, live)
    return _total_bytes(_standing(work)) + peak


def _standing(work: Work) -> Iterator[Tensor]:
    """The tensors that exist before and after a call."""
    yield from work.model.parameters()
    yield from work.model.buffers()
    yield from work.given
    if work.optimizer is not None:
        for state in work.optimizer.state.values():
            yield from (value for value in state.values() if isinstance(value, Tensor))


def _total_bytes(tensors: Iterable[Tensor]) -> int:
    storages = {_key(tensor): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def _key(tensor: Tensor) -> int:
    """Tells storages apart while they live, also those of no bytes, which have no address."""
    return int(tensor.untyped_storage()._cdata)


def resident_bytes() -> int | None:
    """What of this process is in memory now; None off Linux."""
    return _status_bytes("VmRSS")


def reset_resident_peak() -> bool:
    """Lets the peak start from now; False where the system does not allow it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def resident_peak_above(baseline: int | None) -> int | None:
    """The most that has been in memory since the reset, above ``baseline``."""
    peak = _status_bytes("VmHWM")
    return None if baseline is None or peak is None else max(peak - baseline, 0)


def _status_bytes(field: str) -> int | None:
    """Not getrusage: its peak starts from that of the process that started this one."""
    kibibytes = first_match("/proc/self/status", rf"{field}:\s*(\d+) kB")
    return None if kibibytes is None else 1024 * int(kibibytes)
