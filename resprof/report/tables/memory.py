"""The tables of `resprof memory`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from enum import StrEnum

from resprof.records.fit import MemoryResult
from resprof.records.recipe import Mode, Recipe
from resprof.records.table import Column, Form, Origin, Table, Value
from resprof.report.tables.recipe import bytes_column, calibration_text, recipe_text

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
        f"{result.allocator.kind.value} allocator; {calibration_text(result.calibrated_on)}",
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
        total=("total", result.total.activation_bytes, result.total.at_peak_bytes),
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
                point.peak_allocated_bytes,
                point.end_allocated_bytes,
                point.peak_reserved_bytes,
            )
            for point in result.timeline
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
    (Column(key="allocator", title="allocator"), lambda result: result.allocator.kind.value),
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
