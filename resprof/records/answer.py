"""What a command answers: one record per command, and the envelope that every JSON has."""

from __future__ import annotations

from dataclasses import dataclass

from resprof.records.codec import SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something the reader should know beside the result; ``code`` is stable, for programs."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The envelope: ``results`` is always a list, ``environment`` is None where nothing ran."""

    schema: int = SCHEMA
    command: str
    results: tuple[object, ...]
    environment: object | None = None
    notes: tuple[Note, ...] = ()
