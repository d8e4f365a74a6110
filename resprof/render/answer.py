"""What a command answers: one record per command, and the envelope that every JSON has."""

from __future__ import annotations

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
