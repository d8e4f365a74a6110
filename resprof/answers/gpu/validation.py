"""What `resprof validate` answers, and its part on the CPU: torch's profiler as the judge.

The judge counts the allocation events of a real run on the CPU, without those that live inside of
one operator, which are temporaries of CPU kernels. It proves the trace; the allocator and what
only a GPU takes come after it and need a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from resprof.answers.memory.traces import LivePeaks, live_peaks
from resprof.codec import from_json, from_plain, to_json
from resprof.measure.host import machine_environment
from resprof.measure.worker import Emit, ask_worker
from resprof.memory.allocator import Level
from resprof.memory.history import EventMatch, ReplayCheck
from resprof.model.architecture import Architecture
from resprof.model.environment import Environment
from resprof.model.networks import resolve
from resprof.model.recipe import Checkpoint, Optimizer, Precision, Recipe, infer, train


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationRow:
    """One workload: the most live bytes of tensors, and whether they are within tolerance."""

    model: str
    recipe: Recipe
    peaks: LivePeaks
    within: bool

    def json_fields(self) -> Mapping[str, object]:
        """The peaks of the whole run, and those of each phase over all steps."""
        return {
            "model": self.model,
            "recipe": self.recipe,
            "predicted_bytes": self.peaks.predicted_bytes,
            "measured_bytes": self.peaks.measured_bytes,
            "error": self.peaks.error,
            "within": self.within,
            "phases": [
                {
                    "phase": phase,
                    "predicted_bytes": predicted,
                    "measured_bytes": self.peaks.measured[phase],
                }
                for phase, predicted in self.peaks.predicted.items()
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationResult:
    """All workloads; ``tolerance`` is a share."""

    device: str
    tolerance: float
    rows: tuple[ValidationRow, ...]
    environment: Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelCheck:
    """A peak at one level; errors are the prediction's deviation as a share of the measured.

    ``uncalibrated_error`` is that of the documented defaults where a calibration was used.
    """

    level: Level
    predicted_bytes: int
    measured_bytes: int
    error: float
    uncalibrated_error: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuValidationRow:
    """One workload on a GPU.

    ``within`` is about the allocated bytes and None where the tolerance is not claimed, as the
    batch is small. A workload that could not be measured has a ``failure`` and nothing else.
    """

    model: str
    recipe: Recipe
    levels: tuple[LevelCheck, ...] = ()
    in_band: bool | None = None
    """Whether the measured allocated bytes lie in the band that is printed with a prediction."""
    within: bool | None = None
    match: EventMatch | None = None
    replay: ReplayCheck | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTry:
    """Setup and two steps of a workload at one batch size, in a process of its own on a GPU.

    ``error`` is what was said where memory ran out, None where the batch fits. ``seconds`` are
    those of setup and steps. Two figures count other processes on the device as this one's:
    ``start_bytes`` in use when it had its bare context, ``context_bytes`` at the end without
    segments. ``retries`` counts how often everything cached was given back.
    """

    batch: int
    fits: bool
    error: str | None
    seconds: float
    peak_allocated_bytes: int
    peak_reserved_bytes: int
    start_bytes: int
    context_bytes: int
    retries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LargestBatchCheck:
    """The largest batch of a workload on a GPU: predicted from its total memory, and found.

    ``recipe.batch`` is the predicted one, 1 where nothing fits, on ``total_bytes`` less
    ``context_bytes`` (calibrated or measured just before) without the ``in_use_bytes`` that other
    processes had before. ``unproven`` says that a tensor of 2^31 elements or more is involved.

    All batches that were tried up to ``fitting_batch`` fit (0: none does), ``failing_batch`` does
    not (None: none failed); they are at most ``resolution`` apart unless ``bound_hit``: the search
    ended at ``most_tries``. ``fits_above`` fit although a smaller one does not. ``error`` is
    predicted / fitting - 1, None where nothing fits or the two are further apart; ``within`` is
    None only where there is a ``failure``. ``tries`` are in order.
    """

    model: str
    recipe: Recipe
    predicted_batch: int | None = None
    unproven: bool | None = None
    fitting_batch: int | None = None
    failing_batch: int | None = None
    error: float | None = None
    within: bool | None = None
    resolution: int | None = None
    most_tries: int
    bound_hit: bool = False
    fits_above: tuple[int, ...] = ()
    total_bytes: int | None = None
    context_bytes: int | None = None
    in_use_bytes: int | None = None
    tries: tuple[BatchTry, ...] = ()
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuValidationResult:
    """All workloads; ``tolerance`` is a share, claimed from ``held_from_batch`` on.

    ``largest`` are the largest batches of some workloads, none where they were not asked for.
    ``environment`` has the device; it is None where nothing could be measured.
    """

    device: str
    tolerance: float
    held_from_batch: int
    calibrated_on: str | None
    rows: tuple[GpuValidationRow, ...]
    largest: tuple[LargestBatchCheck, ...] = ()
    environment: Environment | None

    @property
    def answers(self) -> tuple[GpuValidationRow | LargestBatchCheck, ...]:
        """All that was asked: each is within tolerance, is not, or could not be measured."""
        return (*self.rows, *self.largest)


TASK = f"{__name__}:ask_profiler"
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
                peaks=peaks,
                within=abs(peaks.error) <= tolerance,
            )
        )
    return ValidationResult(
        device="cpu",
        tolerance=tolerance,
        rows=tuple(rows),
        environment=machine_environment(),
    )


def _in_own_process(architecture: Architecture, recipe: Recipe) -> LivePeaks:
    name = f"the process that ran {architecture.id}"
    return from_json(LivePeaks, ask_worker(TASK, (architecture, recipe), name=name))


def ask_profiler(order: object, emit: Emit) -> None:
    """Runs a network by a recipe under torch's profiler and emits its live peaks."""
    architecture, recipe = from_plain(tuple[Architecture, Recipe], order)
    emit(to_json(live_peaks(architecture, recipe), indent=None))
