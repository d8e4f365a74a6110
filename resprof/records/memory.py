"""What a prediction of GPU memory says, and the largest batch that fits a budget."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from resprof.records.answer import Note
from resprof.records.trace import Phase, Role

MARGIN = 0.05
"""The share of a device's memory that is kept free unless somebody says otherwise."""


class AllocatorKind(StrEnum):
    """How the caching allocator gets memory from the device."""

    DEFAULT = "default"
    """One cudaMalloc for each segment."""
    EXPANDABLE = "expandable"
    """``expandable_segments:True``: one segment for each pool, which grows by pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocatorSettings:
    """What PYTORCH_ALLOC_CONF says about the caching allocator; the defaults are PyTorch's.

    ``roundup_power2_divisions`` is one number for requests of every size, a power of two, 0 for
    off. Free blocks of ``max_split_bytes`` and more are not split; None is no limit.
    """

    kind: AllocatorKind = AllocatorKind.DEFAULT
    roundup_power2_divisions: int = 0
    max_split_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPeak:
    """The most bytes at any time, at four levels; each has its own moment.

    What tensors asked for; the blocks that hold them; the segments that hold those; and the
    process as the driver sees it, which adds the CUDA context.
    """

    requested_bytes: int
    allocated_bytes: int
    reserved_bytes: int
    process_bytes: int

    @property
    def needed_bytes(self) -> int:
        """What has to fit: the process without segments that are only cached."""
        return self.allocated_bytes + self.process_bytes - self.reserved_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The peaks when every assumption that is not calibrated errs to one side or the other."""

    low: MemoryPeak
    high: MemoryPeak


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveBytes:
    """Blocks of one kind that are live at the allocated peak."""

    kind: Role
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePrediction:
    """A row of Table 1, or what lies outside of the network, at the end of the rows.

    ``activation_bytes`` are kept for backward in a training step, and add up; in inference they
    are the stage's largest live set. ``at_peak_bytes`` are blocks live at the allocated peak.
    """

    stage: str
    activation_bytes: int
    at_peak_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPrediction:
    """The same activation memory by the module that made it."""

    stage: str
    layer: str
    activation_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelinePoint:
    """A phase of a step, from one phase boundary to the next: its peaks and what it leaves."""

    step: int
    phase: Phase
    peak_requested_bytes: int
    peak_allocated_bytes: int
    peak_reserved_bytes: int
    end_requested_bytes: int
    end_allocated_bytes: int
    end_reserved_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The allocation that finds no memory: where it is, what it asks for, what there is.

    ``event`` is its index among the events with those that only a GPU has. ``device_bytes`` is
    what the allocator then asks of the device, ``free_bytes`` what the device has left.
    """

    event: int
    step: int
    phase: Phase
    stage: str
    module: str
    operator: str
    requested_bytes: int
    device_bytes: int
    free_bytes: int
    allocated_bytes: int
    reserved_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPrediction:
    """The memory of a workload at one batch size, without a limit.

    ``calibrated_on`` is the device whose calibration was used, None for documented defaults.
    ``at_peak`` adds up to the allocated peak, as do the rows' ``at_peak_bytes``.
    """

    key: str
    batch: int
    torch: str
    allocator: AllocatorSettings
    calibrated_on: str | None
    peak: MemoryPeak
    band: Band
    at_peak: tuple[LiveBytes, ...]
    activation_bytes: int
    rows: tuple[StagePrediction, ...]
    layers: tuple[LayerPrediction, ...]
    timeline: tuple[TimelinePoint, ...]
    assumptions: tuple[Note, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLimit:
    """What the allocator may take: the device's total less the three others."""

    total_bytes: int
    context_bytes: int
    used_bytes: int
    margin_bytes: int
    limit_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedWindow:
    """The batch sizes around the answer that were each replayed, ends included.

    ``fits_above`` are those that fit although a smaller one does not: there are none where
    fitting is monotone.
    """

    first: int
    last: int
    fits_above: tuple[int, ...]

    @property
    def monotone(self) -> bool:
        """Whether no checked batch fits above one that does not."""
        return not self.fits_above


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRow:
    """The largest batch with one kind of allocator.

    ``max_batch`` fits, as does every smaller batch that was checked; 0 where a batch of one does
    not fit. ``short_bytes`` more memory would let one more fit (in whole segments; None where
    nothing bounds the batch), ``failure`` is where it fails. ``unproven`` says that a tensor of
    2^31 elements or more is involved; ``max_proven_batch`` then is the largest without.
    """

    allocator: AllocatorKind
    max_batch: int
    max_batch_multiple_of_8: int
    unproven: bool
    max_proven_batch: int
    peak: MemoryPeak | None
    short_bytes: int | None
    failure: Failure | None
    checked: CheckedWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The answer for a workload; ``max_batch`` and ``peak`` are those of the first row."""

    key: str
    torch: str
    calibrated_on: str | None
    limit: BudgetLimit
    limit_bytes: int
    max_batch: int
    peak: MemoryPeak | None
    rows: tuple[BudgetRow, ...]
    assumptions: tuple[Note, ...]
