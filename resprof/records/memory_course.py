"""The course of memory through the events of a trace, in as many points as a picture needs."""

from __future__ import annotations

from dataclasses import dataclass

from resprof.records.recipe import Recipe
from resprof.records.trace import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class CoursePoint:
    """The most bytes from this event up to the next point's."""

    event: int
    requested_bytes: int
    allocated_bytes: int
    reserved_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CoursePhase:
    """A phase of a step, from its first event up to the ``end``, which is the next phase's."""

    step: int
    phase: Phase
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryCourse:
    """What a workload holds, predicted; ``events`` is how many allocations and frees there are."""

    model: str
    recipe: Recipe
    events: int
    points: tuple[CoursePoint, ...]
    phases: tuple[CoursePhase, ...]
