"""The largest batch within a budget: `resprof budget` and its tables.

Nothing here needs a GPU, and a trace that is cached needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from operator import itemgetter
from typing import Any

from resprof.answers.memory.traces import overlay_for, trace_workload, traced_notes
from resprof.answers.workloads import (
    assumptions_table,
    bytes_column,
    calibration_text,
    recipe_column,
    recipe_text,
    training_text,
)
from resprof.errors import Note, UsageError
from resprof.memory.allocator import Level, MemoryPeak
from resprof.memory.budget import BudgetLimit, BudgetRow, budget_limit, largest_batches
from resprof.memory.overlay import Calibration, Overlay, assumptions_of
from resprof.memory.rules import AllocatorKind
from resprof.memory.trace import Trace
from resprof.model.architecture import Architecture
from resprof.model.networks import describe
from resprof.model.recipe import Checkpoint, Mode, Optimizer, Precision, Recipe
from resprof.render.answer import Answer
from resprof.render.table import Column, Form, Origin, Table, tabulate
from resprof.units import format_bytes, format_shape


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRow:
    """The largest batch of one recipe of a grid; 0 where a batch of one does not fit."""

    precision: Precision
    optimizer: Optimizer | None
    checkpoint: Checkpoint | None
    max_batch: int
    max_batch_multiple_of_8: int
    unproven: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetResult:
    """The largest batch of one network within a budget; ``rows`` are kinds of allocator.

    The first row is the answer; ``recipe.batch`` is its batch, 1 where nothing fits.
    """

    model: str
    title: str
    recipe: Recipe
    rows: tuple[BudgetRow, ...]
    limit: BudgetLimit
    grid: tuple[GridRow, ...] | None
    calibrated_on: str | None
    torch: str

    @property
    def max_batch(self) -> int:
        """The largest batch; 0 where a batch of one does not fit."""
        return self.rows[0].max_batch

    @property
    def peak(self) -> MemoryPeak | None:
        """What that batch takes; None where there is none."""
        return self.rows[0].peak

    @property
    def limit_bytes(self) -> int:
        """What the allocator may take."""
        return self.limit.limit_bytes

    def json_fields(self) -> Mapping[str, object]:
        """With the answer beside the rows."""
        return {
            "model": self.model,
            "title": self.title,
            "recipe": self.recipe,
            "rows": self.rows,
            "total": None,
            "max_batch": self.max_batch,
            "limit_bytes": self.limit_bytes,
            "limit": self.limit,
            "peak": self.peak,
            "grid": self.grid,
            "calibrated_on": self.calibrated_on,
            "torch": self.torch,
        }


_GRID_PRECISIONS = (Precision.FP32, Precision.AMP_BF16, Precision.BF16)
_SEARCHED_FROM = 2
"""The smaller of the two batch sizes from which a trace for all sizes is made."""


def largest_batch(
    architecture: Architecture,
    recipe: Recipe,
    *,
    total_bytes: int,
    used_bytes: int = 0,
    margin: float = 0.0,
    calibration: Calibration | None = None,
    capability: tuple[int, int] | None = None,
    grid: bool = False,
    kinds: Sequence[AllocatorKind] = tuple(AllocatorKind),
) -> tuple[BudgetResult, tuple[Note, ...]]:
    """The largest batch that fits into a device's memory, and what that assumes.

    ``recipe.batch`` is not looked at; ``kinds`` are the allocators that are asked, the first of
    which gives the answer. With ``grid`` also the largest batches over precision,
    optimiser and checkpointing, for the default allocator.
    """
    overlay = overlay_for(architecture, recipe, calibration, capability)
    limit = budget_limit(total_bytes, overlay.context_bytes, used_bytes=used_bytes, margin=margin)
    trace = _trace_for_all_batches(architecture, recipe)
    rows = largest_batches(trace, limit, overlay, kinds=kinds)
    result = BudgetResult(
        model=architecture.id,
        title=describe(architecture),
        recipe=replace(recipe, batch=max(rows[0].max_batch, 1)),
        rows=rows,
        limit=limit,
        grid=tuple(_grid(architecture, recipe, overlay, limit)) if grid else None,
        calibrated_on=overlay.calibrated_on,
        torch=trace.torch,
    )
    modelled = [note for kind in kinds for note in assumptions_of(overlay, kind)]
    assumed = traced_notes(recipe, trace, calibration)
    return result, tuple(dict.fromkeys((*assumed, *modelled)))


def _trace_for_all_batches(architecture: Architecture, recipe: Recipe) -> Trace:
    trace = trace_workload(architecture, replace(recipe, batch=_SEARCHED_FROM))
    if len(trace.batches) == 1:
        raise UsageError(
            f"with this recipe {architecture.id} runs different operations at different batch "
            "sizes, so the largest batch cannot be searched",
            hint="predict one batch size: resprof memory --batch N",
        )
    return trace


def _grid(
    architecture: Architecture, recipe: Recipe, overlay: Overlay, limit: BudgetLimit
) -> Iterator[GridRow]:
    train = recipe.mode is Mode.TRAIN
    optimizers: Sequence[Optimizer | None] = tuple(Optimizer) if train else (None,)
    checkpoints: Sequence[Checkpoint | None] = tuple(Checkpoint) if train else (None,)
    for precision, checkpoint, optimizer in product(_GRID_PRECISIONS, checkpoints, optimizers):
        changed = replace(recipe, precision=precision, checkpoint=checkpoint, optimizer=optimizer)
        trace = _trace_for_all_batches(architecture, changed)
        (row,) = largest_batches(trace, limit, overlay, kinds=(AllocatorKind.DEFAULT,))
        yield GridRow(
            precision=precision,
            optimizer=optimizer,
            checkpoint=checkpoint,
            max_batch=row.max_batch,
            max_batch_multiple_of_8=row.max_batch_multiple_of_8,
            unproven=row.unproven,
        )


_MODEL = Column(key="model", title="model")


def batch_column(
    key: str, title: str, priority: int = 0, value: Callable[[Any], object] | None = None
) -> Column:
    """A column of predicted batch sizes."""
    return Column(
        key=key,
        title=title,
        form=Form.COUNT,
        origin=Origin.PREDICTED,
        priority=priority,
        value=value,
    )


def _peak_column(level: Level, priority: int) -> Column:
    """What the largest batch takes; empty where nothing fits."""
    return bytes_column(
        f"{level}_bytes", level, priority, lambda row: row.peak and level.of(row.peak)
    )


_BUDGET_COLUMNS = (
    Column(key="allocator", title="allocator"),
    batch_column("max_batch", "largest"),
    batch_column("max_batch_multiple_of_8", "multiple of 8", 1),
    _peak_column(Level.ALLOCATED, 3),
    _peak_column(Level.RESERVED, 2),
    _peak_column(Level.PROCESS, 2),
    bytes_column("short_bytes", "batch + 1 misses by", 1),
    Column(key="max_proven_batch", title="32-bit safe", form=Form.COUNT, priority=4),
)


_BUDGETED = (
    _MODEL,
    recipe_column("mode"),
    Column(key="image", title="image", value=lambda result: format_shape(result.recipe.image)),
    recipe_column("precision"),
    recipe_column("memory_format", "layout"),
    Column(key="training", title="optimizer", value=lambda result: training_text(result.recipe)),
    bytes_column("total_bytes", "total", value=lambda result: result.limit.total_bytes),
    bytes_column("limit_bytes", "budget"),
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
        (
            *(column.of(itemgetter(0)) for column in before),
            *(column.of(itemgetter(1)) for column in _BUDGET_COLUMNS),
        ),
        [(result, row) for result in results for row in result.rows],
        name="budget",
        title=f"Largest batch within {format_bytes(limit.total_bytes)}, predicted",
        subtitle=f"{recipe_text(results[0].recipe, batch=False)}; "
        f"{calibration_text(results[0].calibrated_on)}",
        notes=(
            _limit_sentence(limit),
            "32-bit safe: largest batch with every tensor below 2^31 elements.",
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
            batch_column("max_batch", "largest"),
            batch_column("max_batch_multiple_of_8", "multiple of 8", 2),
            Column(key="unproven", title="not verified", priority=3),
        ),
        result.grid or (),
        name=f"grid-{result.model}",
        title=f"{result.model}: largest batch by recipe, predicted",
        subtitle="default allocator; otherwise as above",
    )


def _limit_sentence(limit: BudgetLimit) -> str:
    return (
        f"Budget: {format_bytes(limit.total_bytes)} minus {format_bytes(limit.context_bytes)} "
        f"context, {format_bytes(limit.used_bytes)} in use and "
        f"{format_bytes(limit.margin_bytes)} margin leaves {format_bytes(limit.limit_bytes)}."
    )


def _answers(result: BudgetResult) -> Iterator[str]:
    """What a table cannot say: nothing fits, unproven, not monotone."""
    for row in result.rows:
        where = f"{result.model}, {row.allocator} allocator"
        if row.max_batch == 0:
            yield f"{where}: not even a batch of one fits."
        if row.unproven:
            yield (
                f"{where}: {row.max_batch} is not verified, because a tensor exceeds 2^31 "
                f"elements there; the largest 32-bit safe batch is {row.max_proven_batch}."
            )
        if row.checked.fits_above:
            above = ", ".join(str(batch) for batch in row.checked.fits_above)
            yield f"{where}: not monotone: {above} would fit too."
    yield f"{result.model}, {_checked_text(result.rows[0])}"


def _checked_text(row: BudgetRow) -> str:
    """Which batch sizes around the answer were replayed, and what came out."""
    checked, largest = row.checked, row.max_batch
    where = f"{row.allocator} allocator, checked exactly:"
    if checked.fits_above:
        return f"{where} every batch from {checked.first} to {checked.last}."
    fit = f"{checked.first} to {largest} fit, " if largest else ""
    return f"{where} {fit}{largest + 1} to {checked.last} do not{'' if fit else ' fit'}."


def budget_answer(
    results: Sequence[BudgetResult], notes: tuple[Note, ...] = ()
) -> Answer[BudgetResult]:
    """The largest batches, each result's grid where one was asked for, and what they assume."""
    return Answer(
        command="budget",
        results=tuple(results),
        notes=notes,
        tables=lambda: [
            budget_table(results),
            *(grid_table(result) for result in results if result.grid is not None),
            assumptions_table(notes),
        ],
        sheets=lambda: budget_sheets(results),
    )
