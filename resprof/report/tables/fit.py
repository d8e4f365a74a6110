"""The tables of `resprof memory` and `resprof budget`."""

from __future__ import annotations

from collections.abc import Sequence

from resprof import units
from resprof.records.answer import Note
from resprof.records.fit import BudgetResult, MemoryResult
from resprof.records.memory import BudgetLimit
from resprof.records.recipe import Mode, Recipe
from resprof.records.table import Column, Form, Origin, Table

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
        subtitle=_calibration(results[0].calibrated_on),
        columns=(
            Column(key="model", title="model"),
            Column(key="mode", title="mode", priority=2),
            Column(key="precision", title="precision"),
            Column(key="batch", title="batch", form=Form.COUNT),
            _bytes("requested_bytes", "requested", 3),
            _bytes("allocated_bytes", "allocated", 0),
            _bytes("reserved_bytes", "reserved", 1),
            _bytes("process_bytes", "process", 0),
            _bytes("process_low_bytes", "from", 2),
            _bytes("process_high_bytes", "to", 2),
            _bytes("activation_bytes", "activations", 1),
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


def stage_rows(results: Sequence[MemoryResult]) -> Table:
    """Every stage of every workload in a row, for CSV."""
    return Table(
        name="memory",
        title="Predicted GPU memory",
        columns=(
            Column(key="model", title="model"),
            Column(key="precision", title="precision"),
            Column(key="batch", title="batch", form=Form.COUNT),
            Column(key="stage", title="stage"),
            _bytes("activation_bytes", "activations", 0),
            _bytes("at_peak_bytes", "at the peak", 0),
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


def assumptions_table(assumptions: Sequence[Note]) -> Table:
    """What the prediction takes for granted."""
    return Table(
        name="assumptions",
        title="What this assumes",
        columns=(
            Column(key="code", title="about"),
            Column(key="message", title="assumption", form=Form.PROSE),
        ),
        rows=tuple((note.code, note.message) for note in assumptions),
    )


def budget_table(results: Sequence[BudgetResult]) -> Table:
    """The largest batch of each network with each kind of allocator."""
    limit = results[0].limit
    return Table(
        name="budget",
        title=f"The largest batch within {units.format_bytes(limit.total_bytes)}, predicted",
        subtitle=f"{recipe_text(results[0].recipe, batch=False)}; "
        f"{_calibration(results[0].calibrated_on)}",
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
            _bytes("allocated_bytes", "allocated", 3),
            _bytes("reserved_bytes", "reserved", 2),
            _bytes("process_bytes", "process", 2),
            _bytes("short_bytes", "one more lacks", 1),
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
            *(sentence for result in results for sentence in _answers(result)),
        ),
    )


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


def recipe_text(recipe: Recipe, *, batch: bool = True) -> str:
    """The whole recipe in one line."""
    height, width = recipe.image
    parts = ["training step" if recipe.mode is Mode.TRAIN else "inference"]
    if batch:
        parts.append(f"batch {recipe.batch}")
    parts += [f"{height}x{width}", recipe.precision.value, recipe.memory_format.value]
    if recipe.mode is Mode.TRAIN:
        parts += [
            f"{recipe.optimizer} ({recipe.optimizer_impl})",
            f"accumulate {recipe.accumulate}",
            f"checkpoint {recipe.checkpoint}",
        ]
    return ", ".join([*parts, recipe.engine.value])


def _peak_table(result: MemoryResult) -> Table:
    return Table(
        name=f"memory-{result.model}",
        title=f"{result.model}: {result.title}",
        subtitle=f"predicted for a {recipe_text(result.recipe)}; "
        f"{result.allocator.kind.value} allocator; {_calibration(result.calibrated_on)}",
        columns=(
            Column(key="level", title="peak"),
            _bytes("bytes", "bytes", 0),
            _bytes("low_bytes", "from", 1),
            _bytes("high_bytes", "to", 1),
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
            _bytes("bytes", "bytes", 0),
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
            _bytes("activation_bytes", "activations", 0),
            _bytes("at_peak_bytes", "live at the peak", 0),
        ),
        rows=tuple((row.stage, row.activation_bytes, row.at_peak_bytes) for row in result.rows),
        total=("total", result.total.activation_bytes, result.total.at_peak_bytes),
    )


def _timeline_table(result: MemoryResult) -> Table:
    return Table(
        name=f"timeline-{result.model}",
        title="The course of it",
        columns=(
            Column(key="step", title="step", form=Form.COUNT),
            Column(key="phase", title="phase"),
            _bytes("peak_allocated_bytes", "peak allocated", 0),
            _bytes("end_allocated_bytes", "left allocated", 1),
            _bytes("peak_reserved_bytes", "peak reserved", 2),
        ),
        rows=tuple(
            (
                point.step,
                point.phase.value,
                point.peak_allocated_bytes,
                point.end_allocated_bytes,
                point.peak_reserved_bytes,
            )
            for point in result.timeline
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


def _calibration(device: str | None) -> str:
    return f"calibrated on {device}" if device else "uncalibrated"


def _bytes(key: str, title: str, priority: int) -> Column:
    return Column(key=key, title=title, form=Form.BYTES, origin=_PREDICTED, priority=priority)
