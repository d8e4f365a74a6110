"""Does it fit: what a device leaves, and the largest batch that stays within it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from resprof.errors import Note, UsageError
from resprof.memory.overlay import Overlay, overlaid
from resprof.memory.prediction import (
    Budget,
    BudgetLimit,
    BudgetRow,
    CheckedWindow,
    Failure,
    assumptions_of,
    with_context,
)
from resprof.memory.replay import Full, Peaks, Stream, flatten, replay
from resprof.memory.rules import SEGMENT_STEP, AllocatorKind, AllocatorSettings
from resprof.memory.trace import Trace
from resprof.units import format_bytes

WINDOW = 8
"""How many batch sizes are tried on either side of an answer; the next multiple of 8 is one."""


def largest_batch(
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
            f"{format_bytes(context_bytes)}, {format_bytes(used_bytes)} are used, the margin is "
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


def budget(
    trace: Trace,
    limit: BudgetLimit,
    overlay: Overlay,
    *,
    kinds: Iterable[AllocatorKind] = AllocatorKind,
    assumptions: tuple[Note, ...] = (),
) -> Budget:
    """The largest batch of a traced workload within a limit, for each kind of allocator.

    Raises ``ValueError`` for a trace that holds for one batch size only.
    """
    full = overlaid(trace, overlay)
    stream = flatten(full)
    if stream.fixed_batch is not None:
        raise ValueError("the trace holds for one batch size only")
    settings = [AllocatorSettings(kind=kind) for kind in kinds]
    rows = tuple(_Search(full, stream, each, limit).row() for each in settings)
    modelled = [note for each in settings for note in assumptions_of(overlay, each)]
    return Budget(
        key=trace.key,
        torch=trace.torch,
        calibrated_on=overlay.calibrated_on,
        limit=limit,
        limit_bytes=limit.limit_bytes,
        max_batch=rows[0].max_batch,
        peak=rows[0].peak,
        rows=rows,
        assumptions=tuple(dict.fromkeys((*assumptions, *modelled))),
    )


class _Search:
    """One allocator's answer."""

    def __init__(
        self, trace: Trace, stream: Stream, settings: AllocatorSettings, limit: BudgetLimit
    ) -> None:
        self._trace = trace
        self._stream = stream
        self._settings = settings
        self._limit = limit

    def row(self) -> BudgetRow:
        upper = _bound(self._stream, self._limit.limit_bytes)
        batch, checked = largest_batch(self._fits, upper)
        proven = _largest_proven(self._trace, batch)
        return BudgetRow(
            allocator=self._settings.kind,
            max_batch=batch,
            max_batch_multiple_of_8=self._fitting_at_most(batch - batch % 8, step=8),
            unproven=proven < batch,
            max_proven_batch=self._fitting_at_most(proven, step=1),
            peak=with_context(self._replay(batch), self._limit.context_bytes) if batch else None,
            short_bytes=None if batch == MOST_BATCH else self._short(batch + 1),
            failure=self._failure(batch + 1),
            checked=checked,
        )

    def _replay(self, batch: int, more: int = 0) -> Peaks:
        return replay(
            self._stream,
            batch,
            self._settings,
            capacity_bytes=self._limit.limit_bytes + more,
        )

    def _fits(self, batch: int) -> bool:
        return self._replay(batch).full is None

    def _fitting_at_most(self, batch: int, *, step: int) -> int:
        while batch > 0 and not self._fits(batch):
            batch -= step
        return batch

    def _short(self, batch: int) -> int:
        """How much more memory would do, in steps of segments: with one step less it fails."""
        # Segments are multiples of a step, so what the limit has beyond one is of no use.
        beyond = self._limit.limit_bytes % SEGMENT_STEP
        too_few, enough = 0, 1
        while self._replay(batch, enough * SEGMENT_STEP - beyond).full is not None:
            too_few, enough = enough, 2 * enough
        while enough - too_few > 1:
            steps = (too_few + enough) // 2
            if self._replay(batch, steps * SEGMENT_STEP - beyond).full is None:
                enough = steps
            else:
                too_few = steps
        return enough * SEGMENT_STEP - beyond

    def _failure(self, batch: int) -> Failure | None:
        full = self._replay(batch).full
        return None if full is None else _failure_at(self._trace, self._stream, full)


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


def _failure_at(trace: Trace, stream: Stream, full: Full) -> Failure:
    index = stream.events[full.position]
    event = trace.events[index]
    return Failure(
        event=index,
        step=event.step,
        phase=event.phase,
        stage=event.stage,
        module=event.module,
        operator=event.operator,
        requested_bytes=full.requested,
        device_bytes=full.wanted,
        free_bytes=full.free,
        allocated_bytes=full.allocated,
        reserved_bytes=full.reserved,
    )
