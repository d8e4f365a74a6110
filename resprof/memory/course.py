"""The course of memory: a replay, thinned to as many points as a picture needs."""

from __future__ import annotations

from itertools import groupby

from resprof.memory.allocator import DEFAULT
from resprof.memory.overlay import Overlay, overlaid
from resprof.memory.replay import History, follow
from resprof.memory.stream import Stream, flatten
from resprof.records.memory import AllocatorSettings
from resprof.records.memory_course import CoursePhase, CoursePoint, MemoryCourse
from resprof.records.recipe import Recipe
from resprof.records.trace import Trace

MOST_POINTS = 320
"""About one for every two pixels of a chart's width."""


def course(
    model: str,
    recipe: Recipe,
    trace: Trace,
    overlay: Overlay,
    settings: AllocatorSettings = DEFAULT,
    *,
    most_points: int = MOST_POINTS,
) -> MemoryCourse:
    """What ``recipe.batch`` holds from event to event; no phase shares a point with another."""
    full = overlaid(trace, overlay)
    stream = flatten(full)
    history = follow(stream, recipe.batch, settings)
    phases = tuple(_phases(full, stream))
    step = max(1, -(-len(stream.codes) // most_points))
    points = [
        _point(history, start, min(start + step, phase.end))
        for phase in phases
        for start in range(phase.start, phase.end, step)
    ]
    return MemoryCourse(
        model=model,
        recipe=recipe,
        events=len(stream.codes),
        points=tuple(points),
        phases=phases,
    )


def _phases(trace: Trace, stream: Stream) -> list[CoursePhase]:
    found, start = [], 0
    in_order = (trace.events[index] for index in stream.events)
    for (step, phase), events in groupby(in_order, key=lambda event: (event.step, event.phase)):
        end = start + sum(1 for _ in events)
        found.append(CoursePhase(step=step, phase=phase, start=start, end=end))
        start = end
    return found


def _point(history: History, start: int, end: int) -> CoursePoint:
    return CoursePoint(
        event=start,
        requested_bytes=max(history.requested[start:end]),
        allocated_bytes=max(history.allocated[start:end]),
        reserved_bytes=max(history.reserved[start:end]),
    )
