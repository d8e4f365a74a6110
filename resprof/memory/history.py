"""What the allocator of a GPU did during a workload, and its file: a JSON line for each action."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
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
from resprof.memory.allocator import MemoryPeak
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


_NAME = "memory history"
_FORMAT = FileFormat(
    name=_NAME,
    kinds={_NAME: MemoryHistory},
    hint="record one on a GPU: resprof validate --device cuda --keep FOLDER",
)


def history_lines(history: MemoryHistory) -> Iterator[str]:
    """A history as JSON lines: a head that counts the events, then one line for each."""
    plain = to_plain(history)
    head = _FORMAT.head(_NAME) | plain | {"events": len(history.events)}
    yield json.dumps(head, separators=(",", ":")) + "\n"
    for event in plain["events"]:
        yield json.dumps(list(event.values()), separators=(",", ":")) + "\n"


def read_history(path: Path) -> MemoryHistory:
    """The history in a file; ``UsageError`` for one that is absent, cut off or another."""
    return history_of(read_text(path, _FORMAT.hint).splitlines(), printable_path(path))


def history_of(lines: Iterable[str], name: str = "this") -> MemoryHistory:
    """The way back; ``UsageError`` for lines that are not a whole history of this schema."""
    head, *events = [*lines] or [""]
    with refusing_unusable(_FORMAT, record_name(head, _FORMAT, name), name):
        plain = from_json(dict[str, object], head)
        if len(events) != plain.get("events"):
            raise ValueError(f"{len(events)} of {plain.get('events')} events are there")
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
    return history
