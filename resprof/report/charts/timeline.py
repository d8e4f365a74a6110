"""The course of memory over the steps that were traced."""

from __future__ import annotations

from resprof.records.chart import Axis, Chart, ChartKind, Point, Series, Span
from resprof.records.memory_course import CoursePhase, MemoryCourse
from resprof.records.table import Form, Origin
from resprof.report.charts.words import slug
from resprof.report.tables.recipe import recipe_text


def timeline_chart(course: MemoryCourse) -> Chart:
    """What the allocator holds, and what it has of the device, from event to event."""
    allocated = tuple(Point(x=each.event, y=each.allocated_bytes) for each in course.points)
    reserved = tuple(Point(x=each.event, y=each.reserved_bytes) for each in course.points)
    return Chart(
        name=f"timeline-{slug(course.model)}",
        title=f"{course.model}: the course of GPU memory over {_steps(course)}, predicted",
        subtitle=recipe_text(course.recipe),
        kind=ChartKind.COURSE,
        x=Axis(key="event", title="allocations and frees, one after the other", form=Form.COUNT),
        y=Axis(key="bytes", title="memory", form=Form.BYTES),
        series=(
            Series(name="allocated", origin=Origin.PREDICTED, points=allocated),
            Series(name="reserved", origin=Origin.PREDICTED, points=reserved),
        ),
        spans=tuple(_span(each) for each in course.phases),
    )


def _span(phase: CoursePhase) -> Span:
    detail = f"step {phase.step}" if phase.step else ""
    return Span(start=phase.start, end=phase.end, label=phase.phase.value, detail=detail)


def _steps(course: MemoryCourse) -> str:
    number = len({phase.step for phase in course.phases if phase.step})
    return "two training steps" if number == 2 else "one step" if number == 1 else f"{number} steps"
