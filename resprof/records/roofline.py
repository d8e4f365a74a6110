"""What `resprof roofline` answers.

Unknown is None. FLOPs are two per multiply-add of convolutions and fully connected layers, bytes
what passes over device memory must move; both are of one call.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from resprof.records.bench import Flag
from resprof.records.flops import Per
from resprof.records.fusion import Fusion
from resprof.records.peaks import Peaks
from resprof.records.plan import Metric
from resprof.records.recipe import OfWorkload, Recipe
from resprof.records.trace import Phase


class Bound(StrEnum):
    """What takes the time at least."""

    MEMORY = "memory"
    COMPUTE = "compute"


@dataclass(frozen=True, slots=True, kw_only=True)
class RooflineRow:
    """A stage, block or pass in a phase of a call, or the phase itself.

    A pass takes at least its FLOPs over the peak rate or its bytes over the bandwidth, whichever
    is longer; ``least_time_s`` is the sum over the row's passes, ``share`` its part of the call's.
    ``memory_share`` is the part of it that is spent in passes bound by memory and ``bound`` what
    the larger part is bound by, None where nothing is done. ``intensity`` is FLOPs over bytes.
    ``attainable_time_s`` is the same with measured peaks, None without. ``achieved_share`` is the
    least time over the measured one.
    """

    phase: Phase
    stage: str | None
    block: str | None
    layer: str | None
    ops: str | None
    flops: int
    bytes: int
    intensity: float | None
    bound: Bound | None
    memory_share: float | None
    least_time_s: float
    share: float
    attainable_time_s: float | None = None
    measured_time_s: float | None = None
    measured_flops_per_s: float | None = None
    achieved_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RooflineTotal:
    """The sum of the rows, and what of it was measured, by which metric."""

    flops: int
    bytes: int
    intensity: float
    bound: Bound
    memory_share: float
    least_time_s: float
    most_images_per_s: float
    attainable_time_s: float | None = None
    measured_by: Metric | None = None
    measured_time_s: float | None = None
    measured_flops_per_s: float | None = None
    measured_images_per_s: float | None = None
    achieved_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionBound:
    """The whole call with another notion of a pass; rates are of images, at most."""

    fusion: Fusion
    passes: int
    bytes: int
    intensity: float
    bound: Bound
    memory_share: float
    least_time_s: float
    most_images_per_s: float
    attainable_time_s: float | None = None
    achieved_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RooflineResult(OfWorkload):
    """A workload held against a device; ``rows`` add up to ``total``.

    ``peaks`` are those that the rows are held against, ``measured_peaks`` stand beside them.
    ``phases`` are the rows of a training step added up by phase. ``measured_on`` is the driver's
    name of the device of a run, ``key`` the workload's in its file; ``flags`` are those of what was
    measured.
    """

    model: str
    title: str
    recipe: Recipe
    per: Per
    fusion: Fusion
    rows: tuple[RooflineRow, ...]
    total: RooflineTotal
    bounds: tuple[FusionBound, ...]
    phases: tuple[RooflineRow, ...]
    peaks: Peaks
    measured_peaks: Peaks | None
    measured_on: str | None
    key: str | None
    classes: int
    in_channels: int
    width: float
    flags: tuple[Flag, ...]
