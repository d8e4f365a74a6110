"""The roofline: what passes take at least on given peaks, and what of that was achieved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from resprof.records.bench import BenchResult
from resprof.records.flops import Per
from resprof.records.fusion import Fusion
from resprof.records.peaks import Peaks
from resprof.records.plan import Metric
from resprof.records.roofline import Bound, FusionBound, RooflineRow, RooflineTotal
from resprof.records.trace import Phase
from resprof.records.traffic import OPTIMIZER, Pass

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
