"""Which blocks are live at a moment, and activation memory by stage and layer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from resprof.memory.trace import Action, Event, Role, Trace
from resprof.model.recipe import Phase

OUTSIDE = "other"
"""The row of what belongs to no stage: the loss, the optimiser, workspaces."""

_IN_LIVE_SET = {Role.ACTIVATION, Role.TEMPORARY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A live block: the allocation's number and event, and what the block holds now."""

    allocation: int
    made: Event
    role: Role

    @property
    def stage(self) -> str:
        """The row that the block belongs to."""
        return self.made.stage or OUTSIDE

    def requested(self, batch: int) -> int:
        """The bytes that were asked for."""
        return self.made.constant + self.made.per_image * batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Activations:
    """Bytes in all, by stage, and by (stage, module)."""

    total: int
    stages: dict[str, int]
    layers: dict[tuple[str, str], int]


class _Ledger:
    """The blocks that are live while events are entered one after the other."""

    def __init__(self) -> None:
        self.live: dict[int, Held] = {}
        self._allocations = 0

    def enter(self, event: Event) -> Held:
        """The block that the event is about."""
        if event.action is Action.ALLOCATE:
            held = Held(allocation=self._allocations, made=event, role=event.role)
            self._allocations += 1
            self.live[event.block] = held
            return held
        held = self.live.pop(event.block)
        if event.action is Action.MOVE and event.onto is not None:
            held = replace(held, role=event.role)
            self.live[event.onto] = held
        return held


def live_after(trace: Trace, event: int) -> list[Held]:
    """The blocks that are live after the event of that index, the oldest first."""
    ledger = _Ledger()
    for entry in trace.events[: event + 1]:
        ledger.enter(entry)
    return sorted(ledger.live.values(), key=lambda held: held.allocation)


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
    for held in live_after(trace, end - 1):
        if held.role is Role.ACTIVATION:
            size = held.requested(batch)
            layer = held.stage, held.made.module
            stages[held.stage] = stages.get(held.stage, 0) + size
            layers[layer] = layers.get(layer, 0) + size
    return Activations(total=sum(stages.values()), stages=stages, layers=layers)


def _largest_live_sets(trace: Trace, batch: int) -> Activations:
    stages: dict[str, int] = {}
    layers: dict[tuple[str, str], int] = {}
    ledger = _Ledger()
    size = total = 0
    for event in trace.events:
        held = ledger.enter(event)
        if held.role not in _IN_LIVE_SET or event.action is Action.MOVE:
            continue
        size += held.requested(batch) * (1 if event.action is Action.ALLOCATE else -1)
        stage = event.stage or OUTSIDE
        layer = stage, event.module
        stages[stage] = max(stages.get(stage, 0), size)
        layers[layer] = max(layers.get(layer, 0), size)
        total = max(total, size)
    return Activations(total=total, stages=stages, layers=layers)
