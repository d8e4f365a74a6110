"""From a trace to what its steps take on a GPU: peaks with a band, and what they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from resprof.memory.allocator import Levels, MemoryPeak, each_level, with_context
from resprof.memory.overlay import Overlay, extremes, overlaid
from resprof.memory.replay import DetailedReplay, Stream, flatten, follow, phase_spans, replay
from resprof.memory.rules import AllocatorKind
from resprof.memory.trace import Action, Event, Role, Trace
from resprof.model.recipe import Phase, Recipe

OUTSIDE = "other"
"""The row of what belongs to no stage: the loss, the optimiser, workspaces."""


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
class PhaseMemory:
    """A phase of a step, from one phase boundary to the next: its peaks and what it leaves."""

    step: int
    phase: Phase
    peak: Levels
    end: Levels

    def json_fields(self) -> Mapping[str, object]:
        """Six sums beside each other."""
        return {
            "step": self.step,
            "phase": self.phase,
            "peak_requested_bytes": self.peak.requested_bytes,
            "peak_allocated_bytes": self.peak.allocated_bytes,
            "peak_reserved_bytes": self.peak.reserved_bytes,
            "end_requested_bytes": self.end.requested_bytes,
            "end_allocated_bytes": self.end.allocated_bytes,
            "end_reserved_bytes": self.end.reserved_bytes,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryResult:
    """The predicted memory of one workload, without a limit; ``rows`` are stages.

    ``calibrated_on`` is the device whose calibration was used, None for documented defaults.
    ``at_peak`` adds up to the allocated peak, as do the rows' ``at_peak_bytes``. In inference
    ``activation_bytes`` are the largest live set, not the rows' sum.
    """

    model: str
    title: str
    recipe: Recipe
    rows: tuple[StagePrediction, ...]
    peak: MemoryPeak
    band: Band
    at_peak: tuple[LiveBytes, ...]
    activation_bytes: int
    layers: tuple[LayerPrediction, ...]
    phases: tuple[PhaseMemory, ...]
    allocator: AllocatorKind
    calibrated_on: str | None
    torch: str

    def json_fields(self) -> Mapping[str, object]:
        """With the rows' total, and with those of PyTorch's settings that are as by default."""
        return {
            "model": self.model,
            "title": self.title,
            "recipe": self.recipe,
            "rows": self.rows,
            "total": {
                "activation_bytes": self.activation_bytes,
                "at_peak_bytes": sum(row.at_peak_bytes for row in self.rows),
            },
            "peak": self.peak,
            "band": self.band,
            "at_peak": self.at_peak,
            "activation_bytes": self.activation_bytes,
            "layers": self.layers,
            "timeline": self.phases,
            "allocator": {
                "kind": self.allocator,
                "roundup_power2_divisions": 0,
                "max_split_bytes": None,
            },
            "calibrated_on": self.calibrated_on,
            "torch": self.torch,
        }


def predict(
    trace: Trace,
    recipe: Recipe,
    overlay: Overlay,
    kind: AllocatorKind = AllocatorKind.DEFAULT,
    *,
    model: str,
    title: str,
) -> MemoryResult:
    """The memory of a traced workload at the recipe's batch size.

    Raises ``ValueError`` for a batch of which the trace says nothing.
    """
    full = overlaid(trace, overlay)
    stream = flatten(full)
    replayed = follow(stream, recipe.batch, kind)
    peak = each_level(max, replayed.levels)
    kept = activations(full, recipe.batch)
    by_kind, by_stage = _at_peak(full, stream, replayed)
    stages = dict.fromkeys(event.stage for event in full.events if event.stage)
    return MemoryResult(
        model=model,
        title=title,
        recipe=recipe,
        rows=tuple(
            StagePrediction(
                stage=stage,
                activation_bytes=kept.stages.get(stage, 0),
                at_peak_bytes=by_stage.get(stage, 0),
            )
            for stage in (*stages, OUTSIDE)
        ),
        peak=with_context(peak, overlay.context_bytes),
        band=_band(trace, recipe.batch, overlay, kind, peak),
        at_peak=tuple(
            LiveBytes(kind=role, bytes=by_kind[role]) for role in Role if role in by_kind
        ),
        activation_bytes=kept.total,
        layers=tuple(
            LayerPrediction(stage=stage, layer=layer, activation_bytes=size)
            for (stage, layer), size in kept.layers.items()
        ),
        phases=_phases(full, stream, replayed),
        allocator=kind,
        calibrated_on=overlay.calibrated_on,
        torch=trace.torch,
    )


def _band(trace: Trace, batch: int, overlay: Overlay, kind: AllocatorKind, peak: Levels) -> Band:
    """The extremes of both extreme overlays and of the prediction itself.

    Of all three, for more blocks may take fewer segments. The context's own band comes on top.
    """
    low, high = extremes(overlay)
    streams = [flatten(overlaid(trace, extreme)) for extreme in (low, high)]
    peaks = [peak, *(replay(stream, batch, kind).peak for stream in streams)]
    return Band(
        low=with_context(each_level(min, peaks), low.context_bytes),
        high=with_context(each_level(max, peaks), high.context_bytes),
    )


def _phases(trace: Trace, stream: Stream, replayed: DetailedReplay) -> tuple[PhaseMemory, ...]:
    """What a phase finds is live in it too."""
    return tuple(
        PhaseMemory(
            step=span.step,
            phase=span.phase,
            peak=each_level(max, replayed.levels[max(span.start - 1, 0) : span.end]),
            end=replayed.levels[span.end - 1],
        )
        for span in phase_spans(trace, stream)
    )


def _at_peak(
    trace: Trace, stream: Stream, replayed: DetailedReplay
) -> tuple[dict[Role, int], dict[str, int]]:
    """Block sizes by role and by stage when the allocated peak is reached first."""
    by_kind: dict[Role, int] = {}
    by_stage: dict[str, int] = {}
    allocated = [levels.allocated_bytes for levels in replayed.levels]
    if not allocated:
        return by_kind, by_stage
    for block in live_after(trace, stream.events[allocated.index(max(allocated))]):
        size = replayed.block_sizes[block.allocation]
        by_kind[block.role] = by_kind.get(block.role, 0) + size
        by_stage[block.stage] = by_stage.get(block.stage, 0) + size
    return by_kind, by_stage


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveBlock:
    """A live block: its allocation's number and event, and what the block holds now."""

    allocation: int
    event: Event
    role: Role

    @property
    def stage(self) -> str:
        """The row that the block belongs to."""
        return self.event.stage or OUTSIDE

    def requested(self, batch: int) -> int:
        """The bytes that were asked for."""
        return self.event.constant + self.event.per_image * batch


class _LiveBlocks:
    """The blocks that are live while events are entered one after the other."""

    def __init__(self) -> None:
        self.by_number: dict[int, LiveBlock] = {}
        self._allocations = 0

    def enter(self, event: Event) -> LiveBlock:
        """The block that the event is about."""
        if event.action is Action.ALLOCATE:
            block = LiveBlock(allocation=self._allocations, event=event, role=event.role)
            self._allocations += 1
            self.by_number[event.block] = block
            return block
        block = self.by_number.pop(event.block)
        if event.action is Action.MOVE and event.onto is not None:
            block = replace(block, role=event.role)
            self.by_number[event.onto] = block
        return block


def live_after(trace: Trace, event: int) -> list[LiveBlock]:
    """The blocks that are live after the event of that index, the oldest first."""
    live = _LiveBlocks()
    for entry in trace.events[: event + 1]:
        live.enter(entry)
    return sorted(live.by_number.values(), key=lambda block: block.allocation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activations:
    """Bytes in all, by stage, and by (stage, module)."""

    total: int
    stages: dict[str, int]
    layers: dict[tuple[str, str], int]


def activations(trace: Trace, batch: int) -> Activations:
    """Bytes kept for backward, live at the end of the first forward phase.

    In a trace without backward, the largest live set of each stage, of each layer, and overall,
    without parameters and input.
    """
    end = next((i for i, event in enumerate(trace.events) if event.phase is Phase.BACKWARD), None)
    if end is None:
        return _largest_live_sets(trace, batch)
    stages: dict[str, int] = {}
    layers: dict[tuple[str, str], int] = {}
    for block in live_after(trace, end - 1):
        if block.role is Role.ACTIVATION:
            size = block.requested(batch)
            layer = block.stage, block.event.module
            stages[block.stage] = stages.get(block.stage, 0) + size
            layers[layer] = layers.get(layer, 0) + size
    return Activations(total=sum(stages.values()), stages=stages, layers=layers)


_IN_LIVE_SET = {Role.ACTIVATION, Role.TEMPORARY}


def _largest_live_sets(trace: Trace, batch: int) -> Activations:
    stages: dict[str, int] = {}
    layers: dict[tuple[str, str], int] = {}
    live = _LiveBlocks()
    size = total = 0
    for event in trace.events:
        block = live.enter(event)
        if block.role not in _IN_LIVE_SET or event.action is Action.MOVE:
            continue
        size += block.requested(batch) * (1 if event.action is Action.ALLOCATE else -1)
        stage = event.stage or OUTSIDE
        layer = stage, event.module
        stages[stage] = max(stages.get(stage, 0), size)
        layers[layer] = max(layers.get(layer, 0), size)
        total = max(total, size)
    return Activations(total=total, stages=stages, layers=layers)
