"""The roofline: what passes take at least on given peaks, and what of that was achieved.

Unknown is None. FLOPs are two per multiply-add of convolutions and fully connected layers, bytes
what passes over device memory must move; both are of one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from resprof.answers.bench.figures import Flag
from resprof.answers.bench.results import BenchResult
from resprof.answers.flops.flops import Per
from resprof.answers.roofline.peaks import Peaks
from resprof.counting.traffic import Fusion, Operator, Pass
from resprof.errors import Note
from resprof.measure.run import Metric
from resprof.model.architecture import OPTIMIZER, Architecture
from resprof.model.networks import describe, workload_of
from resprof.model.recipe import Checkpoint, Mode, Phase, Recipe, Workload
from resprof.units import format_bytes, format_percent


class Bound(StrEnum):
    """What takes the time at least."""

    MEMORY = "memory"
    COMPUTE = "compute"


@dataclass(frozen=True, slots=True, kw_only=True)
class RooflineBound:
    """What passes of a call take at least, and what of that was achieved.

    A pass takes at least its FLOPs over the peak rate or its bytes over the bandwidth, whichever
    is longer. ``least_time_s`` is the sum over the passes, ``memory_time_s`` what of it is spent in
    passes bound by memory, ``share`` its part of the call's. ``attainable_time_s`` is the same with
    measured peaks, None without. ``images`` are those of the call. The whole call has no phase, a
    phase no stage, a stage no block, a block neither layer nor ``ops``.
    """

    phase: Phase | None = None
    stage: str | None = None
    block: str | None = None
    layer: str | None = None
    ops: str | None = None
    fusion: Fusion
    passes: int
    images: int
    flops: int
    bytes: int
    least_time_s: float
    memory_time_s: float
    share: float = 1.0
    attainable_time_s: float | None = None
    measured_time_s: float | None = None

    @property
    def intensity(self) -> float | None:
        """FLOP/byte; None where nothing is moved."""
        return self.flops / self.bytes if self.bytes else None

    @property
    def memory_share(self) -> float | None:
        """The part of the least time that memory bounds; None where nothing is done."""
        return self.memory_time_s / self.least_time_s if self.least_time_s else None

    @property
    def bound(self) -> Bound | None:
        """What bounds the larger part of the least time."""
        share = self.memory_share
        if share is None:
            return None
        return Bound.MEMORY if share >= 0.5 else Bound.COMPUTE

    @property
    def most_images_per_s(self) -> float:
        """The rate of calls that were nothing but these passes."""
        return self.images / self.least_time_s

    @property
    def measured_flops_per_s(self) -> float | None:
        """The rate that was achieved."""
        measured_s = self.measured_time_s
        return self.flops / measured_s if measured_s and self.flops else None

    @property
    def achieved_share(self) -> float | None:
        """The least time over the measured one."""
        return self.least_time_s / self.measured_time_s if self.measured_time_s else None

    def of(self, *names: str) -> dict[str, object]:
        """What has these names, as JSON has it."""
        return {name: getattr(self, name) for name in names}


_PLACE = ("phase", "stage", "block", "layer", "ops")
_FIGURES = ("flops", "bytes", "intensity", "bound", "memory_share", "least_time_s")
_ACHIEVED = ("attainable_time_s", "measured_time_s", "measured_flops_per_s", "achieved_share")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RooflineResult:
    """A workload held against a device; ``rows`` add up to ``total``.

    ``bounds`` are the whole call by each notion of a pass, ``phases`` the rows of a training step
    added up by phase. ``peaks`` are those that all is held against, ``measured_peaks`` stand
    beside them. ``measured_on`` is the driver's name of the device of a run, ``key`` the workload's
    in its file; ``flags`` are those of what was measured.
    """

    architecture: Architecture
    recipe: Recipe
    per: Per
    fusion: Fusion
    rows: tuple[RooflineBound, ...]
    total: RooflineBound
    bounds: tuple[RooflineBound, ...]
    phases: tuple[RooflineBound, ...]
    peaks: Peaks
    measured_peaks: Peaks | None
    measured: Measured
    measured_on: str | None
    key: str | None
    flags: tuple[Flag, ...]

    @property
    def model(self) -> str:
        """The network's canonical name."""
        return self.architecture.id

    @property
    def title(self) -> str:
        """What the network is, in words."""
        return describe(self.architecture)

    @property
    def workload(self) -> Workload:
        """What is run."""
        return workload_of(self.architecture, self.recipe)

    def json_fields(self) -> Mapping[str, object]:
        """Flat: the workload's fields among its own, bounds with what follows from them."""
        architecture, total = self.architecture, self.total
        return {
            "model": self.model,
            "title": self.title,
            "recipe": self.recipe,
            "per": self.per,
            "fusion": self.fusion,
            "rows": [row.of(*_PLACE, *_FIGURES, "share", *_ACHIEVED) for row in self.rows],
            "total": {
                **total.of(*_FIGURES, "most_images_per_s", "attainable_time_s"),
                "measured_by": self.measured.by,
                **total.of("measured_time_s", "measured_flops_per_s"),
                "measured_images_per_s": self.measured.images_per_s,
                "achieved_share": total.achieved_share,
            },
            "bounds": [
                bound.of(
                    "fusion",
                    "passes",
                    *_FIGURES[1:],
                    "most_images_per_s",
                    "attainable_time_s",
                    "achieved_share",
                )
                for bound in self.bounds
            ],
            "phases": [row.of(*_PLACE, *_FIGURES, "share", *_ACHIEVED) for row in self.phases],
            "peaks": self.peaks,
            "measured_peaks": self.measured_peaks,
            "measured_on": self.measured_on,
            "key": self.key,
            "classes": architecture.classes,
            "in_channels": architecture.in_channels,
            "width": architecture.width,
            "flags": self.flags,
        }


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
        parts={(part.phase, part.stage): part.time_s for part in result.tiles},
    )


def least_time(passes: Iterable[Pass], peaks: Peaks) -> tuple[float, float]:
    """Seconds that passes take at least, and those of them in passes bound by memory.

    No two passes overlap, arithmetic and memory within one do.
    """
    seconds = memory_s = 0.0
    for each in passes:
        compute_s = each.flops / peaks.flops_per_s
        transfer_s = each.bytes / peaks.bandwidth_bytes_per_s
        seconds += max(compute_s, transfer_s)
        memory_s += transfer_s if transfer_s >= compute_s else 0.0
    return seconds, memory_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The passes of a call with one fusion, its number of images, and the device's peaks."""

    passes: Sequence[Pass]
    fusion: Fusion
    images: int
    peaks: Peaks
    measured_peaks: Peaks | None

    def total(self, measured: Measured) -> RooflineBound:
        """The whole call."""
        return self._bound(self.passes, measured.call_s)

    def rows(self, per: Per, measured: Measured) -> tuple[RooflineBound, ...]:
        """The passes added up per stage or block, or one by one, in order of execution.

        Measured times are those of whole stages.
        """
        return self._rows(per, measured.parts if per is Per.STAGE else {})

    def phases(self, measured: Measured) -> tuple[RooflineBound, ...]:
        """The passes added up per phase."""
        times: dict[Part, float] = {}
        for (phase, _), seconds in measured.parts.items():
            times[phase, None] = times.get((phase, None), 0.0) + seconds
        return self._rows(None, times)

    def _rows(self, per: Per | None, times: Mapping[Part, float]) -> tuple[RooflineBound, ...]:
        """Per phase where ``per`` is None."""
        groups: dict[object, list[Pass]] = {}
        for number, each in enumerate(self.passes):
            groups.setdefault(_row_key(per, number, each), []).append(each)
        call_s, _ = least_time(self.passes, self.peaks)
        return tuple(self._row(group, per, times, call_s) for group in groups.values())

    def _row(
        self, group: Sequence[Pass], per: Per | None, times: Mapping[Part, float], call_s: float
    ) -> RooflineBound:
        first = group[0].first
        stage = None if per is None else first.stage
        bound = self._bound(group, times.get((first.phase, None if stage == OPTIMIZER else stage)))
        return replace(
            bound,
            phase=first.phase,
            stage=stage,
            block=first.block or None if per in {Per.BLOCK, Per.LAYER} else None,
            layer=first.layer or None if per is Per.LAYER else None,
            ops=" + ".join(group[0].ops) if per is Per.LAYER else None,
            share=bound.least_time_s / call_s,
        )

    def _bound(self, passes: Sequence[Pass], measured_s: float | None) -> RooflineBound:
        least_s, memory_s = least_time(passes, self.peaks)
        measured_peaks = self.measured_peaks
        return RooflineBound(
            fusion=self.fusion,
            passes=len(passes),
            images=self.images,
            flops=sum(each.flops for each in passes),
            bytes=sum(each.bytes for each in passes),
            least_time_s=least_s,
            memory_time_s=memory_s,
            attainable_time_s=least_time(passes, measured_peaks)[0] if measured_peaks else None,
            measured_time_s=measured_s,
        )


def _row_key(per: Per | None, number: int, each: Pass) -> object:
    """What the passes of a row have in common."""
    match per:
        case None:
            return each.first.phase
        case Per.STAGE:
            return each.first.phase, each.first.stage
        case Per.BLOCK:
            return each.first.phase, each.first.stage, each.first.block
        case Per.LAYER:
            return number


_UNFUSED = (
    "Unfused: every operator is a pass that reads the inputs it needs once and writes its "
    "results once, as torch does in eager mode."
)
_FUSED = (
    "Fused: a convolution and the batch norm, ReLU and addition after it are one pass, which "
    "reads its input, weights and shortcut and writes the result."
)
_FUSED_TRAINING = (
    "Fused: batch norm and the ReLU and addition after it are one pass, in backward too; a "
    "convolution and each of its two gradients are separate passes, because batch norm first "
    "needs statistics of the whole batch."
)
_WHOLE = (
    "Whole: no feature map leaves the chip; images, weights and results move once. At these "
    "rates no fusion or caching can be faster."
)


def conventions(recipe: Recipe, *, l2_bytes: int | None, cached: float) -> Iterator[Note]:
    """What the figures for a recipe mean.

    ``cached`` is the share of the unfused bytes that belong to maps of at most ``l2_bytes``.
    """
    training = recipe.mode is Mode.TRAIN
    yield Note(
        code="convention",
        message="A pass takes at least FLOPs / peak rate or bytes / bandwidth, whichever is "
        "longer; passes run one after another. FLOPs are 2 x MACs of convolutions and fully "
        "connected layers by the direct algorithm; Winograd needs fewer.",
    )
    yield Note(code="unfused", message=_UNFUSED)
    yield Note(code="fused", message=_FUSED_TRAINING if training else _FUSED)
    yield Note(code="whole", message=_WHOLE)
    if training:
        again = " Recomputation in checkpointed blocks is not counted."
        yield Note(
            code="training",
            message="A training step is forward, loss, backward and the update, which reads "
            "weights, gradients and optimizer state once and writes weights and state "
            "once." + (again if recipe.checkpoint is Checkpoint.BLOCK else ""),
        )
    if recipe.precision.autocast:
        yield Note(
            code="autocast",
            message="Autocast keeps parameters in 4 bytes, casts weights and images to 2 in "
            "every forward pass and casts weight gradients back; unfused, each cast is a "
            "separate pass.",
        )
    if l2_bytes is not None and cached:
        yield Note(
            code="l2",
            message=f"{format_percent(cached, 0)} of the unfused bytes belong to feature maps "
            f"that fit into the {format_bytes(l2_bytes, 3)} L2 cache, which may serve some of "
            "them.",
        )


def cached_share(operators: Iterable[Operator], l2_bytes: int) -> float:
    """The share of the operators' traffic that belongs to feature maps of at most this size."""
    small = everything = 0
    for operator in operators:
        for moved in (*operator.work.reads, *operator.work.writes):
            size = moved.bytes * operator.times
            everything += size
            small += size if moved.of_images and moved.bytes <= l2_bytes else 0
    return small / everything
