"""The tables of `resprof validate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from resprof.answers.environment import describe, device_name
from resprof.answers.gpu.validation import (
    GpuValidationResult,
    GpuValidationRow,
    LargestBatchCheck,
    LevelCheck,
    ValidationResult,
)
from resprof.answers.workloads import calibration_text, recipe_text
from resprof.memory.allocator import Level
from resprof.memory.history import Unmatched
from resprof.render.answer import Answer
from resprof.render.table import Column, Form, Origin, Table, tabulate
from resprof.units import format_bytes, format_deviation

_MODEL = Column(key="model", title="model")
_ERROR = Column(key="error", title="error", form=Form.DEVIATION)
_WITHIN = Column(key="within", title="within")


def _recipe(value: Callable[[Any], str], priority: int = 2) -> Column:
    return Column(key="recipe", title="recipe", form=Form.PROSE, priority=priority, value=value)


def _whole_recipe(row: Any) -> str:
    return recipe_text(row.recipe)


_LIVE_COLUMNS = (
    Column(key="predicted_bytes", title="predicted", form=Form.COUNT, origin=Origin.PREDICTED),
    Column(key="measured_bytes", title="measured", form=Form.COUNT, origin=Origin.MEASURED),
    _ERROR,
)


def validation_table(result: ValidationResult) -> Table:
    """A row for each workload."""
    worst = max((abs(row.peaks.error) for row in result.rows), default=0.0)
    within = sum(row.within for row in result.rows)
    return tabulate(
        (
            _MODEL,
            _recipe(_whole_recipe, priority=1),
            *(column.of(lambda row: row.peaks) for column in _LIVE_COLUMNS),
            _WITHIN,
        ),
        result.rows,
        name="validation",
        title=f"Live memory, predicted vs measured, on {device_name(result.environment)}",
        subtitle=describe(result.environment),
        notes=(
            (
                f"{within} of {len(result.rows)} within {100 * result.tolerance:g}%; the largest "
                f"error is {format_deviation(worst).removeprefix('+')}."
            ),
            (
                "Peak bytes of live tensors over setup and two steps. The reference is torch's "
                "CPU profiler, without the temporaries of CPU kernels."
            ),
        ),
    )


def gpu_validation_tables(result: GpuValidationResult) -> list[Table]:
    """Peaks by level, then the events, then the largest batches, then what was not measured."""
    measured = [(row, check) for row in result.rows for check in row.levels]
    tables = [_levels_table(result, measured), _events_table(result)]
    if result.largest:
        tables.append(largest_table(result))
    if any(answer.failure for answer in result.answers):
        tables.append(_failures_table(result))
    return tables


def validation_sheet(result: GpuValidationResult) -> Table:
    """The rows of one shape: levels with what was not measured, or else the largest batches."""
    if not result.rows:
        return largest_table(result)
    rows = [(row, check) for row in result.rows for check in row.levels or (None,)]
    return _levels_table(result, rows, why=True)


def _levels_table(
    result: GpuValidationResult,
    rows: Iterable[tuple[GpuValidationRow, LevelCheck | None]],
    *,
    why: bool = False,
) -> Table:
    """A row for each workload and level; ``why`` adds the column of what was not measured."""
    judged = [row.within for row in result.rows if row.within is not None]
    failure = Column(
        key="failure", title="reason", form=Form.PROSE, value=lambda row: row[0].failure
    )
    return tabulate(
        (*_LEVEL_COLUMNS, *([failure] if why else [])),
        rows,
        name="validation",
        title=f"GPU memory, predicted vs measured, {calibration_text(result.calibrated_on)}",
        subtitle=describe(result.environment) if result.environment else "",
        notes=(
            (
                f"Allocated: {sum(judged)} of {len(judged)} within {100 * result.tolerance:g}%; "
                f"the tolerance applies from batch {result.held_from_batch} up."
            ),
            "Peaks over setup and two steps; each workload ran in its own process.",
        ),
    )


def _of_check(key: str, title: str, form: Form = Form.TEXT, **more: Any) -> Column:
    """What is known of a level; nothing where it was not measured."""
    return Column(
        key=key, title=title, form=form, value=lambda row: getattr(row[1], key, None), **more
    )


def _within(row: tuple[GpuValidationRow, LevelCheck | None]) -> bool | None:
    """The verdict is about the allocated bytes."""
    workload, check = row
    return workload.within if check and check.level is Level.ALLOCATED else None


_LEVEL_COLUMNS = (
    Column(key="model", title="model", value=lambda row: row[0].model),
    _recipe(lambda row: recipe_text(row[0].recipe)),
    _of_check("level", "level"),
    _of_check("predicted_bytes", "predicted", Form.BYTES, origin=Origin.PREDICTED),
    _of_check("measured_bytes", "measured", Form.BYTES, origin=Origin.MEASURED),
    _of_check("error", "error", Form.DEVIATION),
    _of_check("uncalibrated_error", "uncalibrated", Form.DEVIATION, priority=1),
    Column(key="within", title="within", value=_within),
)


def _of_match(key: str, title: str, form: Form = Form.COUNT) -> Column:
    return Column(key=key, title=title, form=form, value=lambda row: getattr(row.match, key))


def _events_table(result: GpuValidationResult) -> Table:
    return tabulate(
        (
            _MODEL,
            _recipe(_whole_recipe),
            _of_match("matched", "matched"),
            *_unmatched("only_gpu", "GPU only"),
            _of_match("unexplained_bytes", "unexplained", Form.BYTES),
            *_unmatched("only_predicted", "predicted only"),
            _of_match("lifetimes_differ", "other lifetimes"),
            Column(
                key="replay_exact",
                title="replay exact",
                value=lambda row: row.replay and row.replay.exact,
            ),
        ),
        [row for row in result.rows if row.match is not None],
        name="events",
        title="Allocations, recorded vs traced",
        notes=(
            (
                "GPU only: workspaces and reserves, which were not predicted here; unexplained: "
                "those outside convolutions, batch norms and matrix multiplies."
            ),
            (
                "Replay exact: the allocator model, fed with the recorded requests, gives the "
                "recorded peaks and segments."
            ),
        ),
    )


def _unmatched(side: str, title: str) -> tuple[Column, Column]:
    """How many allocations only one side has, and their bytes."""

    def of(row: GpuValidationRow) -> tuple[Unmatched, ...]:
        found: tuple[Unmatched, ...] = getattr(row.match, side)
        return found

    return (
        Column(key=side, title=title, form=Form.COUNT, value=lambda row: len(of(row))),
        Column(
            key=f"{side}_bytes",
            title="bytes",
            form=Form.BYTES,
            priority=1,
            value=lambda row: sum(item.bytes for item in of(row)),
        ),
    )


def largest_table(result: GpuValidationResult) -> Table:
    """A row for each workload whose largest batch was looked for."""
    within = sum(check.within is True for check in result.largest)
    return tabulate(
        (
            _MODEL,
            _recipe(lambda check: recipe_text(check.recipe, batch=False)),
            Column(
                key="predicted_batch", title="predicted", form=Form.COUNT, origin=Origin.PREDICTED
            ),
            Column(key="fitting_batch", title="fits", form=Form.COUNT, origin=Origin.MEASURED),
            Column(key="failing_batch", title="fails", form=Form.COUNT, origin=Origin.MEASURED),
            _ERROR,
            _WITHIN,
            Column(
                key="tries",
                title="tries",
                form=Form.COUNT,
                priority=1,
                value=lambda check: len(check.tries),
            ),
            Column(
                key="in_use_bytes",
                title="in use before",
                form=Form.BYTES,
                origin=Origin.MEASURED,
                priority=1,
            ),
        ),
        result.largest,
        name="largest",
        title="Largest batch, predicted vs measured",
        subtitle=calibration_text(result.calibrated_on),
        notes=(
            f"{within} of {len(result.largest)} within {100 * result.tolerance:g}%.",
            (
                "Predicted for the device's memory minus the CUDA context only. Each batch was "
                "tried in its own process; memory that other processes used was not available to "
                "it."
            ),
            *(sentence for check in result.largest for sentence in _caveats(check)),
        ),
    )


def _caveats(check: LargestBatchCheck) -> Iterator[str]:
    if check.unproven:
        yield (
            f"{check.model}: not verified, because a tensor exceeds 2^31 elements at the "
            "predicted batch."
        )
    if check.fits_above:
        above = ", ".join(str(batch) for batch in check.fits_above)
        yield (f"{check.model}: not monotone: {check.failing_batch} fails, but {above} would fit.")
    if check.bound_hit:
        yield f"{check.model}: the search stopped at its limit of {check.most_tries} tries."
    starts = [tried.start_bytes for tried in check.tries]
    if starts and min(starts) < max(starts):
        yield (
            f"{check.model}: memory in use before a try varied by "
            f"{format_bytes(max(starts) - min(starts))}; other processes started or ended."
        )


def _failures_table(result: GpuValidationResult) -> Table:
    return tabulate(
        (_MODEL, _recipe(_asked), Column(key="failure", title="why", form=Form.PROSE)),
        [answer for answer in result.answers if answer.failure],
        name="failures",
        title="Not measured",
    )


def _asked(answer: GpuValidationRow | LargestBatchCheck) -> str:
    if isinstance(answer, LargestBatchCheck):
        return f"largest batch; {recipe_text(answer.recipe, batch=False)}"
    return recipe_text(answer.recipe)


def validation_answer(result: ValidationResult) -> Answer[ValidationResult]:
    """What was predicted and what this machine's CPU took."""
    return Answer(
        command="validate",
        results=(result,),
        environment=result.environment,
        tables=lambda: [validation_table(result)],
        sheets=lambda: [validation_table(result)],
    )


def gpu_validation_answer(result: GpuValidationResult) -> Answer[GpuValidationResult]:
    """What was predicted and what a GPU took, by level, event and largest batch."""
    return Answer(
        command="validate",
        results=(result,),
        environment=result.environment,
        tables=lambda: gpu_validation_tables(result),
        sheets=lambda: [validation_sheet(result)],
    )
