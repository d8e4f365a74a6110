"""What a command answers: one record per command, and the envelope that every JSON has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resprof.codec import SCHEMA
from resprof.errors import Note


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The envelope: ``results`` is always a list, ``environment`` is None where nothing ran."""

    schema: int = SCHEMA
    command: str
    results: tuple[object, ...]
    environment: object | None = None
    notes: tuple[Note, ...] = ()


def of_all(rows: Sequence[object]) -> dict[str, object]:
    """A result that is of no single model: rows, and None for all that a model would have."""
    return {"model": None, "recipe": None, "rows": rows, "total": None}
