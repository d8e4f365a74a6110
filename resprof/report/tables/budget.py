"""The tables of `resprof budget`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from resprof import units
from resprof.records.fit import BudgetResult
from resprof.records.memory import BudgetLimit
from resprof.records.table import Column, Form, Origin, Table, Value
from resprof.report.tables.recipe import (
    bytes_column,
    calibration_text,
    recipe_text,
    training_text,
)

_PREDICTED = Origin.PREDICTED


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
