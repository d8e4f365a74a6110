"""The roofline: what passes take at least on given peaks, and what of that was achieved.

Unknown is None. FLOPs are two per multiply-add of convolutions and fully connected layers, bytes
what passes over device memory must move; both are of one call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from resprof.answers.bench.results import BenchResult, Flag
from resprof.answers.flops.counts import Per
from resprof.answers.roofline.peaks import Peaks
from resprof.counting.traffic import Fusion, Operator, Pass
from resprof.errors import Note
from resprof.measure.run import Metric
from resprof.model.architecture import OPTIMIZER
from resprof.model.recipe import Checkpoint, Mode, OfWorkload, Phase, Recipe
from resprof.units import format_bytes, format_percent


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


Part = tuple[Phase, str | None]
"""A stage of a phase, or with None a whole phase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Seconds of a call, as the metric has them, and of its parts; None is unknown."""

    by: Metric | None = None
    call_s: float | None = None
    images_per_s: float | None = None
    parts: Mapping[Part, float] = field(default_factory=dict)


NOTHING_MEASURED = Measured()


def measured_of(result: BenchResult, images: int) -> Measured:
    """What a configuration's rows and parts say of a call of so many images.

    The call is one batch in flight, as its parts are, or where that was not measured one of many
    back to back.
    """
    rows = {row.metric: row for row in result.rows}
    latency, throughput = rows.get(Metric.LATENCY), rows.get(Metric.THROUGHPUT)
    rate = throughput.throughput_images_per_s if throughput else None
    by, call_s = Metric.LATENCY, latency.latency_median_s if latency else None
    if call_s is None:
        by, call_s = Metric.THROUGHPUT, images / rate if rate else None
    return Measured(
        by=None if call_s is None else by,
        call_s=call_s,
        images_per_s=rate,
        parts={(part.phase, part.stage): part.time_s for part in result.parts},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Least:
    """What passes take at least, in seconds, and in those of them that memory bounds."""

    flops: int
    bytes: int
    seconds: float
    memory_s: float

    @property
    def intensity(self) -> float | None:
        """FLOP/byte; None where nothing is moved."""
        return self.flops / self.bytes if self.bytes else None

    @property
    def memory_share(self) -> float | None:
        """The part of the time that memory bounds; None where nothing is done."""
        return self.memory_s / self.seconds if self.seconds else None

    @property
    def bound(self) -> Bound | None:
        """What bounds the larger part of the time."""
        share = self.memory_share
        if share is None:
            return None
        return Bound.MEMORY if share >= 0.5 else Bound.COMPUTE


def least(passes: Iterable[Pass], peaks: Peaks) -> Least:
    """Adds up what each pass takes: no two passes overlap, arithmetic and memory within one do."""
    flops = moved = 0
    seconds = memory_s = 0.0
    for each in passes:
        compute_s = each.flops / peaks.flops_per_s
        transfer_s = each.bytes / peaks.bandwidth_bytes_per_s
        flops += each.flops
        moved += each.bytes
        seconds += max(compute_s, transfer_s)
        memory_s += transfer_s if transfer_s >= compute_s else 0.0
    return Least(flops=flops, bytes=moved, seconds=seconds, memory_s=memory_s)


_KEYS: dict[Per, Callable[[int, Pass], object]] = {
    Per.STAGE: lambda _, each: (each.phase, each.stage),
    Per.BLOCK: lambda _, each: (each.phase, each.stage, each.block),
    Per.LAYER: lambda number, _: number,
}


def rows(
    passes: Sequence[Pass],
    per: Per,
    peaks: Peaks,
    *,
    also: Peaks | None = None,
    measured: Measured = NOTHING_MEASURED,
) -> tuple[RooflineRow, ...]:
    """The passes added up per stage or block, or one by one, in order of execution.

    ``also`` are measured peaks, for what is attainable. Measured times are those of whole stages.
    """
    held = _Held(
        peaks=peaks,
        also=also,
        parts=measured.parts if per is Per.STAGE else {},
        call_s=least(passes, peaks).seconds,
    )
    return tuple(_row(group, per, held) for group in _grouped(passes, _KEYS[per]))


def phases(
    passes: Sequence[Pass],
    peaks: Peaks,
    *,
    also: Peaks | None = None,
    measured: Measured = NOTHING_MEASURED,
) -> tuple[RooflineRow, ...]:
    """The passes added up per phase."""
    held = _Held(
        peaks=peaks,
        also=also,
        parts=_by_phase(measured.parts),
        call_s=least(passes, peaks).seconds,
    )
    return tuple(_row(group, None, held) for group in _grouped(passes, lambda _, each: each.phase))


def total(
    passes: Sequence[Pass],
    images: int,
    peaks: Peaks,
    *,
    also: Peaks | None = None,
    measured: Measured = NOTHING_MEASURED,
) -> RooflineTotal:
    """All passes of a call of so many images."""
    found = least(passes, peaks)
    call_s = measured.call_s
    return RooflineTotal(
        flops=found.flops,
        bytes=found.bytes,
        intensity=found.flops / found.bytes,
        bound=found.bound or Bound.MEMORY,
        memory_share=found.memory_share or 0.0,
        least_time_s=found.seconds,
        most_images_per_s=images / found.seconds,
        attainable_time_s=least(passes, also).seconds if also else None,
        measured_by=measured.by,
        measured_time_s=call_s,
        measured_flops_per_s=found.flops / call_s if call_s else None,
        measured_images_per_s=measured.images_per_s,
        achieved_share=found.seconds / call_s if call_s else None,
    )


def bound_of(
    fusion: Fusion,
    passes: Sequence[Pass],
    images: int,
    peaks: Peaks,
    *,
    also: Peaks | None = None,
    measured: Measured = NOTHING_MEASURED,
) -> FusionBound:
    """The call with that notion of a pass."""
    of_all = total(passes, images, peaks, also=also, measured=measured)
    return FusionBound(
        fusion=fusion,
        passes=len(passes),
        bytes=of_all.bytes,
        intensity=of_all.intensity,
        bound=of_all.bound,
        memory_share=of_all.memory_share,
        least_time_s=of_all.least_time_s,
        most_images_per_s=of_all.most_images_per_s,
        attainable_time_s=of_all.attainable_time_s,
        achieved_share=of_all.achieved_share,
    )


def _grouped(
    passes: Sequence[Pass], key: Callable[[int, Pass], object]
) -> Iterable[Sequence[Pass]]:
    groups: dict[object, list[Pass]] = {}
    for number, each in enumerate(passes):
        groups.setdefault(key(number, each), []).append(each)
    return groups.values()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What rows are held against, and the least time of their call."""

    peaks: Peaks
    also: Peaks | None
    parts: Mapping[Part, float]
    call_s: float


def _row(group: Sequence[Pass], per: Per | None, held: _Held) -> RooflineRow:
    """The sum of some passes; ``per`` None is a phase."""
    found, first = least(group, held.peaks), group[0]
    stage = None if per is None else first.stage
    measured_s = held.parts.get((first.phase, None if stage == OPTIMIZER else stage))
    return RooflineRow(
        phase=first.phase,
        stage=stage,
        block=first.block or None if per in {Per.BLOCK, Per.LAYER} else None,
        layer=first.layer or None if per is Per.LAYER else None,
        ops=" + ".join(first.ops) if per is Per.LAYER else None,
        flops=found.flops,
        bytes=found.bytes,
        intensity=found.intensity,
        bound=found.bound,
        memory_share=found.memory_share,
        least_time_s=found.seconds,
        share=found.seconds / held.call_s,
        attainable_time_s=least(group, held.also).seconds if held.also else None,
        measured_time_s=measured_s,
        measured_flops_per_s=found.flops / measured_s if measured_s and found.flops else None,
        achieved_share=found.seconds / measured_s if measured_s else None,
    )


def _by_phase(parts: Mapping[Part, float]) -> dict[Part, float]:
    times: dict[Part, float] = {}
    for (phase, _), seconds in parts.items():
        times[phase, None] = times.get((phase, None), 0.0) + seconds
    return times


_UNFUSED = (
    "Unfused: every operator is a pass that reads what it needs of its inputs once and writes its "
    "results once, as torch runs them eagerly."
)
_FUSED = (
    "Fused: a convolution with the batch norm, ReLU and addition behind it is one pass, which "
    "reads its input, its weights and the shortcut and writes the result."
)
_FUSED_TRAINING = (
    "Fused: batch norm with the ReLU and addition behind it is one pass, in backward too; a "
    "convolution and each of its two gradients are passes of their own, since batch norm needs "
    "figures of the whole batch first."
)
_WHOLE = (
    "Whole: no map leaves the chip; images, weights and results move once. At these rates nothing "
    "is faster, whatever is fused or cached."
)


def conventions(recipe: Recipe, *, l2_bytes: int | None, cached: float) -> Iterator[Note]:
    """What the figures for a recipe mean.

    ``cached`` is the share of the unfused bytes that belong to maps of at most ``l2_bytes``.
    """
    training = recipe.mode is Mode.TRAIN
    yield Note(
        code="convention",
        message="A pass takes at least its FLOPs over the peak rate or its bytes over the "
        "bandwidth, whichever is longer, and passes follow one another. FLOPs are 2 x MACs of "
        "convolutions and fully connected layers by the direct algorithm; Winograd's needs fewer.",
    )
    yield Note(code="unfused", message=_UNFUSED)
    yield Note(code="fused", message=_FUSED_TRAINING if training else _FUSED)
    yield Note(code="whole", message=_WHOLE)
    if training:
        again = " What a checkpointed block computes again is not counted."
        yield Note(
            code="training",
            message="A training step is forward, loss, backward and the update, which reads "
            "weights, gradients and the optimizer's state and writes weights and state once."
            + (again if recipe.checkpoint is Checkpoint.BLOCK else ""),
        )
    if recipe.precision.autocast:
        yield Note(
            code="autocast",
            message="Autocast keeps parameters in 4 bytes, casts weights and images to 2 in every "
            "forward pass and weight gradients back: passes of their own where nothing is fused.",
        )
    if l2_bytes is not None and cached:
        yield Note(
            code="l2",
            message=f"{format_percent(cached, 0)} of the unfused bytes belong to maps that fit "
            f"into {format_bytes(l2_bytes, 3)} of L2 cache, which may serve a part of them.",
        )


def cached_share(operators: Iterable[Operator], l2_bytes: int) -> float:
    """The part of all that operators move that belongs to maps of at most so many bytes."""
    small = everything = 0
    for operator in operators:
        for moved in (*operator.work.reads, *operator.work.writes):
            size = moved.bytes * operator.times
            everything += size
            small += size if moved.of_images and moved.bytes <= l2_bytes else 0
    return small / everything
