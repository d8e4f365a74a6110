"""Holding predicted memory against this machine: on the CPU, against torch's profiler.

The judge counts the allocation events of a real run on the CPU, without those that live inside of
one operator, which are temporaries of CPU kernels. It proves the trace; the allocator and what
only a GPU takes come after it and need a GPU.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from resprof.catalog.networks import resolve
from resprof.errors import NotMeasured
from resprof.jobs.trace import LivePeaks, live_peaks
from resprof.measure.environment import machine_environment
from resprof.records.architecture import Architecture
from resprof.records.recipe import Checkpoint, Optimizer, Precision, Recipe, infer, train
from resprof.records.validation import PhaseCheck, ValidationResult, ValidationRow

TOLERANCE = 0.0005
_SIDE = (64, 64)
_TRAIN = train(batch=4, image=_SIDE)
_RECIPES = (
    _TRAIN,
    replace(_TRAIN, optimizer=Optimizer.ADAM),
    replace(_TRAIN, precision=Precision.BF16),
    replace(_TRAIN, checkpoint=Checkpoint.BLOCK, accumulate=2),
    infer(batch=4, image=_SIDE),
)
MODELS = ("resnet18", "resnet50", "cifar-resnet56", "vgg16")

Judge = Callable[[Architecture, Recipe], LivePeaks]


def workloads(models: Sequence[str] = MODELS) -> Iterator[tuple[Architecture, Recipe]]:
    """What is validated unless somebody asks for something else."""
    for model in models:
        architecture = resolve(model)
        side = min(_SIDE, architecture.image)
        for recipe in _RECIPES:
            yield resolve(model, image=side), replace(recipe, image=side)


def validate_on_cpu(
    chosen: Sequence[tuple[Architecture, Recipe]],
    *,
    tolerance: float = TOLERANCE,
    progress: Callable[[int, int, str], None] = lambda *_: None,
    judge: Judge | None = None,
) -> ValidationResult:
    """Runs each workload in a process of its own and compares the most live bytes."""
    rows = []
    for done, (architecture, recipe) in enumerate(chosen):
        progress(done, len(chosen), architecture.id)
        peaks = (judge or _in_own_process)(architecture, recipe)
        rows.append(
            ValidationRow(
                model=architecture.id,
                recipe=recipe,
                predicted_bytes=peaks.predicted_bytes,
                measured_bytes=peaks.measured_bytes,
                error=peaks.error,
                within=abs(peaks.error) <= tolerance,
                phases=tuple(
                    PhaseCheck(
                        phase=phase,
                        predicted_bytes=peaks.predicted[phase],
                        measured_bytes=peaks.measured[phase],
                    )
                    for phase in peaks.predicted
                ),
            )
        )
    return ValidationResult(
        device="cpu",
        tolerance=tolerance,
        rows=tuple(rows),
        environment=machine_environment(),
    )


def _in_own_process(architecture: Architecture, recipe: Recipe) -> LivePeaks:
    # Spawned, not forked: a child of a process with torch's threads would hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context, initializer=_silence) as pool:
        try:
            return pool.submit(live_peaks, architecture, recipe).result()
        except BrokenProcessPool:
            raise NotMeasured(
                f"the process that ran {architecture.id} was killed",
                hint="that is mostly want of memory: choose a smaller network, or free some",
            ) from None


def _silence() -> None:
    """The profiler writes of its comings and goings; errors reach the parent as exceptions."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
