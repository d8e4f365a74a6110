"""The tables of `resprof roofline`: what bounds it, row by row, or workload by workload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from resprof.answers.bench.tables import MEANING
from resprof.answers.flops.counts import Per
from resprof.answers.roofline.bounds import Bound, RooflineResult, RooflineRow
from resprof.answers.roofline.peaks import Peaks, PeakSource
from resprof.answers.workloads import FIELDS, configurations, recipe_text
from resprof.counting.traffic import Fusion
from resprof.errors import Note
from resprof.model.architecture import OPTIMIZER
from resprof.model.recipe import Mode, Recipe
from resprof.render.table import Column, Form, Origin, Table, Value
from resprof.units import format_percent, format_seconds, significant

_COUNTED, _PREDICTED, _MEASURED = Origin.COUNTED, Origin.PREDICTED, Origin.MEASURED


def bytes_moved(priority: int) -> Column:
    """What all passes move."""
    return Column(key="bytes", title="bytes", form=Form.BYTES, origin=_COUNTED, priority=priority)


def intensity(priority: int) -> Column:
    """Arithmetic intensity."""
    return Column(
        key="intensity",
        title="FLOP/byte",
        form=Form.NUMBER,
        origin=_COUNTED,
        priority=priority,
    )


def bound_by(priority: int) -> Column:
    """What bounds the larger part of the least time."""
    return Column(key="bound", title="bound by", origin=_PREDICTED, priority=priority)


def least_time(priority: int) -> Column:
    """By the peaks that stand in the title."""
    return Column(
        key="least_time_s",
        title="least time",
        form=Form.SECONDS,
        origin=_PREDICTED,
        priority=priority,
    )


def attainable(priority: int) -> Column:
    """The least time by measured peaks."""
    return Column(
        key="attainable_time_s",
        title="attainable",
        form=Form.SECONDS,
        origin=_PREDICTED,
        priority=priority,
    )


def most_images(priority: int) -> Column:
    """The rate that follows from the least time."""
    return Column(
        key="most_images_per_s",
        title="images/s at most",
        form=Form.NUMBER,
        origin=_PREDICTED,
        priority=priority,
    )


def reached(priority: int) -> Column:
    """The least time over the measured one."""
    return Column(
        key="achieved_share",
        title="reached",
        form=Form.SHARE,
        origin=_MEASURED,
        priority=priority,
    )


def pass_is(fusion: Fusion, recipe: Recipe) -> str:
    """What one pass is, in words."""
    match fusion:
        case Fusion.UNFUSED:
            return "each operator"
        case Fusion.WHOLE:
            return "the whole network"
        case Fusion.FUSED if recipe.mode is Mode.TRAIN:
            return "a convolution, or a batch norm with what follows"
        case _:
            return "a convolution with what follows"


def value_of(holder: object, key: str) -> Value:
    """A field as a cell holds it."""
    found: Value = getattr(holder, key)
    return found.value if isinstance(found, StrEnum) else found


_RATES = ("FLOP/s", "byte/s", "FLOP/byte at the ridge")


def bounds_table(result: RooflineResult) -> Table:
    """The same call with each notion of a pass."""
    columns = (
        Column(key="fusion", title="passes"),
        Column(key="pass_is", title="one pass is", priority=4),
        Column(key="passes", title="number", form=Form.COUNT, origin=Origin.COUNTED, priority=3),
        bytes_moved(2),
        intensity(3),
        bound_by(1),
        least_time(0),
        most_images(1),
        *([attainable(2)] if result.measured_peaks else ()),
        *([reached(0)] if result.total.measured_time_s is not None else ()),
    )
    return Table(
        name=f"roofline-bounds-{result.model}",
        title="How fast it could be at most",
        subtitle=_measured(result),
        columns=columns,
        rows=tuple(
            tuple(
                pass_is(each.fusion, result.recipe)
                if column.key == "pass_is"
                else value_of(each, column.key)
                for column in columns
            )
            for each in result.bounds
        ),
    )


def peaks_table(result: RooflineResult) -> Table:
    """The rates behind the bounds, each source in its column."""
    sources = [each for each in (result.peaks, result.measured_peaks) if each is not None]
    rates = zip(*map(_rates, sources), strict=True)
    both = len(sources) > 1
    reached = Column(key="share", title="reached", form=Form.SHARE, origin=Origin.MEASURED)
    return Table(
        name=f"roofline-peaks-{result.model}",
        title=f"Peaks of {result.peaks.device}, {result.peaks.arithmetic}",
        columns=(
            Column(key="rate", title="rate"),
            *map(_column, sources),
            *((reached,) if both else ()),
        ),
        rows=tuple(
            (name, *values, *((_share(name, values),) if both else ()))
            for name, values in zip(_RATES, rates, strict=True)
        ),
        notes=tuple(f"{each.source.capitalize()}: {each.how}." for each in sources),
    )


def _rates(peaks: Peaks) -> tuple[float, ...]:
    return peaks.flops_per_s, peaks.bandwidth_bytes_per_s, peaks.ridge


def _share(name: str, values: tuple[float, ...]) -> Value:
    """What of a printed rate was measured; of the ridge, which is no rate, that says nothing."""
    printed, measured = values
    return None if name == _RATES[-1] else measured / printed


def _column(peaks: Peaks) -> Column:
    printed = peaks.source is PeakSource.DATASHEET
    return Column(
        key=peaks.source.value,
        title=peaks.source.value,
        form=Form.SI,
        origin=Origin.PUBLISHED if printed else Origin.MEASURED,
    )


def _measured(result: RooflineResult) -> str:
    """The two ways in which a call was measured."""
    total = result.total
    parts = []
    if total.measured_time_s is not None:
        parts.append(f"{format_seconds(total.measured_time_s)} ({total.measured_by})")
    if total.measured_images_per_s is not None:
        parts.append(f"{significant(total.measured_images_per_s, 4)} images/s back to back")
    return f"measured: {', '.join(parts)}" if parts else ""


_OTHER = {Fusion.UNFUSED: Fusion.FUSED.value, Fusion.FUSED: Fusion.UNFUSED.value}
"""The code of the note on the notion of a pass that is not the rows'."""
_ALWAYS = ("model", "mode", "batch", "precision", "engine")
"""Columns of an overview that are there even where all workloads have the same."""
_PRIORITY = {"model": 0, "batch": 0, "precision": 0, "engine": 3}
"""Of an overview's columns; a mode, and what is there only because it differs, come between."""
_PART = Column(key="share", title="of call", form=Form.SHARE, origin=Origin.PREDICTED, priority=2)
_ACHIEVED = (
    Column(key="measured_time_s", title="time", form=Form.SECONDS, origin=Origin.MEASURED),
    Column(
        key="measured_flops_per_s",
        title="FLOP/s",
        form=Form.SI,
        origin=Origin.MEASURED,
        priority=3,
    ),
    reached(0),
)


def roofline_tables(results: Sequence[RooflineResult], notes: Sequence[Note]) -> list[Table]:
    """Rows, bounds and peaks of one workload; of several workloads a row each."""
    if len(results) > 1:
        tables = [overview_table(results)]
    else:
        (result,) = results
        phased = any(row.measured_time_s is not None for row in result.phases)
        phased = phased and not _staged(result)
        by_phase = [phases_table(result)] if phased else []
        tables = [rows_table(result), *by_phase, bounds_table(result), peaks_table(result)]
    unsaid = set.intersection(*({_OTHER.get(result.fusion)} for result in results))
    flags = dict.fromkeys(flag for result in results for flag in result.flags)
    sentences = [note.message for note in notes if note.code not in unsaid]
    sentences += [f"{flag}: {MEANING[flag]}" for flag in flags]
    return [*tables[:-1], replace(tables[-1], notes=(*tables[-1].notes, *sentences))]


def rows_table(result: RooflineResult) -> Table:
    """Stages, blocks or passes, and what bounds each."""
    achieved = _ACHIEVED if _staged(result) else ()
    columns = (*_place(result), *_figures(), _PART, *_attainable(result), *achieved)
    return Table(
        name=f"roofline-{result.model}",
        title=f"{result.model} on {result.peaks.device}: {_headline(result)}",
        subtitle=_subtitle(result),
        columns=columns,
        rows=tuple(tuple(_cell(row, column.key) for column in columns) for row in result.rows),
        total=_total(result, columns),
    )


def phases_table(result: RooflineResult) -> Table:
    """A training step by phase."""
    phase = Column(key="phase", title="phase")
    columns = (phase, *_figures(), _PART, *_attainable(result), *_ACHIEVED)
    return Table(
        name=f"roofline-phases-{result.model}",
        title="By phase",
        columns=columns,
        rows=tuple(tuple(_cell(row, column.key) for column in columns) for row in result.phases),
        total=_total(result, columns),
    )


def overview_table(results: Sequence[RooflineResult]) -> Table:
    """Several workloads, a row each, with all in which they differ."""
    first = results[0]
    measured = any(each.total.measured_time_s is not None for each in results)
    laid_out = configurations([result.workload for result in results], _ALWAYS)
    columns = (
        Column(key="fusion", title="passes", priority=4),
        *_figures(),
        most_images(4),
        *_attainable(first),
        *(_ACHIEVED if measured else ()),
        Column(key="flags", title="flags", priority=5),
    )
    return Table(
        name="roofline",
        title=f"{len(results)} workloads on {first.peaks.device}",
        subtitle="for the stages of one, narrow it down: a MODEL, --mode, --batch, --precision",
        columns=(
            *(replace(each, priority=_PRIORITY.get(each.key, 2)) for each in laid_out.columns),
            *columns,
        ),
        rows=tuple(
            (*cells, *(_of(result, column.key) for column in columns))
            for cells, result in zip(laid_out.cells, results, strict=True)
        ),
    )


def long_table(results: Sequence[RooflineResult]) -> Table:
    """All rows of all workloads, with the workload before each."""
    keys = tuple(RooflineRow.__dataclass_fields__)
    return Table(
        name="roofline",
        title="Roofline",
        columns=(
            *(column for column, _ in FIELDS),
            *(Column(key=key, title=key) for key in ("fusion", *keys)),
        ),
        rows=tuple(
            (
                *(value(result.workload) for _, value in FIELDS),
                result.fusion.value,
                *(value_of(row, key) for key in keys),
            )
            for result in results
            for row in result.rows
        ),
    )


def _place(result: RooflineResult) -> tuple[Column, ...]:
    """What a row is; the phase says nothing in inference."""
    phase = (Column(key="phase", title="phase"),) if result.recipe.mode is Mode.TRAIN else ()
    match result.per:
        case Per.STAGE:
            return (*phase, Column(key="stage", title="stage"))
        case Per.BLOCK:
            stage = Column(key="stage", title="stage", priority=6)
            return (*phase, stage, Column(key="block", title="block"))
        case Per.LAYER:
            return (
                *phase,
                Column(key="stage", title="stage", priority=6),
                Column(key="block", title="block", priority=6),
                Column(key="layer", title="layer"),
                Column(key="ops", title="pass", priority=1),
            )


def _figures() -> tuple[Column, ...]:
    return (
        Column(key="flops", title="FLOPs", form=Form.SI, origin=Origin.COUNTED, priority=4),
        bytes_moved(4),
        intensity(3),
        bound_by(1),
        Column(
            key="memory_share",
            title="by memory",
            form=Form.SHARE,
            origin=Origin.PREDICTED,
            priority=5,
        ),
        least_time(0),
    )


def _attainable(result: RooflineResult) -> tuple[Column, ...]:
    return (attainable(3),) if result.measured_peaks else ()


def _headline(result: RooflineResult) -> str:
    total = result.total
    mostly = total.memory_share if total.bound is Bound.MEMORY else 1 - total.memory_share
    bound = f"{format_percent(mostly, 0)} of it bound by {total.bound}"
    least = f"at least {format_seconds(total.least_time_s)}"
    if total.measured_time_s is None:
        return f"{least}, {bound}"
    measured = f"measured {format_seconds(total.measured_time_s)} on {result.measured_on}"
    return f"{least} ({bound}), {measured}"


def _subtitle(result: RooflineResult) -> str:
    return (
        f"{result.title}; {recipe_text(result.recipe)}; {result.fusion}: one pass is "
        f"{pass_is(result.fusion, result.recipe)}; ridge at "
        f"{significant(result.peaks.ridge, 4)} FLOP/byte"
    )


def _staged(result: RooflineResult) -> bool:
    """Whether stages were timed, and not whole phases only."""
    return any(row.measured_time_s is not None and row.stage != OPTIMIZER for row in result.rows)


def _of(result: RooflineResult, key: str) -> Value:
    """A field of a result or of its total."""
    if key == "flags":
        return ", ".join(flag.value for flag in result.flags) or None
    holders = (result, result.total)
    return value_of(next(holder for holder in holders if hasattr(holder, key)), key)


def _cell(row: RooflineRow, key: str) -> Value:
    if key in {"block", "layer"} and row.layer is None and row.block is None:
        return row.stage  # loss and update belong to no block
    return value_of(row, key)


def _total(result: RooflineResult, columns: Sequence[Column]) -> tuple[Value, ...]:
    """The totals; the first column that is always there says what they are."""
    name = next(column.key for column in columns if column.priority == 0)
    known: dict[str, Value] = {name: "total", "share": sum(row.share for row in result.rows)}
    return tuple(
        known[column.key]
        if column.key in known
        else value_of(result.total, column.key)
        if hasattr(result.total, column.key)
        else None
        for column in columns
    )
