"""The tables of `resprof memory` and `resprof budget`, and what fits where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from operator import itemgetter
from typing import Any

from resprof.answers.memory.fit import BudgetResult, Fit
from resprof.answers.workloads import calibration_text, recipe_text, training_text
from resprof.memory.budget import BudgetLimit
from resprof.memory.prediction import MemoryResult
from resprof.model.devices import Device
from resprof.model.recipe import Mode, Recipe
from resprof.render.table import Column, Form, Origin, Table, tabulate
from resprof.units import format_bytes, format_count, format_percent, format_shape

_PREDICTED = Origin.PREDICTED
_LEVELS = (
    ("requested", "what tensors asked for"),
    ("allocated", "the blocks that hold them: torch.cuda.max_memory_allocated"),
    ("reserved", "the segments that hold those: torch.cuda.max_memory_reserved"),
    ("process", "with the CUDA context: what the driver shows"),
)


def _bytes(
    key: str,
    title: str,
    priority: int = 0,
    value: Callable[[Any], object] | None = None,
    total: Callable[[Sequence[Any]], int] | None = None,
) -> Column:
    """A column of predicted bytes."""
    return Column(
        key=key,
        title=title,
        form=Form.BYTES,
        origin=_PREDICTED,
        priority=priority,
        value=value,
        total=total,
    )


def _batch(
    key: str, title: str, priority: int = 0, value: Callable[[Any], object] | None = None
) -> Column:
    """A column of predicted batch sizes."""
    return Column(
        key=key,
        title=title,
        form=Form.COUNT,
        origin=_PREDICTED,
        priority=priority,
        value=value,
    )


def _of_recipe(
    key: str, title: str | None = None, form: Form = Form.TEXT, priority: int = 0
) -> Column:
    """A column of what the recipe says."""
    return Column(
        key=key,
        title=title or key,
        form=form,
        priority=priority,
        value=lambda result: getattr(result.recipe, key),
    )


def _of_result(*columns: Column) -> tuple[Column, ...]:
    """The columns of results where a row is a pair of one and one of its rows."""
    return tuple(_in_pair(0, column) for column in columns)


def _of_row(*columns: Column) -> tuple[Column, ...]:
    """The columns of a result's rows where a row is such a pair."""
    return tuple(_in_pair(1, column) for column in columns)


def _in_pair(place: int, column: Column) -> Column:
    return replace(column, value=lambda pair: column.cell(pair[place]))


def _pairs(results: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Every row of every result, with the result that it is of."""
    return ((result, row) for result in results for row in result.rows)


_MODEL = Column(key="model", title="model")
_COUNTED_BATCH = _of_recipe("batch", form=Form.COUNT)
_STAGE_COLUMNS = (
    Column(key="stage", title="stage"),
    _bytes("activation_bytes", "activations"),
    _bytes("at_peak_bytes", "at the peak"),
)


def memory_tables(result: MemoryResult) -> list[Table]:
    """One workload: peaks, what is live at the peak, stages, and memory over the steps' phases."""
    return [
        _peak_table(result),
        _kinds_table(result),
        _stages_table(result),
        _phases_table(result),
    ]


def memory_overview(results: Sequence[MemoryResult]) -> Table:
    """Several workloads, a row each."""
    return tabulate(
        (
            _MODEL,
            _of_recipe("mode", priority=2),
            _of_recipe("precision"),
            _COUNTED_BATCH,
            _bytes("requested_bytes", "requested", 3, lambda each: each.peak.requested_bytes),
            _bytes("allocated_bytes", "allocated", 0, lambda each: each.peak.allocated_bytes),
            _bytes("reserved_bytes", "reserved", 1, lambda each: each.peak.reserved_bytes),
            _bytes("process_bytes", "process", 0, lambda each: each.peak.process_bytes),
            _bytes("process_low_bytes", "from", 2, lambda each: each.band.low.process_bytes),
            _bytes("process_high_bytes", "to", 2, lambda each: each.band.high.process_bytes),
            _bytes("activation_bytes", "activations", 1),
        ),
        results,
        name="memory",
        title="Predicted GPU memory",
        subtitle=calibration_text(results[0].calibrated_on),
    )


def memory_sheet(results: Sequence[MemoryResult]) -> Table:
    """Every stage of every workload in a row, with recipe and peaks in each, for CSV."""
    return tabulate(
        (
            *_of_result(
                _MODEL,
                *(_of_recipe(field.name) for field in fields(Recipe)),
                Column(key="allocator", title="allocator"),
            ),
            *_of_row(*_STAGE_COLUMNS),
            *_of_result(
                *(_peak_column(level) for level, _ in _LEVELS),
                *(_band_column(side) for side in ("low", "high")),
            ),
        ),
        _pairs(results),
        name="memory",
        title="Predicted GPU memory",
    )


def _peak_column(level: str) -> Column:
    key = f"peak_{level}_bytes"
    return _bytes(key, key, value=lambda result: getattr(result.peak, f"{level}_bytes"))


def _band_column(side: str) -> Column:
    key = f"band_{side}_allocated_bytes"
    return _bytes(key, key, value=lambda result: getattr(result.band, side).allocated_bytes)


def stage_rows(results: Sequence[MemoryResult]) -> Table:
    """Every stage of every workload in a row, for readers."""
    return tabulate(
        (
            *_of_result(_MODEL, _of_recipe("precision"), _COUNTED_BATCH),
            *_of_row(*_STAGE_COLUMNS),
        ),
        _pairs(results),
        name="memory",
        title="Predicted GPU memory",
    )


def _peak_table(result: MemoryResult) -> Table:
    def of(peak: object) -> Callable[[tuple[str, str]], object]:
        return lambda level: getattr(peak, f"{level[0]}_bytes")

    return tabulate(
        (
            Column(key="level", title="peak", value=itemgetter(0)),
            _bytes("bytes", "bytes", 0, of(result.peak)),
            _bytes("low_bytes", "from", 1, of(result.band.low)),
            _bytes("high_bytes", "to", 1, of(result.band.high)),
            Column(
                key="what", title="what it is", form=Form.PROSE, priority=2, value=itemgetter(1)
            ),
        ),
        _LEVELS,
        name=f"memory-{result.model}",
        title=f"{result.model}: {result.title}",
        subtitle=f"predicted for a {recipe_text(result.recipe)}; "
        f"{result.allocator} allocator; {calibration_text(result.calibrated_on)}",
    )


def _kinds_table(result: MemoryResult) -> Table:
    return tabulate(
        (
            Column(key="kind", title="kind", total=lambda _: "total"),
            _bytes("bytes", "bytes", total=lambda rows: sum(row.bytes for row in rows)),
            Column(
                key="share",
                title="share",
                form=Form.SHARE,
                origin=_PREDICTED,
                value=lambda live: live.bytes / result.peak.allocated_bytes,
                total=lambda _: 1.0,
            ),
        ),
        result.at_peak,
        name=f"at-peak-{result.model}",
        title="What is live at the allocated peak",
    )


def _stages_table(result: MemoryResult) -> Table:
    kept = (
        "kept for backward, live at the end of forward, without parameters and input"
        if result.recipe.mode is Mode.TRAIN
        else "the largest live set of each stage; in all, that of the whole network"
    )
    return tabulate(
        (
            Column(key="stage", title="stage", total=lambda _: "total"),
            _bytes("activation_bytes", "activations", total=lambda _: result.activation_bytes),
            _bytes(
                "at_peak_bytes",
                "live at the peak",
                total=lambda rows: sum(row.at_peak_bytes for row in rows),
            ),
        ),
        result.rows,
        name=f"stages-{result.model}",
        title="By stage",
        subtitle=f"activations: {kept}",
    )


def _phases_table(result: MemoryResult) -> Table:
    return tabulate(
        (
            Column(key="step", title="step", form=Form.COUNT),
            Column(key="phase", title="phase"),
            _bytes(
                "peak_allocated_bytes",
                "peak allocated",
                0,
                lambda phase: phase.peak.allocated_bytes,
            ),
            _bytes(
                "end_allocated_bytes", "left allocated", 1, lambda phase: phase.end.allocated_bytes
            ),
            _bytes(
                "peak_reserved_bytes", "peak reserved", 2, lambda phase: phase.peak.reserved_bytes
            ),
        ),
        result.phases,
        name=f"timeline-{result.model}",
        title="The course of it",
    )


_BUDGET_COLUMNS = (
    Column(key="allocator", title="allocator"),
    _batch("max_batch", "largest"),
    _batch("max_batch_multiple_of_8", "multiple of 8", 1),
    _bytes("allocated_bytes", "allocated", 3, lambda row: row.peak and row.peak.allocated_bytes),
    _bytes("reserved_bytes", "reserved", 2, lambda row: row.peak and row.peak.reserved_bytes),
    _bytes("process_bytes", "process", 2, lambda row: row.peak and row.peak.process_bytes),
    _bytes("short_bytes", "one more lacks", 1),
    Column(key="max_proven_batch", title="below 2^31", form=Form.COUNT, priority=4),
)


_BUDGETED = (
    _MODEL,
    _of_recipe("mode"),
    Column(key="image", title="image", value=lambda result: format_shape(result.recipe.image)),
    _of_recipe("precision"),
    _of_recipe("memory_format", "layout"),
    Column(key="training", title="optimizer", value=lambda result: training_text(result.recipe)),
    _bytes("total_bytes", "in all", value=lambda result: result.limit.total_bytes),
    _bytes("limit_bytes", "budget"),
)
"""What a row of a CSV file needs beside the answer, to stand among those of others."""


def budget_table(results: Sequence[BudgetResult]) -> Table:
    """The largest batch of each network with each kind of allocator."""
    return _budget_table(results, (_MODEL,))


def budget_sheets(results: Sequence[BudgetResult]) -> list[Table]:
    """Rows of one shape for CSV: those of the grids, where every result has one.

    Otherwise the table's rows, each with its recipe and its budget.
    """
    if all(result.grid is not None for result in results):
        return [grid_table(result) for result in results]
    return [_budget_table(results, _BUDGETED)]


def _budget_table(results: Sequence[BudgetResult], before: Sequence[Column]) -> Table:
    limit = results[0].limit
    return tabulate(
        (*_of_result(*before), *_of_row(*_BUDGET_COLUMNS)),
        _pairs(results),
        name="budget",
        title=f"The largest batch within {format_bytes(limit.total_bytes)}, predicted",
        subtitle=f"{recipe_text(results[0].recipe, batch=False)}; "
        f"{calibration_text(results[0].calibrated_on)}",
        notes=(
            _limit_sentence(limit),
            "Below 2^31: the largest at which every tensor has fewer elements than that.",
            *(sentence for result in results for sentence in _answers(result)),
        ),
    )


def grid_table(result: BudgetResult) -> Table:
    """The largest batch over precision, checkpointing and optimiser."""
    return tabulate(
        (
            Column(key="model", title="model", priority=1, value=lambda _: result.model),
            Column(key="precision", title="precision"),
            Column(key="checkpoint", title="checkpoint"),
            Column(key="optimizer", title="optimizer"),
            _batch("max_batch", "largest"),
            _batch("max_batch_multiple_of_8", "multiple of 8", 2),
            Column(key="unproven", title="unproven", priority=3),
        ),
        result.grid or (),
        name=f"grid-{result.model}",
        title=f"{result.model}: the largest batch by recipe, predicted",
        subtitle="default allocator; otherwise as above",
    )


def _limit_sentence(limit: BudgetLimit) -> str:
    return (
        f"The budget: {format_bytes(limit.total_bytes)} in all, less "
        f"{format_bytes(limit.context_bytes)} context, "
        f"{format_bytes(limit.used_bytes)} in use and "
        f"{format_bytes(limit.margin_bytes)} margin, leaves "
        f"{format_bytes(limit.limit_bytes)}."
    )


def _answers(result: BudgetResult) -> list[str]:
    """What a table cannot say: nothing fits, unproven, not monotone."""
    sentences = []
    for row in result.rows:
        where = f"{result.model}, {row.allocator} allocator"
        if row.max_batch == 0:
            sentences.append(f"{where}: not even a batch of one fits.")
        if row.unproven:
            sentences.append(
                f"{where}: {row.max_batch} is unproven, since a tensor passes 2^31 elements there; "
                f"below that the largest is {row.max_proven_batch}."
            )
        if row.checked.fits_above:
            above = ", ".join(str(batch) for batch in row.checked.fits_above)
            sentences.append(f"{where}: fitting is not monotone here; {above} would fit too.")
    checked = result.rows[0].checked
    sentences.append(
        f"{result.model}: every batch from {checked.first} to {checked.last} was replayed."
    )
    return sentences


_TITLE = "The largest batch that fits, predicted"


def recipe_words(recipe: Recipe) -> str:
    """What tells the recipes of this table apart."""
    return f"{'training' if recipe.mode is Mode.TRAIN else 'inference'}, {recipe.precision}"


def fits_matrix(fits: Sequence[Fit], torch: str) -> Table:
    """A row for each network and recipe, a column for each device."""
    batches = {(fit.model, fit.recipe, fit.device): fit.max_batch for fit in fits}

    def on(device: Device) -> Column:
        return _batch(
            f"{device.id}_max_batch",
            device.name,
            value=lambda row: batches.get((*row, device)),
        )

    return tabulate(
        (
            Column(key="model", title="model", value=itemgetter(0)),
            Column(key="recipe", title="recipe", value=lambda row: recipe_words(row[1])),
            *(on(device) for device in dict.fromkeys(fit.device for fit in fits)),
        ),
        dict.fromkeys((fit.model, fit.recipe) for fit in fits),
        name="fits",
        title=_TITLE,
        subtitle=_subtitle(fits, torch),
        notes=tuple(_notes(fits)),
    )


def fits_table(fits: Sequence[Fit], torch: str) -> Table:
    """The same with a row for each device and all that is known of the answer."""
    return tabulate(
        (
            _MODEL,
            _of_recipe("mode"),
            _of_recipe("precision"),
            _of_recipe("image", form=Form.SHAPE),
            Column(key="device", title="device", value=lambda fit: fit.device.id),
            Column(
                key="device_memory_bytes",
                title="memory",
                form=Form.BYTES,
                origin=Origin.PUBLISHED,
                value=lambda fit: fit.device.memory_bytes,
            ),
            _batch("max_batch", "largest"),
            _batch(
                "max_batch_multiple_of_8",
                "multiple of 8",
                value=lambda fit: fit.answer and fit.answer.max_batch_multiple_of_8,
            ),
            _batch(
                "max_proven_batch",
                "below 2^31",
                value=lambda fit: fit.answer and fit.answer.max_proven_batch,
            ),
            _bytes("process_bytes", "process", 1, lambda fit: fit.peak and fit.peak.process_bytes),
        ),
        fits,
        name="fits",
        title=_TITLE,
        subtitle=_subtitle(fits, torch),
        notes=tuple(_notes(fits)),
    )


def _subtitle(fits: Sequence[Fit], torch: str) -> str:
    trained = next((fit.recipe for fit in fits if fit.recipe.mode is Mode.TRAIN), None)
    step = f"; training with {trained.optimizer} ({trained.optimizer_impl})" if trained else ""
    height, width = fits[0].recipe.image
    return (
        f"images of {height}x{width}, contiguous, eager{step}; default allocator, uncalibrated; "
        f"{format_percent(fits[0].margin, 0)} of the memory kept free; traced with torch {torch}"
    )


def _notes(fits: Sequence[Fit]) -> Iterator[str]:
    lacking = dict.fromkeys(
        (fit.device.name, fit.recipe.precision) for fit in fits if fit.answer is None
    )
    for device in dict.fromkeys(device for device, _ in lacking):
        needing = " and ".join(precision for each, precision in lacking if each == device)
        yield f"\N{EM DASH}: {device} does not compute in the type of {needing}."
    answers = [fit.answer for fit in fits if fit.answer is not None]
    unproven = [row.max_proven_batch for row in answers if row.unproven and row.max_proven_batch]
    if unproven:
        yield (
            f"Above {format_count(min(unproven))} images a tensor passes 2^31 elements: kernels "
            "count otherwise there, and such a batch is unproven."
        )
    if any(row.max_batch == 0 for row in answers):
        yield "0: not even one image fits."
    memory = "; ".join(
        f"{device.name} {format_bytes(device.memory_bytes)}"
        for device in dict.fromkeys(fit.device for fit in fits)
    )
    yield f"Memory as the vendors print it, with 1 GB = 10^9 bytes: {memory}."
