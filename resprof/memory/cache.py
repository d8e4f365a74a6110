"""Traces on disk, found again by what they are of. Loads no torch.

A file is a zlib stream of one JSON object: the trace's fields, its events by columns, names once.
Readers see a whole file or none; whatever cannot be read, or is no trace that resprof could have
written, is as good as absent, and a cache that cannot be written to is none.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from pathlib import Path
from typing import Any

from resprof.codec import read_bytes
from resprof.errors import EnvironmentMissing, UsageError
from resprof.files import make_folder, write_whole
from resprof.memory.replay import flatten
from resprof.memory.trace import Action, Event, Role, Trace
from resprof.model.recipe import Phase

FORMAT = 1
"""Goes up when the file's form or the events of a trace change: older files are then not found."""

_COLUMNS = ("action", "block", "onto", "operator", "module", "stage", "phase", "step", "role")
_UNREADABLE = (
    UsageError,
    EnvironmentMissing,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    zlib.error,
)
_MOST_BYTES = 2**25
"""Of a file's content: a hundred times a ResNet-50's; what swells to more is no trace."""
_MOST = 2**62
_MOST_STEPS = 16
_HINT = "remove it"
_FAST = 1
"""zlib's level: the files are small, and a few bytes are not worth the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceCache:
    """The traces in ``directory``, which need not exist."""

    directory: Path

    def load(self, key: str, batch: int) -> Trace | None:
        """The trace of that key for that batch, None where there is none that can be read."""
        for name in (_name(key, None), _name(key, batch)):
            with suppress(*_UNREADABLE):
                trace = decode(read_bytes(self.directory / name, _HINT))
                if trace.key == key and holds_for(trace, batch):
                    _check(trace)
                    return trace
        return None

    def store(self, trace: Trace) -> None:
        """Keeps the trace, or does not where the directory cannot be written to."""
        only = trace.batches[0] if len(trace.batches) == 1 else None
        with suppress(UsageError, EnvironmentMissing):
            make_folder(self.directory, hint=_HINT)
            write_whole(self.directory / _name(trace.key, only), encode(trace))


def default_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """``resprof/traces`` below ``$XDG_CACHE_HOME``, or below ``~/.cache`` where that is not set."""
    base = environ.get("XDG_CACHE_HOME", "")
    # The specification has relative paths ignored.
    root = Path(base) if Path(base).is_absolute() else _at_home()
    return root / "resprof" / "traces"


def _at_home() -> Path:
    try:
        return Path("~/.cache").expanduser()
    except RuntimeError:  # a user without a home, as in a container
        return Path(os.devnull)  # below it nothing is kept


def holds_for(trace: Trace, batch: int) -> bool:
    """Whether the trace says what happens at that batch size."""
    if len(trace.batches) == 1:
        return batch == trace.batches[0]
    return batch >= min(trace.batches)


def encode(trace: Trace) -> bytes:
    """The trace as a file's content."""
    names: dict[str, int] = {}
    amounts: dict[int, tuple[int, int]] = {}
    columns: dict[str, list[int | None]] = {column: [] for column in _COLUMNS}
    for event in trace.events:
        amounts.setdefault(event.block, (event.constant, event.per_image))
        for column in _COLUMNS:
            value = getattr(event, column)
            if isinstance(value, str):  # enums among them
                value = names.setdefault(str(value), len(names))
            columns[column].append(value)
    document = {
        "format": FORMAT,
        "key": trace.key,
        "torch": trace.torch,
        "batches": trace.batches,
        "steps": trace.steps,
        "largest_elements": trace.largest_elements,
        "names": list(names),
        "amounts": [amounts[block] for block in sorted(amounts)],
        "columns": columns,
    }
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode(), _FAST)


def decode(content: bytes) -> Trace:
    """The trace of a file's content; one of several errors where that is none."""
    opened = zlib.decompressobj()
    text = opened.decompress(content, _MOST_BYTES)
    if not opened.eof:
        raise ValueError("it is cut off, or larger than any trace")
    document = json.loads(text)  # which takes a millisecond, less than loading msgspec
    if document["format"] != FORMAT:
        raise ValueError("a trace of another format")
    constant, per_image = document["largest_elements"]
    numbers = (*document["batches"], document["steps"], constant, per_image)
    if not _are_counts(numbers) or document["steps"] > _MOST_STEPS:
        raise ValueError("no batches and steps of a trace")
    return Trace(
        key=document["key"],
        torch=document["torch"],
        batches=tuple(document["batches"]),
        steps=document["steps"],
        events=_events(document),
        largest_elements=(constant, per_image),
    )


def _check(trace: Trace) -> None:
    """Raises one of several errors where events contradict each other or are of no step."""
    flatten(trace)
    if any(event.step > trace.steps for event in trace.events):
        raise ValueError("an event is of no step")


def _are_counts(values: Iterable[object], below: float = _MOST) -> bool:
    return all(type(value) is int and 0 <= value < below for value in values)


def _events(document: Any) -> tuple[Event, ...]:
    names, amounts = document["names"], document["amounts"]
    marks = chain.from_iterable(map(document["columns"].__getitem__, _COLUMNS))
    known = (mark for mark in marks if mark is not None)
    words = chain(names, (document["key"], document["torch"]))
    if not (
        _are_counts(chain(*amounts))
        and _are_counts(known, math.inf)
        and all(type(word) is str for word in words)
    ):
        raise ValueError("no amounts and names of a trace")
    actions, phases, roles = (_members(kind, names) for kind in (Action, Phase, Role))
    columns = (document["columns"][column] for column in _COLUMNS)
    return tuple(
        Event(
            action=actions[action],
            block=block,
            onto=onto,
            constant=amounts[block][0],
            per_image=amounts[block][1],
            operator=names[operator],
            module=names[module],
            stage=names[stage],
            phase=phases[phase],
            step=step,
            role=roles[role],
        )
        for action, block, onto, operator, module, stage, phase, step, role in zip(
            *columns, strict=True
        )
    )


def _members(kind: type[Enum], names: list[str]) -> dict[int, Any]:
    members = {member.value: member for member in kind}
    return {index: members[name] for index, name in enumerate(names) if name in members}


def _name(key: str, batch: int | None) -> str:
    """Content tells files apart; a trace for one batch only lies beside that for all."""
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"{digest}.trace" if batch is None else f"{digest}-{batch}.trace"
