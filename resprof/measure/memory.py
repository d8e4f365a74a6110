"""Memory of one call: what autograd keeps, the largest live set, the peaks.

Nothing here runs inside a timed region.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from resprof.measure.host import first_match
from resprof.measure.run import MemoryUse, StageMemory
from resprof.measure.subject import Work
from resprof.model.architecture import LOSS
from resprof.model.recipe import Engine, Mode, Recipe
from resprof.networks.step import Steps

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


def kept_for_backward(steps: Steps, stages: Stages) -> dict[str, int]:
    """Bytes that are live between forward and backward, per stage and for the loss.

    Whole storages, each counted once, in the stage that made it: views of a storage and in-place
    results share it. Parameters, buffers, the batch and the loss itself do not count.
    """
    with _forward_followed(steps, stages) as (live, loss):
        kept = live.by_stage(without=loss)
    return {stage: kept.get(stage, 0) for stage in (*stages, LOSS)}


def largest_live_sets(steps: Steps, stages: Stages) -> dict[str, int]:
    """The most bytes of tensors made in forward that live together, per stage.

    A tensor lives from the operator that returns it until nobody holds it; what a kernel takes for
    itself is not seen. Parameters, buffers and input do not count.
    """
    with _forward_followed(steps, stages) as (live, _):
        return {stage: live.peaks.get(stage, 0) for stage in stages}


@contextmanager
def _forward_followed(steps: Steps, stages: Stages) -> Iterator[tuple[_LiveSet, Tensor]]:
    """A forward pass whose result is held, and what is live in it."""
    known = {_key(tensor) for tensor in _standing(steps)}
    with _followed(steps.model, stages) as place, _LiveSet(known, place) as live:
        result = steps.forward()
    yield live, result


class _LiveSet(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the storages that operators return, until each is freed."""

    def __init__(self, known: set[int], place: _Place) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peaks: dict[str, int] = {}
        self._known = known
        self._place = place
        self._live: dict[int, tuple[str, int]] = {}
        self._bytes = 0

    def by_stage(self, *, without: Tensor) -> Counter[str]:
        """The bytes that are live now by the stage that made them."""
        found: Counter[str] = Counter()
        for key, (stage, size) in self._live.items():
            if key != _key(without):
                found[stage] += size
        return found

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
        self._live[key] = self._place.stage, storage.nbytes()
        self._bytes += storage.nbytes()
        weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self._known.discard(key)
        _, size = self._live.pop(key)
        self._bytes -= size


def measure_memory(work: Work, recipe: Recipe, *, process_peak_bytes: int | None) -> MemoryUse:
    """Runs the call and its forward pass again and reports what they take.

    ``process_peak_bytes`` is known to whoever asks the host or the driver. Only an eager step has
    activations that can be followed.
    """
    if work.steps.given[0].device.type == "cuda":
        use = _cuda_peaks(work, recipe.engine)
    else:
        peak = _cpu_peak(work) if recipe.engine is Engine.EAGER else None
        use = MemoryUse(peak_allocated_bytes=peak)
    use = replace(use, process_peak_bytes=process_peak_bytes)
    if recipe.engine is not Engine.EAGER:
        return use
    work.steps.clear()
    if recipe.mode is Mode.INFER:
        per_stage = largest_live_sets(work.steps, work.stages)
        total = max(per_stage.values())
    else:
        per_stage = kept_for_backward(work.steps, work.stages)
        total = sum(per_stage.values())
    stages = (StageMemory(stage=stage, activation_bytes=n) for stage, n in per_stage.items())
    return replace(use, activation_bytes=total, stages=tuple(stages))


def _cuda_peaks(work: Work, engine: Engine) -> MemoryUse:
    """The caching allocator's peaks over one call, and what is in use on the device after it.

    A graph's memory is taken when it is captured and no call moves the peaks again, so there they
    are those since the start. What is reserved is never less than what is cached already.
    """
    device = work.steps.given[0].device
    torch.cuda.synchronize(device)
    if engine is not Engine.GRAPH:
        torch.cuda.reset_peak_memory_stats(device)
        work.call()
        torch.cuda.synchronize(device)
    free, total = torch.cuda.mem_get_info(device)
    return MemoryUse(
        peak_requested_bytes=torch.cuda.memory_stats(device)["requested_bytes.all.peak"],
        peak_allocated_bytes=torch.cuda.max_memory_allocated(device),
        peak_reserved_bytes=torch.cuda.max_memory_reserved(device),
        device_used_bytes=total - free,
    )


def _cpu_peak(work: Work) -> int | None:
    """What stands before the call plus the most that the CPU allocator's events add up to.

    These are all allocations through torch, temporaries inside kernels included. Blocks that are
    older than the profile have no events when they are freed: gradients go before it.
    """
    work.steps.clear()
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
    return _total_bytes(_standing(work.steps)) + peak


def _standing(steps: Steps) -> Iterator[Tensor]:
    """The tensors that exist before and after a call, gradients left out."""
    yield from steps.model.parameters()
    yield from steps.model.buffers()
    yield from steps.given
    if steps.optimizer is not None:
        for state in steps.optimizer.state.values():
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
