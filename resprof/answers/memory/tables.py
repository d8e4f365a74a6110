"""The tables of `resprof memory` and `resprof budget`, and what fits where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from enum import StrEnum

from resprof import units
from resprof.answers.memory.fit import BudgetResult, Fit
from resprof.answers.workloads import bytes_column, calibration_text, recipe_text, training_text
from resprof.memory.budget import BudgetLimit
from resprof.memory.prediction import MemoryResult
from resprof.model.recipe import Mode, Recipe
from resprof.render.table import Column, Form, Origin, Table, Value
from resprof.units import format_bytes, format_count, format_percent

Field = tuple[Column, Callable[[MemoryResult], Value]]
"""A column and where its values come from."""

_PREDICTED = Origin.PREDICTED
_LEVELS = (
    ("requested", "what tensors asked for"),
    ("allocated", "the blocks that hold them: torch.cuda.max_memory_allocated"),
    ("reserved", "the segments that hold those: torch.cuda.max_memory_reserved"),
    ("process", "with the CUDA context: what the driver shows"),
)


def memory_tables(result: MemoryResult) -> list[Table]:
    """One workload: peaks, what is live at the peak, stages, and the course over two steps."""
    return [
        _peak_table(result),
        _kinds_table(result),
        _stages_table(result),
        _timeline_table(result),
    ]


def memory_overview(results: Sequence[MemoryResult]) -> Table:
    """Several workloads, a row each."""
    return Table(
        name="memory",
        title="Predicted GPU memory",
        subtitle=calibration_text(results[0].calibrated_on),
        columns=(
            Column(key="model", title="model"),
            Column(key="mode", title="mode", priority=2),
            Column(key="precision", title="precision"),
            Column(key="batch", title="batch", form=Form.COUNT),
            bytes_column("requested_bytes", "requested", 3),
            bytes_column("allocated_bytes", "allocated", 0),
            bytes_column("reserved_bytes", "reserved", 1),
            bytes_column("process_bytes", "process", 0),
            bytes_column("process_low_bytes", "from", 2),
            bytes_column("process_high_bytes", "to", 2),
            bytes_column("activation_bytes", "activations", 1),
        ),
        rows=tuple(
            (
                result.model,
                result.recipe.mode.value,
                result.recipe.precision.value,
                result.recipe.batch,
                result.peak.requested_bytes,
                result.peak.allocated_bytes,
                result.peak.reserved_bytes,
                result.peak.process_bytes,
                result.band.low.process_bytes,
                result.band.high.process_bytes,
                result.activation_bytes,
            )
            for result in results
        ),
    )


def memory_sheet(results: Sequence[MemoryResult]) -> Table:
    """Every stage of every workload in a row, with recipe and peaks in each, for CSV."""
    return Table(
        name="memory",
        title="Predicted GPU memory",
        columns=(
            *(column for column, _ in _WORKLOAD),
            Column(key="stage", title="stage"),
            bytes_column("activation_bytes", "activations", 0),
            bytes_column("at_peak_bytes", "at the peak", 0),
            *(column for column, _ in _PEAKS),
        ),
        rows=tuple(
            (
                *(value(result) for _, value in _WORKLOAD),
                row.stage,
                row.activation_bytes,
                row.at_peak_bytes,
                *(value(result) for _, value in _PEAKS),
            )
            for result in results
            for row in result.rows
        ),
    )


def stage_rows(results: Sequence[MemoryResult]) -> Table:
    """Every stage of every workload in a row, for readers."""
    return Table(
        name="memory",
        title="Predicted GPU memory",
        columns=(
            Column(key="model", title="model"),
            Column(key="precision", title="precision"),
            Column(key="batch", title="batch", form=Form.COUNT),
            Column(key="stage", title="stage"),
            bytes_column("activation_bytes", "activations", 0),
            bytes_column("at_peak_bytes", "at the peak", 0),
        ),
        rows=tuple(
            (
                result.model,
                result.recipe.precision.value,
                result.recipe.batch,
                row.stage,
                row.activation_bytes,
                row.at_peak_bytes,
            )
            for result in results
            for row in result.rows
        ),
    )


def _peak_table(result: MemoryResult) -> Table:
    return Table(
        name=f"memory-{result.model}",
        title=f"{result.model}: {result.title}",
        subtitle=f"predicted for a {recipe_text(result.recipe)}; "
        f"{result.allocator.value} allocator; {calibration_text(result.calibrated_on)}",
        columns=(
            Column(key="level", title="peak"),
            bytes_column("bytes", "bytes", 0),
            bytes_column("low_bytes", "from", 1),
            bytes_column("high_bytes", "to", 1),
            Column(key="what", title="what it is", form=Form.PROSE, priority=2),
        ),
        rows=tuple(
            (
                level,
                getattr(result.peak, f"{level}_bytes"),
                getattr(result.band.low, f"{level}_bytes"),
                getattr(result.band.high, f"{level}_bytes"),
                what,
            )
            for level, what in _LEVELS
        ),
    )


def _kinds_table(result: MemoryResult) -> Table:
    return Table(
        name=f"at-peak-{result.model}",
        title="What is live at the allocated peak",
        columns=(
            Column(key="kind", title="kind"),
            bytes_column("bytes", "bytes", 0),
            Column(key="share", title="share", form=Form.SHARE, origin=_PREDICTED),
        ),
        rows=tuple(
            (live.kind.value, live.bytes, live.bytes / result.peak.allocated_bytes)
            for live in result.at_peak
        ),
        total=("total", sum(live.bytes for live in result.at_peak), 1.0),
    )


def _stages_table(result: MemoryResult) -> Table:
    kept = (
        "kept for backward, live at the end of forward, without parameters and input"
        if result.recipe.mode is Mode.TRAIN
        else "the largest live set of each stage; in all, that of the whole network"
    )
    return Table(
        name=f"stages-{result.model}",
        title="By stage",
        subtitle=f"activations: {kept}",
        columns=(
            Column(key="stage", title="stage"),
            bytes_column("activation_bytes", "activations", 0),
            bytes_column("at_peak_bytes", "live at the peak", 0),
        ),
        rows=tuple((row.stage, row.activation_bytes, row.at_peak_bytes) for row in result.rows),
        total=("total", result.activation_bytes, sum(row.at_peak_bytes for row in result.rows)),
    )


def _timeline_table(result: MemoryResult) -> Table:
    return Table(
        name=f"timeline-{result.model}",
        title="The course of it",
        columns=(
            Column(key="step", title="step", form=Form.COUNT),
            Column(key="phase", title="phase"),
            bytes_column("peak_allocated_bytes", "peak allocated", 0),
            bytes_column("end_allocated_bytes", "left allocated", 1),
            bytes_column("peak_reserved_bytes", "peak reserved", 2),
        ),
        rows=tuple(
            (
                point.step,
                point.phase.value,
                point.peak.allocated_bytes,
                point.end.allocated_bytes,
                point.peak.reserved_bytes,
            )
            for point in result.phases
        ),
    )


def _of_recipe(key: str) -> Field:
    def value(result: MemoryResult) -> Value:
        found: Value = getattr(result.recipe, key)
        return found.value if isinstance(found, StrEnum) else found

    return Column(key=key, title=key), value


def _of_peak(level: str) -> Field:
    key = f"peak_{level}_bytes"

    def value(result: MemoryResult) -> Value:
        found: int = getattr(result.peak, f"{level}_bytes")
        return found

    return bytes_column(key, key, 0), value


_WORKLOAD: tuple[Field, ...] = (
    (Column(key="model", title="model"), lambda result: result.model),
    *(_of_recipe(field.name) for field in fields(Recipe)),
    (Column(key="allocator", title="allocator"), lambda result: result.allocator.value),
)
_PEAKS: tuple[Field, ...] = (
    *(_of_peak(level) for level, _ in _LEVELS),
    (
        bytes_column("band_low_allocated_bytes", "band_low_allocated_bytes", 0),
        lambda result: result.band.low.allocated_bytes,
    ),
    (
        bytes_column("band_high_allocated_bytes", "band_high_allocated_bytes", 0),
        lambda result: result.band.high.allocated_bytes,
    ),
)


def budget_table(results: Sequence[BudgetResult]) -> Table:
    """The largest batch of each network with each kind of allocator."""
    limit = results[0].limit
    return Table(
        name="budget",
        title=f"The largest batch within {units.format_bytes(limit.total_bytes)}, predicted",
        subtitle=f"{recipe_text(results[0].recipe, batch=False)}; "
        f"{calibration_text(results[0].calibrated_on)}",
        columns=(
            Column(key="model", title="model"),
            Column(key="allocator", title="allocator"),
            Column(key="max_batch", title="largest", form=Form.COUNT, origin=_PREDICTED),
            Column(
                key="max_batch_multiple_of_8",
                title="multiple of 8",
                form=Form.COUNT,
                origin=_PREDICTED,
                priority=1,
            ),
            bytes_column("allocated_bytes", "allocated", 3),
            bytes_column("reserved_bytes", "reserved", 2),
            bytes_column("process_bytes", "process", 2),
            bytes_column("short_bytes", "one more lacks", 1),
            Column(key="max_proven_batch", title="below 2^31", form=Form.COUNT, priority=4),
        ),
        rows=tuple(
            (
                result.model,
                row.allocator.value,
                row.max_batch,
                row.max_batch_multiple_of_8,
                row.peak.allocated_bytes if row.peak else None,
                row.peak.reserved_bytes if row.peak else None,
                row.peak.process_bytes if row.peak else None,
                row.short_bytes,
                row.max_proven_batch,
            )
            for result in results
            for row in result.rows
        ),
        notes=(
            _limit_sentence(limit),
            "Below 2^31: the largest at which every tensor has fewer elements than that.",
            *(sentence for result in results for sentence in _answers(result)),
        ),
    )


def budget_sheets(results: Sequence[BudgetResult]) -> list[Table]:
    """Rows of one shape for CSV: those of the grids, where every result has one."""
    if all(result.grid is not None for result in results):
        return [grid_table(result) for result in results]
    return [_sheet(results)]


def _sheet(results: Sequence[BudgetResult]) -> Table:
    """The table's rows, each with its recipe and its budget."""
    table = budget_table(results)
    owners = [result for result in results for _ in result.rows]
    return replace(
        table,
        columns=(*(column for column, _ in _OF_RESULT), *table.columns[1:]),
        rows=tuple(
            (*(value(result) for _, value in _OF_RESULT), *row[1:])
            for result, row in zip(owners, table.rows, strict=True)
        ),
    )


_OF_RESULT: tuple[tuple[Column, Callable[[BudgetResult], Value]], ...] = (
    (Column(key="model", title="model"), lambda result: result.model),
    (Column(key="mode", title="mode"), lambda result: result.recipe.mode.value),
    (Column(key="image", title="image"), lambda result: units.format_shape(result.recipe.image)),
    (Column(key="precision", title="precision"), lambda result: result.recipe.precision.value),
    (
        Column(key="memory_format", title="layout"),
        lambda result: result.recipe.memory_format.value,
    ),
    (Column(key="training", title="optimizer"), lambda result: training_text(result.recipe)),
    (bytes_column("total_bytes", "in all", 0), lambda result: result.limit.total_bytes),
    (bytes_column("limit_bytes", "budget", 0), lambda result: result.limit.limit_bytes),
)
"""What a row of a CSV file needs beside the answer, to stand among those of others."""


def grid_table(result: BudgetResult) -> Table:
    """The largest batch over precision, checkpointing and optimiser."""
    return Table(
        name=f"grid-{result.model}",
        title=f"{result.model}: the largest batch by recipe, predicted",
        subtitle="default allocator; otherwise as above",
        columns=(
            Column(key="model", title="model", priority=1),
            Column(key="precision", title="precision"),
            Column(key="checkpoint", title="checkpoint"),
            Column(key="optimizer", title="optimizer"),
            Column(key="max_batch", title="largest", form=Form.COUNT, origin=_PREDICTED),
            Column(
                key="max_batch_multiple_of_8",
                title="multiple of 8",
                form=Form.COUNT,
                origin=_PREDICTED,
                priority=2,
            ),
            Column(key="unproven", title="unproven", priority=3),
        ),
        rows=tuple(
            (
                result.model,
                row.precision.value,
                row.checkpoint.value if row.checkpoint else None,
                row.optimizer.value if row.optimizer else None,
                row.max_batch,
                row.max_batch_multiple_of_8,
                row.unproven,
            )
            for row in result.grid or ()
        ),
    )


def _limit_sentence(limit: BudgetLimit) -> str:
    return (
        f"The budget: {units.format_bytes(limit.total_bytes)} in all, less "
        f"{units.format_bytes(limit.context_bytes)} context, "
        f"{units.format_bytes(limit.used_bytes)} in use and "
        f"{units.format_bytes(limit.margin_bytes)} margin, leaves "
        f"{units.format_bytes(limit.limit_bytes)}."
    )


def _answers(result: BudgetResult) -> list[str]:
    """What a table cannot say: nothing fits, unproven, not monotone."""
    sentences = []
    for row in result.rows:
        where = f"{result.model}, {row.allocator.value} allocator"
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
    devices = dict.fromkeys((fit.device, fit.device_name) for fit in fits)
    cells = {(fit.model, fit.recipe, fit.device): fit.max_batch for fit in fits}
    rows = dict.fromkeys((fit.model, fit.recipe) for fit in fits)
    return Table(
        name="fits",
        title=_TITLE,
        subtitle=_subtitle(fits, torch),
        columns=(
            Column(key="model", title="model"),
            Column(key="recipe", title="recipe"),
            *(
                Column(key=f"{device}_max_batch", title=name, form=Form.COUNT, origin=_PREDICTED)
                for device, name in devices
            ),
        ),
        rows=tuple(
            (
                model,
                recipe_words(recipe),
                *(cells.get((model, recipe, device)) for device, _ in devices),
            )
            for model, recipe in rows
        ),
        notes=_notes(fits),
    )


def fits_table(fits: Sequence[Fit], torch: str) -> Table:
    """The same with a row for each device and all that is known of the answer."""
    return Table(
        name="fits",
        title=_TITLE,
        subtitle=_subtitle(fits, torch),
        columns=(
            Column(key="model", title="model"),
            Column(key="mode", title="mode"),
            Column(key="precision", title="precision"),
            Column(key="image", title="image", form=Form.SHAPE),
            Column(key="device", title="device"),
            Column(
                key="device_memory_bytes",
                title="memory",
                form=Form.BYTES,
                origin=Origin.PUBLISHED,
            ),
            _count("max_batch", "largest"),
            _count("max_batch_multiple_of_8", "multiple of 8"),
            _count("max_proven_batch", "below 2^31"),
            bytes_column("process_bytes", "process", 1),
        ),
        rows=tuple(
            (
                fit.model,
                fit.recipe.mode.value,
                fit.recipe.precision.value,
                fit.recipe.image,
                fit.device,
                fit.memory_bytes,
                fit.max_batch,
                fit.max_batch_multiple_of_8,
                fit.max_proven_batch,
                fit.process_bytes,
            )
            for fit in fits
        ),
        notes=_notes(fits),
    )


def _subtitle(fits: Sequence[Fit], torch: str) -> str:
    trained = next((fit.recipe for fit in fits if fit.recipe.mode is Mode.TRAIN), None)
    step = f"; training with {trained.optimizer} ({trained.optimizer_impl})" if trained else ""
    height, width = fits[0].recipe.image
    return (
        f"images of {height}x{width}, contiguous, eager{step}; default allocator, uncalibrated; "
        f"{format_percent(fits[0].margin, 0)} of the memory kept free; traced with torch {torch}"
    )


def _notes(fits: Sequence[Fit]) -> tuple[str, ...]:
    found = []
    lacking = dict.fromkeys(
        (fit.device_name, fit.recipe.precision) for fit in fits if fit.max_batch is None
    )
    for device in dict.fromkeys(device for device, _ in lacking):
        needing = " and ".join(precision for each, precision in lacking if each == device)
        found.append(f"\N{EM DASH}: {device} does not compute in the type of {needing}.")
    unproven = [
        fit.max_proven_batch
        for fit in fits
        if fit.max_batch and fit.max_proven_batch and fit.max_proven_batch < fit.max_batch
    ]
    if unproven:
        found.append(
            f"Above {format_count(min(unproven))} images a tensor passes 2^31 elements: kernels "
            "count otherwise there, and such a batch is unproven."
        )
    if any(fit.max_batch == 0 for fit in fits):
        found.append("0: not even one image fits.")
    memory = "; ".join(
        f"{name} {format_bytes(size)}"
        for name, size in dict.fromkeys((fit.device_name, fit.memory_bytes) for fit in fits)
    )
    found.append(f"Memory as the vendors print it, with 1 GB = 10^9 bytes: {memory}.")
    return tuple(found)


def _count(key: str, title: str) -> Column:
    return Column(key=key, title=title, form=Form.COUNT, origin=_PREDICTED)
