"""The tables of `resprof validate`."""

from __future__ import annotations

from dataclasses import replace

from resprof import units
from resprof.answers.environment import describe, device_name
from resprof.answers.gpu.validation import (
    GpuValidationResult,
    GpuValidationRow,
    LargestBatchCheck,
    Level,
    ValidationResult,
)
from resprof.answers.workloads import calibration_text, recipe_text
from resprof.memory.matching import Unmatched
from resprof.render.table import Column, Form, Origin, Table, Value


def validation_table(result: ValidationResult) -> Table:
    """A row for each workload."""
    worst = max((abs(row.error) for row in result.rows), default=0.0)
    within = sum(row.within for row in result.rows)
    return Table(
        name="validation",
        title=f"Predicted against measured live memory, on {device_name(result.environment)}",
        subtitle=describe(result.environment),
        columns=(
            Column(key="model", title="model"),
            Column(key="recipe", title="recipe", form=Form.PROSE, priority=1),
            Column(
                key="predicted_bytes",
                title="predicted",
                form=Form.COUNT,
                origin=Origin.PREDICTED,
            ),
            Column(key="measured_bytes", title="measured", form=Form.COUNT, origin=Origin.MEASURED),
            Column(key="error", title="error", form=Form.DEVIATION),
            Column(key="within", title="within"),
        ),
        rows=tuple(
            (
                row.model,
                recipe_text(row.recipe),
                row.predicted_bytes,
                row.measured_bytes,
                row.error,
                row.within,
            )
            for row in result.rows
        ),
        notes=(
            (
                f"{within} of {len(result.rows)} within {100 * result.tolerance:g}%; the largest "
                f"error is {units.format_deviation(worst).removeprefix('+')}."
            ),
            (
                "Bytes of live tensors at their most, in setup and two steps. The judge is torch's "
                "CPU profiler without the temporaries of CPU kernels."
            ),
        ),
    )


def gpu_validation_tables(result: GpuValidationResult) -> list[Table]:
    """Peaks by level, then the events, then the largest batches, then what was not measured."""
    tables = [_levels_table(result), _events_table(result)]
    if result.largest:
        tables.append(largest_table(result))
    if any(answer.failure for answer in result.answers):
        tables.append(_failures_table(result))
    return tables


def validation_sheet(result: GpuValidationResult) -> Table:
    """The rows of one shape: levels with what was not measured, or else the largest batches."""
    if not result.rows:
        return largest_table(result)
    table = _levels_table(result)
    rows = [
        (*values, row.failure)
        for row in result.rows
        for values in _level_rows(row) or [_unmeasured(row)]
    ]
    failure = Column(key="failure", title="why not", form=Form.PROSE)
    return replace(table, columns=(*table.columns, failure), rows=tuple(rows))


def _levels_table(result: GpuValidationResult) -> Table:
    """A row for each workload and level."""
    held = [row for row in result.rows if row.within is not None]
    within = sum(row.within is True for row in held)
    return Table(
        name="validation",
        title=f"Predicted against measured GPU memory, {calibration_text(result.calibrated_on)}",
        subtitle=describe(result.environment) if result.environment else "",
        columns=(
            *_workload_columns(),
            Column(key="level", title="level"),
            Column(
                key="predicted_bytes", title="predicted", form=Form.BYTES, origin=Origin.PREDICTED
            ),
            Column(key="measured_bytes", title="measured", form=Form.BYTES, origin=Origin.MEASURED),
            Column(key="error", title="error", form=Form.DEVIATION),
            Column(key="uncalibrated_error", title="uncalibrated", form=Form.DEVIATION, priority=1),
            Column(key="within", title="within"),
        ),
        rows=tuple(values for row in result.rows for values in _level_rows(row)),
        notes=(
            (
                f"Allocated: {within} of {len(held)} within {100 * result.tolerance:g}%, which is "
                f"claimed from batch {result.held_from_batch} on."
            ),
            "Peaks over setup and two steps, in a process of its own for each workload.",
        ),
    )


def _level_rows(row: GpuValidationRow) -> list[tuple[Value, ...]]:
    return [
        (
            row.model,
            recipe_text(row.recipe),
            check.level.value,
            check.predicted_bytes,
            check.measured_bytes,
            check.error,
            check.uncalibrated_error,
            row.within if check.level is Level.ALLOCATED else None,
        )
        for check in row.levels
    ]


def _unmeasured(row: GpuValidationRow) -> tuple[Value, ...]:
    return (row.model, recipe_text(row.recipe), *(None,) * 6)


def _events_table(result: GpuValidationResult) -> Table:
    return Table(
        name="events",
        title="Recorded allocations beside the traced ones",
        columns=(
            *_workload_columns(),
            Column(key="matched", title="matched", form=Form.COUNT),
            Column(key="only_gpu", title="only GPU", form=Form.COUNT),
            Column(key="only_gpu_bytes", title="bytes", form=Form.BYTES, priority=1),
            Column(key="unexplained_bytes", title="unexplained", form=Form.BYTES),
            Column(key="only_predicted", title="only predicted", form=Form.COUNT),
            Column(key="only_predicted_bytes", title="bytes", form=Form.BYTES, priority=1),
            Column(key="lifetimes_differ", title="other lifetime", form=Form.COUNT),
            Column(key="replay_exact", title="replay exact"),
        ),
        rows=tuple(_events_row(row) for row in result.rows if row.match is not None),
        notes=(
            (
                "Only GPU: workspaces and reserves, of which nothing was predicted here; "
                "unexplained are those outside of convolutions, batch norms and matrix multiplies."
            ),
            "Replay: the recorded requests through the model of the allocator.",
        ),
    )


def _events_row(row: GpuValidationRow) -> tuple[Value, ...]:
    match = row.match
    if match is None:
        raise ValueError("a workload without events has no row of them")
    return (
        row.model,
        recipe_text(row.recipe),
        match.matched,
        len(match.only_gpu),
        _total(match.only_gpu),
        match.unexplained_bytes,
        len(match.only_predicted),
        _total(match.only_predicted),
        match.lifetimes_differ,
        None if row.replay is None else row.replay.exact,
    )


def largest_table(result: GpuValidationResult) -> Table:
    """A row for each workload whose largest batch was looked for."""
    within = sum(check.within is True for check in result.largest)
    return Table(
        name="largest",
        title="The largest batch, predicted and found",
        subtitle=calibration_text(result.calibrated_on),
        columns=(
            *_workload_columns(),
            Column(
                key="predicted_batch", title="predicted", form=Form.COUNT, origin=Origin.PREDICTED
            ),
            Column(key="fitting_batch", title="fits", form=Form.COUNT, origin=Origin.MEASURED),
            Column(key="failing_batch", title="fails", form=Form.COUNT, origin=Origin.MEASURED),
            Column(key="error", title="error", form=Form.DEVIATION),
            Column(key="within", title="within"),
            Column(key="tries", title="tries", form=Form.COUNT, priority=1),
            Column(
                key="in_use_bytes",
                title="in use before",
                form=Form.BYTES,
                origin=Origin.MEASURED,
                priority=1,
            ),
        ),
        rows=tuple(
            (
                check.model,
                recipe_text(check.recipe, batch=False),
                check.predicted_batch,
                check.fitting_batch,
                check.failing_batch,
                check.error,
                check.within,
                len(check.tries),
                check.in_use_bytes,
            )
            for check in result.largest
        ),
        notes=(
            f"{within} of {len(result.largest)} within {100 * result.tolerance:g}%.",
            (
                "Predicted for the device's memory less the CUDA context and nothing else. Each "
                "batch was tried in a process of its own; what other processes had in use before, "
                "they took from it."
            ),
            *(sentence for check in result.largest for sentence in _reservations(check)),
        ),
    )


def _reservations(check: LargestBatchCheck) -> list[str]:
    """What takes from the figure's worth."""
    sentences = []
    if check.unproven:
        sentences.append(
            f"{check.model}: unproven, since a tensor passes 2^31 elements at the predicted batch."
        )
    if check.fits_above:
        above = ", ".join(str(batch) for batch in check.fits_above)
        sentences.append(
            f"{check.model}: fitting is not monotone here; {check.failing_batch} fails, {above} "
            "would fit."
        )
    if check.bound_hit:
        sentences.append(
            f"{check.model}: the search ended at its bound of {check.most_tries} tries."
        )
    starts = [tried.start_bytes for tried in check.tries]
    if starts and min(starts) < max(starts):
        sentences.append(
            f"{check.model}: what was in use before a try varied by "
            f"{units.format_bytes(max(starts) - min(starts))}; other processes came or went."
        )
    return sentences


def _failures_table(result: GpuValidationResult) -> Table:
    rows = [(row.model, recipe_text(row.recipe), row.failure) for row in result.rows]
    checks = [
        (check.model, f"largest batch; {recipe_text(check.recipe, batch=False)}", check.failure)
        for check in result.largest
    ]
    return Table(
        name="failures",
        title="Not measured",
        columns=(*_workload_columns(), Column(key="failure", title="why", form=Form.PROSE)),
        rows=tuple(row for row in (*rows, *checks) if row[-1]),
    )


def _workload_columns() -> tuple[Column, ...]:
    return (
        Column(key="model", title="model"),
        Column(key="recipe", title="recipe", form=Form.PROSE, priority=2),
    )


def _total(unmatched: tuple[Unmatched, ...]) -> int:
    return sum(item.bytes for item in unmatched)
