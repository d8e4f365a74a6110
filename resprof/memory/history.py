"""What the allocator of a GPU did during a workload: its file, and beside what was predicted.

The file has a JSON line for each action. A history is held against the traced events one by one,
and its requests are put through the model of the allocator.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from resprof.codec import (
    FileFormat,
    from_json,
    from_plain,
    read_text,
    record_name,
    refusing_unusable,
    to_plain,
)
from resprof.errors import printable_path
from resprof.memory.allocator import CachingAllocator, Levels, MemoryPeak, each_level
from resprof.memory.overlay import MATRIX_MULTIPLY
from resprof.memory.replay import flatten
from resprof.memory.trace import Trace
from resprof.model.environment import Environment
from resprof.model.recipe import Workload


class HistoryAction(StrEnum):
    """What the caching allocator did, in the words of torch.cuda.memory._snapshot()."""

    ALLOC = "alloc"
    FREE_REQUESTED = "free_requested"
    FREE_COMPLETED = "free_completed"
    """From here on the block can be used again; on one stream that is at once."""
    SEGMENT_ALLOC = "segment_alloc"
    SEGMENT_FREE = "segment_free"
    SEGMENT_MAP = "segment_map"
    SEGMENT_UNMAP = "segment_unmap"
    OOM = "oom"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEvent:
    """One action; ``bytes`` are those asked for, or a segment's.

    ``operator`` is torch's name (``aten.convolution``) of the innermost one that ran, empty where
    none did or none is known.
    """

    action: HistoryAction
    address: int
    bytes: int
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryHistory:
    """All that a process did to a GPU's memory in setup and two steps of a workload.

    ``step_starts`` has the index of the first event of each step; what comes before is setup.
    ``peak.process_bytes`` are the device's total less what was free at the end, so other processes
    on the device count as this one's, and so they do in ``context_bytes``, which are those less
    the segments. ``retries`` counts how often everything cached was given back.
    """

    workload: Workload
    environment: Environment
    total_bytes: int
    context_bytes: int
    peak: MemoryPeak
    retries: int
    step_starts: tuple[int, ...]
    events: tuple[HistoryEvent, ...]


_MOST_BYTES = 2**50
_NAME = "memory history"
HISTORY = FileFormat(
    name=_NAME,
    kinds={_NAME: MemoryHistory},
    hint="record one on a GPU: resprof validate --device cuda --keep FOLDER",
)


def history_lines(history: MemoryHistory) -> Iterator[str]:
    """A history as JSON lines: a head that counts the events, then one line for each."""
    plain = to_plain(history)
    head = HISTORY.head(_NAME) | plain | {"events": len(history.events)}
    yield json.dumps(head, separators=(",", ":")) + "\n"
    for event in plain["events"]:
        yield json.dumps(list(event.values()), separators=(",", ":")) + "\n"


def read_history(path: Path) -> MemoryHistory:
    """The history in a file; ``UsageError`` for one that is absent, cut off or another."""
    return history_of(read_text(path, HISTORY.hint).splitlines(), printable_path(path))


def history_of(lines: Iterable[str], name: str = "this") -> MemoryHistory:
    """The way back; ``UsageError`` for lines that are not a whole history of this schema."""
    head, *events = [*lines] or [""]
    with refusing_unusable(HISTORY, record_name(head, HISTORY, name), name):
        plain = from_json(dict[str, object], head)
        if len(events) != plain.get("events"):
            raise ValueError(f"{len(events)} of {plain.get('events')} events are present")
        names = HistoryEvent.__dataclass_fields__
        plain["events"] = [dict(zip(names, from_json(list, line), strict=True)) for line in events]
        return _consistent(from_plain(MemoryHistory, plain))


def _consistent(history: MemoryHistory) -> MemoryHistory:
    """The history, where its parts fit together."""
    starts = history.step_starts
    if list(starts) != sorted(starts) or not all(0 <= at <= len(history.events) for at in starts):
        raise ValueError("its steps do not begin one after another among its events")
    gpu = history.environment.gpu
    if gpu is None or not re.fullmatch(r"\d{1,2}\.\d", gpu.capability):
        raise ValueError("it names no GPU and its compute capability")
    if min(history.peak.requested_bytes, history.peak.allocated_bytes) < 1:
        raise ValueError("its peaks are no bytes")
    _refuse_impossible(history.events)
    return history


def _refuse_impossible(events: Sequence[HistoryEvent]) -> None:
    """Raises ``ValueError`` with the line of an event that no allocator had after those before."""
    live: set[int] = set()
    for line, event in enumerate(events, start=2):
        if not 0 <= event.bytes <= _MOST_BYTES or event.address < 0:
            raise ValueError(f"its line {line} has no such bytes at an address")
        if event.action is HistoryAction.ALLOC:
            if event.address in live:
                raise ValueError(f"its line {line} allocates at an address that is taken")
            live.add(event.address)
        elif event.action is HistoryAction.FREE_COMPLETED:
            if event.address not in live:
                raise ValueError(f"its line {line} frees a block that is older than the history")
            live.remove(event.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """An allocation that only one side has.

    ``operator`` and ``module`` are empty where unknown; on the GPU's side the module is that of
    the matched allocation before it.
    """

    step: int
    operator: str
    module: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMatch:
    """A recorded history beside the traced events, without what was predicted of workspaces.

    ``only_gpu`` and ``only_predicted`` are in order of execution; ``unexplained_bytes`` are those
    of ``only_gpu`` outside of convolutions, batch norms and matrix multiplies. ``lifetimes_differ``
    counts the matched blocks that go before another matched allocation on the GPU than predicted.
    """

    matched: int
    matched_bytes: int
    only_gpu: tuple[Unmatched, ...]
    only_predicted: tuple[Unmatched, ...]
    unexplained_bytes: int
    lifetimes_differ: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayCheck(Levels):
    """The peaks of the recorded requests put through the allocator model.

    ``exact`` says that all three peaks are the recorded ones and that the segments are after every
    event; ``first_difference`` is the index of the first event after which they are not.
    """

    exact: bool
    first_difference: int | None


_TAKING_MORE = ("convolution", "batch_norm")
_GROWING = frozenset({HistoryAction.SEGMENT_ALLOC, HistoryAction.SEGMENT_MAP})
_SHRINKING = frozenset({HistoryAction.SEGMENT_FREE, HistoryAction.SEGMENT_UNMAP})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """An allocation of either side, and the position of the event that ends it, if one does."""

    position: int
    freed: int | None
    step: int
    operator: str
    module: str
    bytes: int


def match_events(
    events: Sequence[HistoryEvent], step_starts: Sequence[int], trace: Trace, batch: int
) -> EventMatch:
    """Matches the allocations of each step by the bytes asked for, in order.

    ``trace`` is without an overlay, so workspaces are what only the GPU has. As many are matched
    as can be; among several ways to do that the choice is arbitrary, the bytes are the same.
    """
    recorded = list(_recorded(events, step_starts))
    predicted = list(_predicted(trace, batch))
    pairs: list[tuple[int, int]] = []
    for step in range(trace.steps + 1):
        ours = [index for index, made in enumerate(predicted) if made.step == step]
        theirs = [index for index, made in enumerate(recorded) if made.step == step]
        common = common_subsequence(
            [predicted[index].bytes for index in ours], [recorded[index].bytes for index in theirs]
        )
        pairs += [(ours[one], theirs[other]) for one, other in common]
    only_gpu = tuple(_only_gpu(recorded, predicted, pairs))
    matched = {one for one, _ in pairs}
    return EventMatch(
        matched=len(pairs),
        matched_bytes=sum(predicted[one].bytes for one, _ in pairs),
        only_gpu=only_gpu,
        only_predicted=tuple(
            _unmatched(made, made.module)
            for index, made in enumerate(predicted)
            if index not in matched
        ),
        unexplained_bytes=sum(item.bytes for item in only_gpu if not takes_more(item.operator)),
        lifetimes_differ=_lifetimes_differ(predicted, recorded, pairs),
    )


def takes_more(operator: str) -> bool:
    """Whether an operator is of those whose libraries take memory beside the results."""
    return operator in MATRIX_MULTIPLY or any(word in operator for word in _TAKING_MORE)


def common_subsequence(first: Sequence[int], second: Sequence[int]) -> list[tuple[int, int]]:
    """The positions of a longest common subsequence.

    Each row of the usual table is one integer: its lowest i bits have as many zeros as the first i
    elements have in common with the elements of ``second`` so far (Hyyro 2004, "Bit-parallel
    LCS-length computation revisited"). 4,000 elements a side take some ten milliseconds.
    """
    every = (1 << len(first)) - 1
    places: dict[int, int] = {}
    for index, value in enumerate(first):
        places[value] = places.get(value, 0) | 1 << index
    rows = [every]
    for value in second:
        row = rows[-1]
        equal = row & places.get(value, 0)
        rows.append(((row + equal) | (row - equal)) & every)
    pairs = []
    i, j = len(first), len(second)
    while i and j:
        if first[i - 1] == second[j - 1]:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif rows[j] >> (i - 1) & 1:  # nothing is lost without the last of the first
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def replay_history(events: Sequence[HistoryEvent], peak: MemoryPeak) -> ReplayCheck:
    """Puts recorded requests through the allocator model and compares with what was recorded.

    The history has to begin before the first allocation; ``ValueError`` where it does not.
    """
    model = CachingAllocator()
    address_of: dict[int, int] = {}
    reserved = 0
    difference = None
    for index, event in enumerate(events):
        if event.action in _GROWING:
            reserved += event.bytes
        elif event.action in _SHRINKING:
            reserved -= event.bytes
        elif event.action is HistoryAction.ALLOC:
            address_of[event.address] = model.allocate(event.bytes)
            if difference is None and reserved != model.reserved:
                difference = index
        elif event.action is HistoryAction.FREE_COMPLETED:
            if event.address not in address_of:
                raise ValueError(f"event {index} frees a block that is older than the history")
            model.free(address_of.pop(event.address))
    replayed = model.peak
    return ReplayCheck(
        requested_bytes=replayed.requested_bytes,
        allocated_bytes=replayed.allocated_bytes,
        reserved_bytes=replayed.reserved_bytes,
        exact=replayed == each_level(max, [peak]) and difference is None,
        first_difference=difference,
    )


def _recorded(events: Sequence[HistoryEvent], step_starts: Sequence[int]) -> Iterator[_Made]:
    freed: dict[int, int] = {}
    live: dict[int, int] = {}
    for index, event in enumerate(events):
        if event.action is HistoryAction.ALLOC:
            live[event.address] = index
        elif event.action is HistoryAction.FREE_COMPLETED and event.address in live:
            freed[live.pop(event.address)] = index
    for index, event in enumerate(events):
        if event.action is HistoryAction.ALLOC:
            yield _Made(
                position=index,
                freed=freed.get(index),
                step=sum(start <= index for start in step_starts),
                operator=event.operator,
                module="",
                bytes=event.bytes,
            )


def _predicted(trace: Trace, batch: int) -> Iterator[_Made]:
    stream = flatten(trace)
    requests = stream.requests(batch)
    freed = {~code: position for position, code in enumerate(stream.codes) if code < 0}
    for position, code in enumerate(stream.codes):
        if code >= 0:
            event = trace.events[stream.events[position]]
            yield _Made(
                position=position,
                freed=freed.get(code),
                step=event.step,
                operator=event.operator,
                module=event.module,
                bytes=requests[code],
            )


def _only_gpu(
    recorded: Sequence[_Made], predicted: Sequence[_Made], pairs: Sequence[tuple[int, int]]
) -> Iterator[Unmatched]:
    partner = {other: one for one, other in pairs}
    module = ""
    for index, made in enumerate(recorded):
        if index in partner:
            module = predicted[partner[index]].module
        else:
            yield _unmatched(made, module)


def _unmatched(made: _Made, module: str) -> Unmatched:
    return Unmatched(step=made.step, operator=made.operator, module=module, bytes=made.bytes)


def _lifetimes_differ(
    predicted: Sequence[_Made], recorded: Sequence[_Made], pairs: Sequence[tuple[int, int]]
) -> int:
    ours = _outlived([predicted[one] for one, _ in pairs])
    theirs = _outlived([recorded[other] for _, other in pairs])
    return sum(one != other for one, other in zip(ours, theirs, strict=True))


def _outlived(made: Sequence[_Made]) -> list[int | None]:
    """How many of these allocations there are before each one's end; None where it has none."""
    changes = sorted(
        [(each.position, None) for each in made]
        + [(each.freed, index) for index, each in enumerate(made) if each.freed is not None],
        key=lambda change: change[0],
    )
    outlived: list[int | None] = [None] * len(made)
    allocations = 0
    for _, index in changes:
        if index is None:
            allocations += 1
        else:
            outlived[index] = allocations
    return outlived
