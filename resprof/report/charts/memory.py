"""Memory against batch, where it meets what a device has."""

from __future__ import annotations

from collections.abc import Sequence

from resprof.records.chart import Axis, Chart, ChartKind, Guide, Point, Series
from resprof.records.fit import MemoryResult
from resprof.records.recipe import Mode, Recipe
from resprof.records.report import Fit
from resprof.records.table import Form, Origin
from resprof.report.charts.words import slug
from resprof.report.tables.recipe import calibration_text
from resprof.units import format_count, format_percent


def memory_chart(curves: Sequence[Sequence[MemoryResult]], fits: Sequence[Fit]) -> Chart:
    """A line for each recipe of one network; ``fits`` are the largest batches on some devices.

    Each of ``curves`` is one recipe at rising batch sizes.
    """
    first = curves[0][0]
    lines = tuple(
        Series(name=short_recipe(curve[0].recipe), origin=Origin.PREDICTED, points=_points(curve))
        for curve in curves
    )
    known = [fit for fit in fits if fit.max_batch and fit.needed_bytes]
    largest = Series(
        name="the largest batch that fits",
        origin=Origin.PREDICTED,
        joined=False,
        points=tuple(
            Point(x=fit.max_batch or 0, y=fit.needed_bytes, label=format_count(fit.max_batch or 0))
            for fit in known
        ),
    )
    limits = dict.fromkeys((fit.device_name, fit.memory_bytes) for fit in fits)
    return Chart(
        name=f"memory-{slug(first.model)}",
        title=f"{first.model}: GPU memory against batch, predicted",
        subtitle="tensors at their most and the CUDA context; what the allocator caches beside "
        "them goes where memory is short; "
        f"{calibration_text(first.calibrated_on)}; a device's memory as its vendor published it"
        f"{_kept_free(fits)}",
        kind=ChartKind.LINES,
        x=Axis(key="batch", title="batch", form=Form.COUNT, log=True),
        y=Axis(key="needed_bytes", title="memory needed", form=Form.BYTES, log=True),
        series=(*lines, *([largest] if known else [])),
        guides=tuple(
            Guide(y=memory, label=name, origin=Origin.PUBLISHED) for name, memory in limits
        ),
    )


def short_recipe(recipe: Recipe) -> str:
    """What tells recipes apart that are otherwise at their defaults."""
    kind = "training" if recipe.mode is Mode.TRAIN else "inference"
    return f"{kind}, {recipe.precision}"


def _points(curve: Sequence[MemoryResult]) -> tuple[Point, ...]:
    return tuple(Point(x=each.recipe.batch, y=each.peak.needed_bytes) for each in curve)


def _kept_free(fits: Sequence[Fit]) -> str:
    margin = fits[0].margin if fits else 0.0
    return f", {format_percent(margin, 0)} of it kept free" if margin else ""
