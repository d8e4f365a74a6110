"""Holding predicted memory against a CUDA device, level by level and event by event.

One process per workload runs the very steps that are traced, so that what differs is the device's:
the operators' own memory, the allocator, the context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from resprof.answers.gpu.largest_batch import (
    Device,
    Progress,
    check_largest,
    prepare_process,
    run_on_device,
)
from resprof.answers.gpu.validation import GpuValidationResult, GpuValidationRow, LevelCheck
from resprof.answers.memory.prediction import predict_memory
from resprof.answers.memory.traces import trace_workload
from resprof.codec import from_plain
from resprof.errors import NotMeasured, UsageError, printable_path
from resprof.files import write_whole
from resprof.measure.memory_history import DeviceMemory, run_in_child
from resprof.memory.allocator import Level, MemoryPeak, with_process
from resprof.memory.history import (
    MemoryHistory,
    history_lines,
    history_of,
    match_events,
    read_history,
    replay_history,
)
from resprof.memory.overlay import Calibration
from resprof.memory.prediction import MemoryResult
from resprof.model.architecture import Architecture
from resprof.model.networks import architecture_of, resolve, workload_of
from resprof.model.recipe import (
    Checkpoint,
    MemoryFormat,
    Optimizer,
    Phase,
    Precision,
    Recipe,
    Workload,
    infer,
    train,
)

_ANOTHER = "use one folder for each: resprof validate --device cuda --keep FOLDER"


def refuse_kept(folder: Path) -> None:
    """Raises ``UsageError`` where histories lie already: those of two visits would be mixed."""
    first = min(folder.glob("*.jsonl"), default=None)
    if first is not None:
        raise UsageError(
            f"{printable_path(first)} already exists",
            hint="name an empty folder with --keep",
        )


def keep_history(folder: Path, number: int, history: MemoryHistory) -> None:
    """Writes the history of a visit's workload of that number."""
    file = folder / f"{number:02}-{history.workload.model}.jsonl"
    write_whole(file, "".join(history_lines(history)))


def kept_histories(folder: Path) -> tuple[MemoryHistory, ...]:
    """Every history in the folder, in the order of their names.

    Raises ``UsageError`` where there is none, one that cannot be read, two of one workload, or
    where they are not of one kind of GPU and one torch.
    """
    kept = {file: read_history(file) for file in sorted(folder.glob("*.jsonl"))}
    if not kept:
        raise UsageError(
            f"no histories in {printable_path(folder)}",
            hint="record some: resprof validate --device cuda --keep FOLDER",
        )
    first = next(iter(kept))
    of_workload: dict[Workload, Path] = {}
    for file, history in kept.items():
        if _device(history) != _device(kept[first]):
            raise UsageError(
                f"{printable_path(first)} and {printable_path(file)} were recorded on different "
                "GPUs or torch versions",
                hint=_ANOTHER,
            )
        same = of_workload.setdefault(history.workload, file)
        if same != file:
            raise UsageError(
                f"{printable_path(same)} and {printable_path(file)} record the same workload",
                hint=f"remove one of them, or {_ANOTHER}",
            )
    return tuple(kept.values())


def _device(history: MemoryHistory) -> tuple[object, ...]:
    """What a peak depends on, whichever card of that kind it was."""
    gpu, torch = history.environment.gpu, history.environment.torch
    return gpu and (gpu.name, gpu.capability, gpu.memory_bytes), torch and torch.version


TOLERANCE = 0.01
HELD_FROM_BATCH = 32
"""Below it, workspaces and segments of fixed size outweigh what a batch takes."""
LIMIT_S = 180.0
"""What one workload may take, most of it to load libraries and to name stack frames."""
_SIDE = (224, 224)
_TRAIN = train(batch=32, image=_SIDE)
_INFER = infer(batch=32, image=_SIDE)
_FP16 = replace(_TRAIN, precision=Precision.AMP_FP16)
_BF16_LAST = replace(_TRAIN, precision=Precision.AMP_BF16, memory_format=MemoryFormat.CHANNELS_LAST)
_INFER_LAST = replace(
    _INFER, precision=Precision.AMP_BF16, memory_format=MemoryFormat.CHANNELS_LAST
)
_EACH = (_INFER, _TRAIN, _BF16_LAST)
"""For every network that somebody names."""
_WORKLOADS = (
    ("resnet18", replace(_INFER, batch=1)),
    ("resnet18", replace(_TRAIN, batch=1)),
    ("resnet18", _TRAIN),
    ("resnet18", replace(_FP16, optimizer=Optimizer.ADAM)),
    ("resnet50", replace(_INFER, batch=256)),
    ("resnet50", replace(_INFER_LAST, batch=256)),
    ("resnet50", _TRAIN),
    ("resnet50", replace(_FP16, batch=256)),
    ("resnet50", replace(_BF16_LAST, batch=256)),
    ("resnet50", replace(_TRAIN, checkpoint=Checkpoint.BLOCK, optimizer=Optimizer.ADAM)),
    ("resnet152", _TRAIN),
    ("resnet152", replace(_BF16_LAST, batch=256, checkpoint=Checkpoint.BLOCK)),
)

Record = Callable[[Workload], MemoryHistory]


def gpu_workloads(models: Sequence[str] = ()) -> Iterator[tuple[Architecture, Recipe]]:
    """What is validated: some recipes of each model, or the standing set where none is named."""
    named = [(model, recipe) for model in models for recipe in _EACH]
    for model, recipe in named or _WORKLOADS:
        architecture = resolve(model)
        yield architecture, replace(recipe, image=architecture.image)


def validate_on_cuda(
    chosen: Sequence[tuple[Architecture, Recipe]],
    *,
    tolerance: float = TOLERANCE,
    calibration: Calibration | None = None,
    keep: Path | None = None,
    progress: Progress = lambda *_: None,
    record: Record | None = None,
    largest: Sequence[tuple[Architecture, Recipe]] = (),
    device: Device | None = None,
) -> GpuValidationResult:
    """Records each workload and compares; ``keep`` is a folder for the recorded histories.

    ``largest`` are workloads whose largest batch is looked for on ``device``, None for the CUDA
    device; their own batch is not looked at. A workload that cannot be measured is a row that says
    so. Raises ``EnvironmentMissing`` where there is no CUDA device, ``UsageError`` where histories
    are kept in the folder already.
    """
    if keep is not None:
        refuse_kept(keep)
    rows = []
    environment = None
    for done, (architecture, recipe) in enumerate(chosen):
        progress(done, len(chosen), architecture.id)
        try:
            history = (record or record_history)(workload_of(architecture, recipe))
        except NotMeasured as error:
            failure = f"{error.message}; {error.hint}"
            rows.append(GpuValidationRow(model=architecture.id, recipe=recipe, failure=failure))
            continue
        environment = environment or history.environment
        if keep is not None:
            keep_history(keep, done, history)
        rows.append(compared(architecture, recipe, history, tolerance, calibration))
    look, checks = check_largest(
        largest, tolerance=tolerance, calibration=calibration, progress=progress, device=device
    )
    return GpuValidationResult(
        device="cuda",
        tolerance=tolerance,
        held_from_batch=HELD_FROM_BATCH,
        calibrated_on=calibration.device if calibration else None,
        rows=tuple(rows),
        largest=checks,
        environment=environment or (look.environment if look else None),
    )


def validate_histories(
    folder: Path,
    *,
    tolerance: float = TOLERANCE,
    calibration: Calibration | None = None,
    progress: Progress = lambda *_: None,
) -> GpuValidationResult:
    """As ``validate_on_cuda``, against the histories that it kept in the folder; needs no GPU.

    Raises ``UsageError`` where there are none, or none of one GPU, torch and workload each.
    """
    by_workload = {history.workload: history for history in kept_histories(folder)}
    return validate_on_cuda(
        [(architecture_of(each), each.recipe) for each in by_workload],
        tolerance=tolerance,
        calibration=calibration,
        progress=progress,
        record=by_workload.__getitem__,
    )


def compared(
    architecture: Architecture,
    recipe: Recipe,
    history: MemoryHistory,
    tolerance: float = TOLERANCE,
    calibration: Calibration | None = None,
) -> GpuValidationRow:
    """A recorded workload beside its prediction; needs no GPU."""
    gpu = history.environment.gpu
    capability = gpu.compute_capability if gpu else None

    def predicted(calibration: Calibration | None) -> MemoryResult:
        result, _ = predict_memory(
            architecture, recipe, calibration=calibration, capability=capability
        )
        return result

    result = predicted(calibration)
    uncalibrated = predicted(None).peak if calibration else None
    levels = tuple(_levels(result.peak, uncalibrated, history.peak))
    error = next(check.error for check in levels if check.level is Level.ALLOCATED)
    measured = history.peak.allocated_bytes
    low, high = result.band.low.allocated_bytes, result.band.high.allocated_bytes
    trace = trace_workload(architecture, recipe)
    return GpuValidationRow(
        model=architecture.id,
        recipe=recipe,
        levels=levels,
        in_band=low <= measured <= high,
        within=abs(error) <= tolerance if recipe.batch >= HELD_FROM_BATCH else None,
        match=match_events(history.events, history.step_starts, trace, recipe.batch),
        replay=replay_history(history.events, history.peak),
    )


def record_history(workload: Workload) -> MemoryHistory:
    """Runs the workload's setup and two steps on the CUDA device, in a process of its own."""
    task = f"{__name__}:{record_steps.__name__}"
    text = run_in_child(task, workload, limit_s=LIMIT_S)
    return history_of(text.splitlines())


def record_steps(argument: Any, memory: DeviceMemory) -> str:
    """The child's task: ``argument`` is a workload as JSON has it; returns its history's lines."""
    from resprof.networks.step import Watch

    workload = from_plain(Workload, argument)
    prepare_process(workload.recipe)
    starts: list[int] = []

    class Marking(Watch):
        def enter(self, phase: Phase, step: int) -> None:  # noqa: ARG002
            if step > len(starts):
                starts.append(len(memory.events()))

    environment = memory.environment()
    memory.record()
    steps = run_on_device(workload, memory, Marking())
    usage = memory.usage()
    history = MemoryHistory(
        workload=workload,
        environment=environment,
        total_bytes=usage.total,
        context_bytes=usage.total - usage.free - usage.reserved,
        peak=with_process(usage.peak, usage.total - usage.free),
        retries=usage.retries,
        step_starts=tuple(starts),
        events=memory.events(),
    )
    del steps  # not before: its end is no part of the history
    return "".join(history_lines(history))


def _levels(
    predicted: MemoryPeak, uncalibrated: MemoryPeak | None, measured: MemoryPeak
) -> Iterator[LevelCheck]:
    for level in Level:
        actual = level.of(measured)
        yield LevelCheck(
            level=level,
            predicted_bytes=level.of(predicted),
            measured_bytes=actual,
            error=level.of(predicted) / actual - 1,
            uncalibrated_error=level.of(uncalibrated) / actual - 1 if uncalibrated else None,
        )
