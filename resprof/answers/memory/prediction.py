"""The predicted memory of a workload: `resprof memory` and its tables.

Nothing here needs a GPU, and a trace that is cached needs no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from operator import itemgetter

from resprof.answers.memory.traces import overlay_for, trace_workload, traced_notes
from resprof.answers.workloads import (
    assumptions_table,
    bytes_column,
    calibration_text,
    recipe_column,
    recipe_text,
)
from resprof.errors import Note
from resprof.memory.allocator import Level
from resprof.memory.overlay import Calibration, assumptions_of
from resprof.memory.prediction import MemoryResult, predict
from resprof.memory.rules import AllocatorKind
from resprof.model.architecture import Architecture
from resprof.model.networks import describe
from resprof.model.recipe import Mode, Recipe
from resprof.render.answer import Answer
from resprof.render.table import Column, Form, Origin, Table, tabulate

_SPARE = Note(
    code="spare",
    message="the device has memory to spare; under pressure the allocator gives cached segments "
    "back and reserves less; resprof budget shows what fits",
)


def predict_memory(
    architecture: Architecture,
    recipe: Recipe,
    *,
    calibration: Calibration | None = None,
    capability: tuple[int, int] | None = None,
    kind: AllocatorKind = AllocatorKind.DEFAULT,
) -> tuple[MemoryResult, tuple[Note, ...]]:
    """The memory of one workload on a GPU, and what that assumes."""
    trace = trace_workload(architecture, recipe)
    overlay = overlay_for(architecture, recipe, calibration, capability)
    result = predict(
        trace, recipe, overlay, kind, model=architecture.id, title=describe(architecture)
    )
    assumed = traced_notes(recipe, trace, calibration)
    return result, (*assumed, _SPARE, *assumptions_of(overlay, kind))


_MODEL = Column(key="model", title="model")
_BATCH = recipe_column("batch", form=Form.COUNT)
_STAGE_COLUMNS = (
    Column(key="stage", title="stage"),
    bytes_column("activation_bytes", "activations"),
    bytes_column("at_peak_bytes", "at the peak"),
)
_WHAT_IT_IS = {
    Level.REQUESTED: "bytes that tensors request",
    Level.ALLOCATED: "rounded up to blocks: torch.cuda.max_memory_allocated",
    Level.RESERVED: "segments reserved for the blocks: torch.cuda.max_memory_reserved",
    Level.PROCESS: "plus the CUDA context: what the driver shows",
}


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
            recipe_column("mode", priority=2),
            recipe_column("precision"),
            _BATCH,
            bytes_column("requested_bytes", "requested", 3, lambda each: each.peak.requested_bytes),
            bytes_column("allocated_bytes", "allocated", 0, lambda each: each.peak.allocated_bytes),
            bytes_column("reserved_bytes", "reserved", 1, lambda each: each.peak.reserved_bytes),
            bytes_column("process_bytes", "process", 0, lambda each: each.peak.process_bytes),
            bytes_column("process_low_bytes", "from", 2, lambda each: each.band.low.process_bytes),
            bytes_column("process_high_bytes", "to", 2, lambda each: each.band.high.process_bytes),
            bytes_column("activation_bytes", "activations", 1),
        ),
        results,
        name="memory",
        title="Predicted GPU memory",
        subtitle=calibration_text(results[0].calibrated_on),
    )


def memory_sheet(results: Sequence[MemoryResult]) -> Table:
    """Every stage of every workload in a row, with recipe and peaks in each, for CSV."""
    before = (
        _MODEL,
        *(recipe_column(field.name) for field in fields(Recipe)),
        Column(key="allocator", title="allocator"),
    )
    peaks = (
        *(_peak_column(level) for level in Level),
        *(_band_column(side) for side in ("low", "high")),
    )
    return _stages_sheet(results, before, peaks)


def _peak_column(level: Level) -> Column:
    key = f"peak_{level}_bytes"
    return bytes_column(key, key, value=lambda result: level.of(result.peak))


def _band_column(side: str) -> Column:
    key = f"band_{side}_allocated_bytes"
    return bytes_column(key, key, value=lambda result: getattr(result.band, side).allocated_bytes)


def stage_rows(results: Sequence[MemoryResult]) -> Table:
    """Every stage of every workload in a row, for readers."""
    return _stages_sheet(results, (_MODEL, recipe_column("precision"), _BATCH))


def _stages_sheet(
    results: Sequence[MemoryResult], before: Sequence[Column], after: Sequence[Column] = ()
) -> Table:
    """Rows of stages, between what is said of their results."""
    result, stage = itemgetter(0), itemgetter(1)
    return tabulate(
        (
            *(column.of(result) for column in before),
            *(column.of(stage) for column in _STAGE_COLUMNS),
            *(column.of(result) for column in after),
        ),
        [(result, row) for result in results for row in result.rows],
        name="memory",
        title="Predicted GPU memory",
    )


def _peak_table(result: MemoryResult) -> Table:
    return tabulate(
        (
            Column(key="level", title="peak", value=lambda level: level),
            bytes_column("bytes", "bytes", 0, lambda level: level.of(result.peak)),
            bytes_column("low_bytes", "from", 1, lambda level: level.of(result.band.low)),
            bytes_column("high_bytes", "to", 1, lambda level: level.of(result.band.high)),
            Column(
                key="what", title="description", form=Form.PROSE, priority=2, value=_WHAT_IT_IS.get
            ),
        ),
        Level,
        name=f"memory-{result.model}",
        title=f"{result.model}: {result.title}",
        subtitle=f"predicted for a {recipe_text(result.recipe)}; "
        f"{result.allocator} allocator; {calibration_text(result.calibrated_on)}",
    )


def _kinds_table(result: MemoryResult) -> Table:
    return tabulate(
        (
            Column(key="kind", title="kind", total=lambda _: "total"),
            bytes_column("bytes", "bytes", total=lambda rows: sum(row.bytes for row in rows)),
            Column(
                key="share",
                title="share",
                form=Form.SHARE,
                origin=Origin.PREDICTED,
                value=lambda live: live.bytes / result.peak.allocated_bytes,
                total=lambda _: 1.0,
            ),
        ),
        result.at_peak,
        name=f"at-peak-{result.model}",
        title="What fills memory at the peak",
    )


def _stages_table(result: MemoryResult) -> Table:
    kept = (
        "kept for backward, live at the end of forward, without parameters and input"
        if result.recipe.mode is Mode.TRAIN
        else "the largest live set of each stage; the total is that of the whole network"
    )
    return tabulate(
        (
            Column(key="stage", title="stage", total=lambda _: "total"),
            bytes_column(
                "activation_bytes", "activations", total=lambda _: result.activation_bytes
            ),
            bytes_column(
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
            bytes_column(
                "peak_allocated_bytes",
                "peak allocated",
                0,
                lambda phase: phase.peak.allocated_bytes,
            ),
            bytes_column(
                "end_allocated_bytes",
                "allocated at the end",
                1,
                lambda phase: phase.end.allocated_bytes,
            ),
            bytes_column(
                "peak_reserved_bytes", "peak reserved", 2, lambda phase: phase.peak.reserved_bytes
            ),
        ),
        result.phases,
        name=f"timeline-{result.model}",
        title=_phases_title(result),
    )


def memory_answer(
    results: Sequence[MemoryResult], notes: tuple[Note, ...] = ()
) -> Answer[MemoryResult]:
    """Predictions, and what they assume: one in all its parts, several a row each."""
    return Answer(
        command="memory",
        results=tuple(results),
        notes=notes,
        tables=lambda: (
            *(memory_tables(results[0]) if len(results) == 1 else [memory_overview(results)]),
            assumptions_table(notes),
        ),
        sheets=lambda: [memory_sheet(results)],
    )


def _phases_title(result: MemoryResult) -> str:
    if result.recipe.mode is Mode.INFER:
        return "Memory over two forward passes"
    return "Memory over two training steps"
