"""What `resprof compare --fail-on` asks, and what it answers no to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from resprof.records.comparison import ComparedResult, ComparedRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Increase over the baseline, as a fraction, from which on a configuration fails.

    None is not checked.
    """

    slower: float | None = None
    memory: float | None = None
    energy: float | None = None


class Reason(StrEnum):
    """Why a configuration fails; the last three with ``--strict`` only."""

    SLOWER = "slower"
    MEMORY = "memory"
    ENERGY = "energy"
    BROKEN = "broken"
    """The candidate ran out of memory, failed or hung where the baseline was measured."""
    INCONCLUSIVE = "inconclusive"
    UNKNOWN = "unknown"
    """One side has no such figure, so the question has no answer."""
    MISSING = "missing"
    """The candidate has not measured what the baseline has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A configuration that fails, and in what; ``row`` is None where it is in no one quantity."""

    reason: Reason
    result: ComparedResult
    row: ComparedRow | None
