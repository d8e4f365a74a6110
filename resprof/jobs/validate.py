"""Holding predicted memory against this machine: on the CPU, against torch's profiler.

The judge counts the allocation events of a real run on the CPU, without those that live inside of
one operator, which are temporaries of CPU kernels. It proves the trace; the allocator and what
only a GPU takes come after it and need a GPU.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from resprof.catalog.networks import resolve
from resprof.errors import EnvironmentMissing, NotMeasured, ResprofError, UsageError
from resprof.jobs.trace import LivePeaks, live_peaks
from resprof.measure.bound import command, explain, inherited, private_stdout, raise_explained
from resprof.measure.environment import machine_environment
from resprof.records.architecture import Architecture
from resprof.records.codec import to_plain
from resprof.records.decode import from_plain
from resprof.records.recipe import Checkpoint, Optimizer, Precision, Recipe, infer, train
from resprof.records.trace import Phase
from resprof.records.validation import PhaseCheck, ValidationResult, ValidationRow

COMMAND = command("resprof.jobs.validate")
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
    done = subprocess.run(
        COMMAND,
        input=json.dumps(to_plain([architecture, recipe])),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=inherited(),
        start_new_session=True,  # an interrupt reaches this process, which ends the child
        check=False,
    )
    if done.returncode == 0:
        predicted, measured = json.loads(done.stdout)
        return LivePeaks(predicted=_by_phase(predicted), measured=_by_phase(measured))
    if done.returncode < 0:
        raise NotMeasured(
            f"the process that ran {architecture.id} was killed",
            hint="that is mostly want of memory: choose a smaller network, or free some",
        )
    last = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    raise_explained(done.returncode, last, (UsageError, EnvironmentMissing, NotMeasured))
    raise NotMeasured(
        f"the process that ran {architecture.id} failed: {last[-1]}",
        hint="run it again, and report that line if it comes again",
    )


def main() -> int:
    """Runs the network and the recipe on stdin; the exit code is that of the error."""
    out = private_stdout()
    architecture, recipe = json.load(sys.stdin)
    try:
        peaks = live_peaks(from_plain(Architecture, architecture), from_plain(Recipe, recipe))
    except ResprofError as error:
        return explain(error)
    out.write(json.dumps([peaks.predicted, peaks.measured]))
    out.flush()
    return 0


def _by_phase(peaks: dict[str, int]) -> dict[Phase, int]:
    return {Phase(name): peak for name, peak in peaks.items()}
