"""From a trace to what a step takes on a GPU, with everything that was assumed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

from resprof.errors import Note
from resprof.memory.allocator import DEFAULT
from resprof.memory.census import OUTSIDE, activations, live_after
from resprof.memory.overlay import (
    CONTEXT_HIGH,
    CONTEXT_LOW,
    CONVOLUTION_HIGH,
    CUBLAS_OTHERS,
    Overlay,
    extremes,
    overlaid,
)
from resprof.memory.replay import History, Peaks, Stream, flatten, follow, replay
from resprof.memory.rules import AllocatorKind, AllocatorSettings
from resprof.memory.trace import Role, Trace
from resprof.model.recipe import Phase
from resprof.units import format_bytes

MARGIN = 0.05
"""The share of a device's memory that is kept free unless somebody says otherwise."""


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


def assumptions_of(overlay: Overlay, settings: AllocatorSettings) -> tuple[Note, ...]:
    """The assumptions of the overlay and of the allocator model."""
    return (_calibration(overlay), *_overlay_notes(overlay), *_allocator_notes(settings))


def _calibration(overlay: Overlay) -> Note:
    if overlay.calibrated_on is None:
        return Note(
            code="uncalibrated",
            message="uncalibrated: documented defaults stand for what only a GPU takes",
        )
    return Note(code="calibrated", message=f"calibrated on {overlay.calibrated_on}")


def _overlay_notes(overlay: Overlay) -> tuple[Note, ...]:
    known = overlay.calibrated_on is not None
    cublas = format_bytes(overlay.cublas_bytes)
    handles = (
        "one for forward and one for backward's thread"
        if overlay.cublas_handles > 1
        else "one for all"
    )
    cublas_band = "" if known else f"; band: one of {format_bytes(CUBLAS_OTHERS)} to two of 32 MiB"
    context_band = (
        "" if known else f"; band: {format_bytes(CONTEXT_LOW)} to {format_bytes(CONTEXT_HIGH)}"
    )
    return (
        Note(
            code="context",
            message=f"CUDA context and kernels take {format_bytes(overlay.context_bytes)} outside "
            f"of the allocator{context_band}",
        ),
        Note(
            code="cublas",
            message=f"a cuBLAS workspace takes {cublas} from the first matrix multiply on, "
            f"{handles}{cublas_band}",
        ),
        Note(
            code="convolution-workspace",
            message=f"a convolution whose workspace was not measured takes "
            f"{format_bytes(overlay.convolution_bytes)} for as long as it runs; band: up to "
            f"{format_bytes(CONVOLUTION_HIGH)}",
        ),
        Note(
            code="batch-norm-reserve",
            message="a batch norm whose reserve was not measured keeps none",
        ),
    )


def _allocator_notes(settings: AllocatorSettings) -> tuple[Note, ...]:
    one_stream = Note(code="one-stream", message="all work is on one stream, without CUDA graphs")
    if settings.kind is AllocatorKind.EXPANDABLE:
        space = "an expandable segment's addresses span 9/8 of the memory it may take"
        return one_stream, Note(code="address-space", message=space)
    return one_stream, Note(
        code="addresses",
        message="addresses of new segments only rise; among free blocks of equal size the lowest "
        "is taken",
    )


def predict(
    trace: Trace,
    batch: int,
    overlay: Overlay,
    settings: AllocatorSettings = DEFAULT,
    *,
    assumptions: tuple[Note, ...] = (),
) -> MemoryPrediction:
    """The memory of a traced workload at one batch size; ``assumptions`` are the tracer's.

    Raises ``ValueError`` for a batch of which the trace says nothing.
    """
    full = overlaid(trace, overlay)
    stream = flatten(full)
    history = follow(stream, batch, settings)
    peak = MemoryPeak(
        requested_bytes=max(history.requested, default=0),
        allocated_bytes=max(history.allocated, default=0),
        reserved_bytes=max(history.reserved, default=0),
        process_bytes=max(history.reserved, default=0) + overlay.context_bytes,
    )
    kept = activations(full, batch)
    by_kind, by_stage = _at_peak(full, stream, history)
    stages = dict.fromkeys(event.stage for event in full.events if event.stage)
    return MemoryPrediction(
        key=trace.key,
        batch=batch,
        torch=trace.torch,
        allocator=settings,
        calibrated_on=overlay.calibrated_on,
        peak=peak,
        band=_band(trace, batch, overlay, settings, peak),
        at_peak=tuple(LiveBytes(kind=kind, bytes=size) for kind, size in by_kind.items()),
        activation_bytes=kept.total,
        rows=tuple(
            StagePrediction(
                stage=stage,
                activation_bytes=kept.stages.get(stage, 0),
                at_peak_bytes=by_stage.get(stage, 0),
            )
            for stage in (*stages, OUTSIDE)
        ),
        layers=tuple(
            LayerPrediction(stage=stage, layer=layer, activation_bytes=size)
            for (stage, layer), size in kept.layers.items()
        ),
        timeline=_timeline(full, stream, history),
        assumptions=(*assumptions, *assumptions_of(overlay, settings)),
    )


def peak_memory(
    stream: Stream,
    batch: int,
    settings: AllocatorSettings = DEFAULT,
    *,
    context_bytes: int,
) -> MemoryPeak:
    """The peaks alone, for many batch sizes: a stream is a trace with its overlay, flattened."""
    return with_context(replay(stream, batch, settings), context_bytes)


def with_context(peaks: Peaks, context_bytes: int) -> MemoryPeak:
    """A replay's peaks as the record that says it."""
    return MemoryPeak(
        requested_bytes=peaks.requested,
        allocated_bytes=peaks.allocated,
        reserved_bytes=peaks.reserved,
        process_bytes=peaks.reserved + context_bytes,
    )


def _band(
    trace: Trace, batch: int, overlay: Overlay, settings: AllocatorSettings, peak: MemoryPeak
) -> Band:
    """The extremes of both extreme overlays and of the prediction itself.

    Of all three, for more blocks may take fewer segments. The context's own band comes on top.
    """
    low, high = extremes(overlay)
    peaks = [peak]
    for extreme in (low, high):
        stream = flatten(overlaid(trace, extreme))
        peaks.append(peak_memory(stream, batch, settings, context_bytes=extreme.context_bytes))

    def bound(choose: Callable[[Iterable[int]], int], context_bytes: int) -> MemoryPeak:
        reserved = choose(each.reserved_bytes for each in peaks)
        return MemoryPeak(
            requested_bytes=choose(each.requested_bytes for each in peaks),
            allocated_bytes=choose(each.allocated_bytes for each in peaks),
            reserved_bytes=reserved,
            process_bytes=reserved + context_bytes,
        )

    return Band(low=bound(min, low.context_bytes), high=bound(max, high.context_bytes))


def _at_peak(
    trace: Trace, stream: Stream, history: History
) -> tuple[dict[Role, int], dict[str, int]]:
    """Block sizes by role and by stage when the allocated peak is reached first."""
    by_kind: dict[Role, int] = {}
    by_stage: dict[str, int] = {}
    if not history.allocated:
        return by_kind, by_stage
    position = max(range(len(history.allocated)), key=history.allocated.__getitem__)
    for held in live_after(trace, stream.events[position]):
        size = history.block_sizes[held.allocation]
        by_kind[held.role] = by_kind.get(held.role, 0) + size
        by_stage[held.stage] = by_stage.get(held.stage, 0) + size
    return {kind: by_kind[kind] for kind in Role if kind in by_kind}, by_stage


def _timeline(trace: Trace, stream: Stream, history: History) -> tuple[TimelinePoint, ...]:
    """One point for each stretch of events of one phase; a stretch starts where the last ended."""
    points = []
    events = [trace.events[index] for index in stream.events]
    for (step, phase), stretch in groupby(
        range(len(events)), key=lambda position: (events[position].step, events[position].phase)
    ):
        positions = list(stretch)
        span = slice(max(positions[0] - 1, 0), positions[-1] + 1)
        points.append(
            TimelinePoint(
                step=step,
                phase=phase,
                peak_requested_bytes=max(history.requested[span]),
                peak_allocated_bytes=max(history.allocated[span]),
                peak_reserved_bytes=max(history.reserved[span]),
                end_requested_bytes=history.requested[positions[-1]],
                end_allocated_bytes=history.allocated[positions[-1]],
                end_reserved_bytes=history.reserved[positions[-1]],
            )
        )
    return tuple(points)
