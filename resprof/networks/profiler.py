"""The most memory that is live at once, by the allocation events of torch's CPU profiler."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch._C._profiler import _EventType
from torch.profiler import ProfilerActivity, profile, record_function

_MARK = "resprof: "
"""Heads the names of our own marks among the profiler's events."""

Mark = Callable[[str], None]
"""Told when a part of a run begins, and by what name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A block of ``bytes`` comes (above zero) or goes, or the part named ``mark`` begins.

    ``operator`` tells the outermost operator that is running, None outside of all.
    """

    time_ns: int
    address: int = 0
    bytes: int = 0
    operator: int | None = None
    mark: str | None = None


def profiled_peaks(run: Callable[[Mark], None]) -> dict[str, int]:
    """The most bytes that ``run`` has live at once above what it found, in each of its parts.

    Temporaries are left out: blocks that come and go within one outermost aten operator, which a
    GPU's kernels do not take. What comes before the first mark counts from there on.
    """
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as seen:
        run(_mark)
    results = seen.profiler.kineto_results if seen.profiler is not None else None
    if results is None:
        raise RuntimeError("the profiler has no results")
    changes = sorted(_changes(results.experimental_event_tree()), key=lambda change: change.time_ns)
    return _peaks(changes)


def _mark(name: str) -> None:
    with record_function(_MARK + name):
        pass


def _changes(roots: list[Any]) -> Iterator[_Change]:
    """The events below their operators; without recursion, for the trees are deep."""
    pending: list[tuple[Any, int | None]] = [(root, None) for root in roots]
    while pending:
        event, operator = pending.pop()
        if event.tag == _EventType.Allocation:
            yield _Change(
                time_ns=event.start_time_ns,
                address=event.extra_fields.ptr,
                bytes=event.extra_fields.alloc_size,
                operator=operator,
            )
        elif event.name.startswith(_MARK):
            yield _Change(time_ns=event.start_time_ns, mark=event.name.removeprefix(_MARK))
        is_operator = event.tag == _EventType.TorchOp and event.name.startswith("aten::")
        inner = event.id if operator is None and is_operator else operator
        pending.extend((child, inner) for child in event.children)


def _peaks(changes: list[_Change]) -> dict[str, int]:
    temporary = _temporaries(changes)
    part: str | None = None
    peaks: dict[str, int] = {}
    live = 0
    for index, change in enumerate(changes):
        if change.mark is not None:
            part = change.mark
        elif index not in temporary:
            live += change.bytes
        if part is not None:
            peaks[part] = max(peaks.get(part, 0), live)
    return peaks


def _temporaries(changes: list[_Change]) -> set[int]:
    """The indices of what comes and goes within one outermost operator."""
    found: set[int] = set()
    came: dict[int, int] = {}
    for index, change in enumerate(changes):
        if change.bytes > 0:
            came[change.address] = index
        elif change.address in came:
            start = came.pop(change.address)
            if change.operator is not None and changes[start].operator == change.operator:
                found |= {start, index}
    return found
