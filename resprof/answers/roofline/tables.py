"""The columns of `resprof roofline`, its tables by row or by workload."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter, itemgetter

from resprof.answers.flops.flops import Per
from resprof.answers.roofline.bounds import Bound, RooflineBound, RooflineResult
from resprof.answers.roofline.peaks import Peaks, PeakSource
from resprof.answers.workloads import differing_columns, recipe_text, workload_columns
from resprof.counting.traffic import Fusion
from resprof.errors import Note
from resprof.model.architecture import OPTIMIZER
from resprof.model.environment import Environment
from resprof.model.recipe import Mode, Recipe
from resprof.render.answer import Answer
from resprof.render.table import Column, Form, Origin, Table, Value, tabulate
from resprof.units import format_percent, format_seconds, significant


def _figure(key: str, title: str, form: Form, origin: Origin, priority: int) -> Column:
    return Column(key=key, title=title, form=form, origin=origin, priority=priority)


_COUNTED, _PREDICTED, _MEASURED = Origin.COUNTED, Origin.PREDICTED, Origin.MEASURED
_FUSION = Column(key="fusion", title="passes")
_PHASE = Column(key="phase", title="phase")
_STAGE = Column(key="stage", title="stage", priority=6)
_BLOCK = Column(key="block", title="block", priority=6)
_LAYER = Column(key="layer", title="layer")
_OPS = Column(key="ops", title="pass", priority=1)
_FLOPS = _figure("flops", "FLOPs", Form.SI, _COUNTED, 4)
_BYTES = _figure("bytes", "bytes", Form.BYTES, _COUNTED, 4)
_INTENSITY = _figure("intensity", "FLOP/byte", Form.NUMBER, _COUNTED, 3)
_BOUND = _figure("bound", "bound by", Form.TEXT, _PREDICTED, 1)
_MEMORY_SHARE = _figure("memory_share", "memory-bound", Form.SHARE, _PREDICTED, 5)
_LEAST_TIME = _figure("least_time_s", "minimum time", Form.SECONDS, _PREDICTED, 0)
_MOST_IMAGES = _figure("most_images_per_s", "max images/s", Form.NUMBER, _PREDICTED, 4)
_SHARE = _figure("share", "share", Form.SHARE, _PREDICTED, 2)
_ATTAINABLE = _figure("attainable_time_s", "attainable", Form.SECONDS, _PREDICTED, 3)
_TIME = _figure("measured_time_s", "time", Form.SECONDS, _MEASURED, 0)
_RATE = _figure("measured_flops_per_s", "FLOP/s", Form.SI, _MEASURED, 3)
_REACHED = _figure("achieved_share", "of roofline", Form.SHARE, _MEASURED, 0)

_FIGURES = (_FLOPS, _BYTES, _INTENSITY, _BOUND, _MEMORY_SHARE, _LEAST_TIME)
_ACHIEVED = (_TIME, _RATE, _REACHED)
_ROW_FIELDS = (
    _PHASE,
    _STAGE,
    _BLOCK,
    _LAYER,
    _OPS,
    *_FIGURES,
    _SHARE,
    _ATTAINABLE,
    *_ACHIEVED,
)
_FUSION_FIELDS = (
    _FUSION,
    _figure("passes", "number", Form.COUNT, _COUNTED, 3),
    _BYTES,
    _INTENSITY,
    _BOUND,
    _MEMORY_SHARE,
    _LEAST_TIME,
    _MOST_IMAGES,
    _ATTAINABLE,
    _REACHED,
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


def bounds_table(result: RooflineResult) -> Table:
    """The same call with each notion of a pass."""
    one_pass = Column(
        key="pass_is",
        title="one pass",
        priority=4,
        value=lambda bound: pass_is(bound.fusion, result.recipe),
    )
    shown = {_BYTES: 2, _MOST_IMAGES: 1, _ATTAINABLE: 2}
    hidden = {_MEMORY_SHARE}
    if result.measured_peaks is None:
        hidden.add(_ATTAINABLE)
    if result.total.measured_time_s is None:
        hidden.add(_REACHED)
    fusion, *figures = (
        replace(column, priority=shown.get(column, column.priority))
        for column in _FUSION_FIELDS
        if column not in hidden
    )
    return tabulate(
        (fusion, one_pass, *figures),
        result.bounds,
        name=f"roofline-bounds-{result.model}",
        title="Upper bounds on speed",
        subtitle=_measured(result),
    )


_RATES = (
    ("FLOP/s", attrgetter("flops_per_s")),
    ("byte/s", attrgetter("bandwidth_bytes_per_s")),
    ("FLOP/byte at the ridge", attrgetter("ridge")),
)


def peaks_table(result: RooflineResult) -> Table:
    """The rates behind the bounds, each source in its column, and what of a rate was measured."""
    sources = [each for each in (result.peaks, result.measured_peaks) if each is not None]
    reached = Column(
        key="share",
        title="of datasheet",
        form=Form.SHARE,
        origin=Origin.MEASURED,
        value=lambda rate: _reached(rate[1], result),
    )
    return tabulate(
        (
            Column(key="rate", title="rate", value=itemgetter(0)),
            *map(_source, sources),
            *((reached,) if len(sources) > 1 else ()),
        ),
        _RATES,
        name=f"roofline-peaks-{result.model}",
        title=f"Peaks of {result.peaks.device}, {result.peaks.arithmetic}",
        notes=tuple(f"{each.source.capitalize()}: {each.how}." for each in sources),
    )


def _source(peaks: Peaks) -> Column:
    printed = peaks.source is PeakSource.DATASHEET
    return Column(
        key=peaks.source.value,
        title=peaks.source.value,
        form=Form.SI,
        origin=Origin.PUBLISHED if printed else Origin.MEASURED,
        value=lambda rate: rate[1](peaks),
    )


def _reached(read: Callable[[Peaks], float], result: RooflineResult) -> float | None:
    """The measured over the printed rate; None for the ridge, which is no rate."""
    if read is _RATES[-1][1] or result.measured_peaks is None:
        return None
    return read(result.measured_peaks) / read(result.peaks)


def _measured(result: RooflineResult) -> str:
    """The two ways in which a call was measured."""
    measured = result.measured
    parts = []
    if measured.call_s is not None:
        parts.append(f"{format_seconds(measured.call_s)} ({measured.by})")
    if measured.images_per_s is not None:
        parts.append(f"{significant(measured.images_per_s, 4)} images/s back to back")
    return f"measured: {', '.join(parts)}" if parts else ""


_OTHER = {Fusion.UNFUSED: Fusion.FUSED.value, Fusion.FUSED: Fusion.UNFUSED.value}
"""The code of the note on the notion of a pass that is not the rows'."""
_ALWAYS = ("model", "mode", "batch", "precision", "engine")
"""Columns of an overview that are there even where all workloads have the same."""
_PRIORITY = {"model": 0, "batch": 0, "precision": 0, "engine": 3}
"""Of an overview's columns; a mode, and what is there only because it differs, come between."""


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
    sentences += [f"{flag}: {flag.meaning}" for flag in flags]
    return [*tables[:-1], replace(tables[-1], notes=(*tables[-1].notes, *sentences))]


def rows_table(result: RooflineResult) -> Table:
    """Stages, blocks or passes, and what bounds each."""
    return tabulate(
        _columns(result, _place(result), achieved=_staged(result)),
        result.rows,
        name=f"roofline-{result.model}",
        title=f"{result.model} on {result.peaks.device}: {_headline(result)}",
        subtitle=_subtitle(result),
    )


def phases_table(result: RooflineResult) -> Table:
    """A training step by phase."""
    return tabulate(
        _columns(result, (_PHASE,), achieved=True),
        result.phases,
        name=f"roofline-phases-{result.model}",
        title="By phase",
    )


def _columns(
    result: RooflineResult, place: Sequence[Column], *, achieved: bool
) -> tuple[Column, ...]:
    """Columns whose last line is the whole call; the first that is always there says so."""
    first = next(column for column in place if column.priority == 0)

    def with_total(column: Column) -> Column:
        return replace(column, total=lambda _: column.cell(result.total))

    return (
        *(replace(c, total=lambda _: "total") if c is first else c for c in place),
        *map(with_total, _FIGURES),
        replace(_SHARE, total=lambda _: sum(row.share for row in result.rows)),
        *map(with_total, (*_attainable(result), *(_ACHIEVED if achieved else ()))),
    )


def overview_table(results: Sequence[RooflineResult]) -> Table:
    """Several workloads, a row each, with all in which they differ."""
    first = results[0]
    measured = any(each.total.measured_time_s is not None for each in results)
    of_workload, _ = differing_columns(results, _ALWAYS)
    total = attrgetter("total")
    return tabulate(
        (
            *(replace(each, priority=_PRIORITY.get(each.key, 2)) for each in of_workload),
            replace(_FUSION, priority=4),
            *(column.of(total) for column in (*_FIGURES, _MOST_IMAGES, *_attainable(first))),
            *(column.of(total) for column in (_ACHIEVED if measured else ())),
            Column(
                key="flags",
                title="flags",
                priority=5,
                value=lambda result: ", ".join(flag.value for flag in result.flags) or None,
            ),
        ),
        results,
        name="roofline",
        title=f"{len(results)} workloads on {first.peaks.device}",
        subtitle="for the stages of one, narrow it down with MODEL, --mode, --batch or --precision",
    )


def long_table(results: Sequence[RooflineResult]) -> Table:
    """All rows of all workloads, with the workload before each."""
    return tabulate(
        (
            *(column.of(itemgetter(0)) for column in workload_columns()),
            *(column.of(itemgetter(1)) for column in (_FUSION, *_ROW_FIELDS)),
        ),
        [(result, row) for result in results for row in result.rows],
        name="roofline",
        title="Roofline",
    )


def _place(result: RooflineResult) -> tuple[Column, ...]:
    """What a row is; the phase says nothing in inference."""
    phase = (_PHASE,) if result.recipe.mode is Mode.TRAIN else ()
    match result.per:
        case Per.STAGE:
            return (*phase, replace(_STAGE, priority=0))
        case Per.BLOCK:
            return (*phase, _STAGE, replace(_or_stage(_BLOCK), priority=0))
        case Per.LAYER:
            return (*phase, _STAGE, _or_stage(_BLOCK), _or_stage(_LAYER), _OPS)


def _or_stage(column: Column) -> Column:
    """The column with the stage of what belongs to no block: the loss and the update."""

    def value(row: RooflineBound) -> Value:
        return row.stage if row.block is None and row.layer is None else column.cell(row)

    return replace(column, value=value)


def _attainable(result: RooflineResult) -> tuple[Column, ...]:
    return (_ATTAINABLE,) if result.measured_peaks else ()


def _headline(result: RooflineResult) -> str:
    total = result.total
    by_memory = total.memory_share or 0.0
    mostly = by_memory if total.bound is Bound.MEMORY else 1 - by_memory
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


def roofline_answer(
    results: Sequence[RooflineResult],
    notes: tuple[Note, ...] = (),
    environment: Environment | None = None,
) -> Answer[RooflineResult]:
    """What bounds each workload; ``environment`` is that of a run, where one is held against it."""
    return Answer(
        command="roofline",
        results=tuple(results),
        environment=environment,
        notes=notes,
        tables=lambda: roofline_tables(results, notes),
        sheets=lambda: [long_table(results)],
    )
