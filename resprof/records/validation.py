"""What `resprof validate` answers: predictions held against what was measured on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from resprof.records.environment import Environment
from resprof.records.recipe import Recipe
from resprof.records.trace import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseCheck:
    """The most live bytes in one phase, over all steps."""

    phase: Phase
    predicted_bytes: int
    measured_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationRow:
    """One workload: the most live bytes of tensors, without an allocator between.

    ``error`` is the prediction's deviation as a share of what was measured.
    """

    model: str
    recipe: Recipe
    predicted_bytes: int
    measured_bytes: int
    error: float
    within: bool
    phases: tuple[PhaseCheck, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationResult:
    """All workloads; ``tolerance`` is a share."""

    model: None = None
    recipe: None = None
    device: str
    tolerance: float
    rows: tuple[ValidationRow, ...]
    total: None = None
    environment: Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """An allocation that only one side has.

    ``operator`` and ``module`` are empty where unknown; on the GPU's side the module is that of
    the matched allocation before it.
    """

    step: int
    operator: str
    module: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMatch:
    """A recorded history beside the traced events, without what was predicted of workspaces.

    ``only_gpu`` and ``only_predicted`` are in order of execution; ``unexplained_bytes`` are those
    of ``only_gpu`` outside of convolutions, batch norms and matrix multiplies. ``lifetimes_differ``
    counts the matched blocks that go before another matched allocation on the GPU than predicted.
    """

    matched: int
    matched_bytes: int
    only_gpu: tuple[Unmatched, ...]
    only_predicted: tuple[Unmatched, ...]
    unexplained_bytes: int
    lifetimes_differ: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayCheck:
    """The recorded requests put through the allocator model; peaks in bytes.

    ``exact`` says that all three peaks are the recorded ones and that the segments are after every
    event; ``first_difference`` is the index of the first event after which they are not.
    """

    requested_bytes: int
    allocated_bytes: int
    reserved_bytes: int
    exact: bool
    first_difference: int | None


class Level(StrEnum):
    """The four sums of ``MemoryPeak``."""

    REQUESTED = "requested"
    ALLOCATED = "allocated"
    RESERVED = "reserved"
    PROCESS = "process"


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

    model: None = None
    recipe: None = None
    device: str
    tolerance: float
    held_from_batch: int
    calibrated_on: str | None
    rows: tuple[GpuValidationRow, ...]
    largest: tuple[LargestBatchCheck, ...] = ()
    total: None = None
    environment: Environment | None

    @property
    def answers(self) -> tuple[GpuValidationRow | LargestBatchCheck, ...]:
        """All that was asked: each is within tolerance, is not, or could not be measured."""
        return (*self.rows, *self.largest)
