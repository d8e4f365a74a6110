"""From a trace to what a step takes on a GPU, with everything that was assumed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby

from resprof.memory.allocator import DEFAULT
from resprof.memory.assumptions import assumptions_of
from resprof.memory.census import OUTSIDE, activations, live_after
from resprof.memory.overlay import Overlay, extremes, overlaid
from resprof.memory.replay import History, Peaks, follow, replay
from resprof.memory.stream import Stream, flatten
from resprof.records.answer import Note
from resprof.records.memory import (
    AllocatorSettings,
    Band,
    LayerPrediction,
    LiveBytes,
    MemoryPeak,
    MemoryPrediction,
    StagePrediction,
    TimelinePoint,
)
from resprof.records.trace import Role, Trace


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
