"""The table of `resprof validate`."""

from __future__ import annotations

from resprof import units
from resprof.records.table import Column, Form, Origin, Table
from resprof.records.validation import ValidationResult
from resprof.report.tables.measured import describe, device_name
from resprof.report.tables.recipe import recipe_text


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
            Column(key="error_percent", title="error in %", form=Form.NUMBER),
            Column(key="within", title="within"),
        ),
        rows=tuple(
            (
                row.model,
                recipe_text(row.recipe),
                row.predicted_bytes,
                row.measured_bytes,
                round(100 * row.error, 6),
                row.within,
            )
            for row in result.rows
        ),
        notes=(
            (
                f"{within} of {len(result.rows)} within {100 * result.tolerance:g}%; the largest "
                f"error is {units.significant(100 * worst, 4)}%."
            ),
            (
                "Bytes of live tensors at their most, in setup and two steps. The judge is torch's "
                "CPU profiler without the temporaries of CPU kernels."
            ),
        ),
    )
