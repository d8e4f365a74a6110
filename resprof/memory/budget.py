"""Does it fit: what a device leaves, and the largest batch that stays within it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from resprof.errors import UsageError
from resprof.memory.allocator import MemoryPeak, Shortage, with_context
from resprof.memory.overlay import Overlay, overlaid
from resprof.memory.replay import Replay, Stream, flatten, replay
from resprof.memory.rules import SEGMENT_STEP, AllocatorKind
from resprof.memory.trace import Trace
from resprof.model.recipe import Phase
from resprof.units import format_bytes

MARGIN = 0.05
"""The share of a device's memory that is kept free unless somebody says otherwise."""
WINDOW = 8
"""How many batch sizes are tried on either side of an answer; the next multiple of 8 is one."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The allocation that finds no memory; ``event`` is its index among those with the overlay."""

    event: int
    step: int
    phase: Phase
    stage: str
    module: str
    operator: str
    shortage: Shortage

    def json_fields(self) -> Mapping[str, object]:
        """The shortage beside the place."""
        return {
            "event": self.event,
            "step": self.step,
            "phase": self.phase,
            "stage": self.stage,
            "module": self.module,
            "operator": self.operator,
            "requested_bytes": self.shortage.requested_bytes,
            "device_bytes": self.shortage.device_bytes,
            "free_bytes": self.shortage.free_bytes,
            "allocated_bytes": self.shortage.allocated_bytes,
            "reserved_bytes": self.shortage.reserved_bytes,
        }


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


def search_largest(
    fits: Callable[[int], bool], upper: int, *, window: int = WINDOW
) -> tuple[int, CheckedWindow]:
    """The largest batch that fits together with every smaller one that was tried; 0 if none.

    ``upper`` is a batch above which nothing fits. Halving finds a candidate; then every batch
    around it is tried, and around what becomes of it, until nothing changes.
    """
    tried: dict[int, bool] = {}

    def try_out(batch: int) -> bool:
        if batch not in tried:
            tried[batch] = batch <= upper and fits(batch)
        return tried[batch]

    low, high = 0, upper + 1
    if not try_out(1):
        high = 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if try_out(middle) else (low, middle)
    answer = low
    while True:
        first, last = max(1, answer - window), answer + window
        for batch in range(first, last + 1):
            try_out(batch)
        failing = min(batch for batch, fitted in tried.items() if not fitted)
        if failing == answer + 1:
            break
        answer = failing - 1
    above = tuple(sorted(batch for batch, fitted in tried.items() if fitted and batch > answer))
    return answer, CheckedWindow(first=first, last=last, fits_above=above)


MOST_BATCH = 2**24
"""Where the search ends if nothing grows with the batch."""
MOST_ELEMENTS = 2**31
"""From here on kernels count in 64 bits: other paths, which predictions have not been held
against."""


def budget_limit(
    total_bytes: int, context_bytes: int, *, used_bytes: int = 0, margin: float = 0.0
) -> BudgetLimit:
    """What is left of a device; ``margin`` is a share of its total, from 0 to below 1.

    Raises ``UsageError`` where nothing is left.
    """
    if not 0 <= margin < 1:
        raise UsageError(
            f"a margin of {100 * margin:g}% is out of range", hint="write a margin such as 5%"
        )
    if used_bytes < 0:
        raise UsageError("the memory in use is negative", hint="write it like 2GiB")
    margin_bytes = math.ceil(total_bytes * margin)
    limit = total_bytes - context_bytes - used_bytes - margin_bytes
    if limit <= 0:
        raise UsageError(
            f"a budget of {format_bytes(total_bytes)} leaves nothing: the CUDA context takes "
            f"{format_bytes(context_bytes)}, {format_bytes(used_bytes)} is in use, the margin is "
            f"{format_bytes(margin_bytes)}",
            hint="give a larger --memory or a smaller --margin",
        )
    return BudgetLimit(
        total_bytes=total_bytes,
        context_bytes=context_bytes,
        used_bytes=used_bytes,
        margin_bytes=margin_bytes,
        limit_bytes=limit,
    )


def largest_batches(
    trace: Trace,
    limit: BudgetLimit,
    overlay: Overlay,
    *,
    kinds: Iterable[AllocatorKind] = AllocatorKind,
) -> tuple[BudgetRow, ...]:
    """The largest batch of a traced workload within a limit, for each kind of allocator.

    Raises ``ValueError`` for a trace that holds for one batch size only.
    """
    full = overlaid(trace, overlay)
    stream = flatten(full)
    if stream.fixed_batch is not None:
        raise ValueError("the trace is valid for one batch size only")
    return tuple(_Search(full, stream, kind, limit).row() for kind in kinds)


class _Search:
    """One allocator's answer."""

    def __init__(
        self, trace: Trace, stream: Stream, kind: AllocatorKind, limit: BudgetLimit
    ) -> None:
        self._trace = trace
        self._stream = stream
        self._kind = kind
        self._limit = limit

    def row(self) -> BudgetRow:
        upper = _bound(self._stream, self._limit.limit_bytes)
        batch, checked = search_largest(self._fits, upper)
        proven = _largest_proven(self._trace, batch)
        peak = with_context(self._replay(batch).peak, self._limit.context_bytes) if batch else None
        return BudgetRow(
            allocator=self._kind,
            max_batch=batch,
            max_batch_multiple_of_8=self._fitting_at_most(batch - batch % 8, step=8),
            unproven=proven < batch,
            max_proven_batch=self._fitting_at_most(proven, step=1),
            peak=peak,
            short_bytes=None if batch == MOST_BATCH else self._short(batch + 1),
            failure=self._failure(batch + 1),
            checked=checked,
        )

    def _replay(self, batch: int, more: int = 0) -> Replay:
        return replay(
            self._stream,
            batch,
            self._kind,
            capacity_bytes=self._limit.limit_bytes + more,
        )

    def _fits(self, batch: int) -> bool:
        return self._replay(batch).shortage is None

    def _fitting_at_most(self, batch: int, *, step: int) -> int:
        while batch > 0 and not self._fits(batch):
            batch -= step
        return batch

    def _short(self, batch: int) -> int:
        """How much more memory would do, in steps of segments: with one step less it fails."""
        # Segments are multiples of a step, so what the limit has beyond one is of no use.
        beyond = self._limit.limit_bytes % SEGMENT_STEP
        too_few, enough = 0, 1
        while self._replay(batch, enough * SEGMENT_STEP - beyond).shortage is not None:
            too_few, enough = enough, 2 * enough
        while enough - too_few > 1:
            steps = (too_few + enough) // 2
            if self._replay(batch, steps * SEGMENT_STEP - beyond).shortage is None:
                enough = steps
            else:
                too_few = steps
        return enough * SEGMENT_STEP - beyond

    def _failure(self, batch: int) -> Failure | None:
        ended = self._replay(batch)
        if ended.failed_at is None or ended.shortage is None:
            return None
        index = self._stream.events[ended.failed_at]
        event = self._trace.events[index]
        return Failure(
            event=index,
            step=event.step,
            phase=event.phase,
            stage=event.stage,
            module=event.module,
            operator=event.operator,
            shortage=ended.shortage,
        )


def _bound(stream: Stream, limit_bytes: int) -> int:
    """The largest batch whose requests alone stay within the limit: no larger one can fit."""
    low, high = 0, MOST_BATCH + 1
    while high - low > 1:
        middle = (low + high) // 2
        within = stream.peak_requested(middle) <= limit_bytes
        low, high = (middle, high) if within else (low, middle)
    return low


def _largest_proven(trace: Trace, batch: int) -> int:
    """The largest batch up to that one in which every tensor has fewer than 2^31 elements."""
    constant, per_image = trace.largest_elements
    if constant >= MOST_ELEMENTS:
        return 0
    if per_image == 0:
        return batch
    return min(batch, (MOST_ELEMENTS - 1 - constant) // per_image)
