"""`resprof compare` as rows of one shape: one for each configuration and candidate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from resprof.answers.bench.runs import RunLabel
from resprof.answers.compare.comparison import (
    TIMED,
    ComparedResult,
    ComparedRow,
    ComparedSide,
    Quantity,
)
from resprof.answers.compare.environment_tables import side_by_side_sheet
from resprof.answers.workloads import FIELDS
from resprof.render.table import Column, Origin, Table, Value

Field = tuple[Column, Callable[[ComparedResult], Value]]

_SHORT = {
    Quantity.LATENCY: "latency",
    Quantity.THROUGHPUT: "throughput",
    Quantity.MEMORY: "memory",
    Quantity.ENERGY: "energy",
}


def compare_sheet(runs: Sequence[RunLabel], results: Sequence[ComparedResult]) -> Table:
    """All figures in base units; between devices a column for each run and no verdicts."""
    if not all(result.comparable for result in results):
        return side_by_side_sheet(runs, results)
    return Table(
        name="compare",
        title="Compared",
        columns=tuple(column for column, _ in _ALL),
        rows=tuple(tuple(value(result) for _, value in _ALL) for result in results),
    )


def _field(key: str, value: Callable[[ComparedResult], Value]) -> Field:
    return Column(key=key, title=key), value


def _of_workload(column: Column, value: Callable[..., Value]) -> Field:
    return column, lambda result: value(result.workload)


def _of_quantity(quantity: Quantity) -> list[Field]:
    """Both sides, then how they compare, under names that begin with the quantity's."""
    short = _SHORT[quantity]
    before, after = f"baseline_{quantity.value}", f"candidate_{quantity.value}"
    found = [
        _measured(before, quantity, lambda row: _side(row, "baseline", "value")),
        _measured(after, quantity, lambda row: _side(row, "candidate", "value")),
        _measured(f"{short}_ratio", quantity, lambda row: row.ratio),
    ]
    if quantity is not Quantity.MEMORY:
        found += [
            _measured(f"{short}_ratio_ci_low", quantity, lambda row: row.ci[0] if row.ci else None),
            _measured(
                f"{short}_ratio_ci_high", quantity, lambda row: row.ci[1] if row.ci else None
            ),
            _measured(f"{short}_ratio_ci_coverage", quantity, lambda row: row.ci_coverage),
            _measured(f"{short}_over", quantity, lambda row: _text(row.over)),
        ]
    if quantity in TIMED:
        found.append(_measured(f"{short}_verdict", quantity, lambda row: _text(row.verdict)))
    return found


def _measured(key: str, quantity: Quantity, value: Callable[[ComparedRow], Value]) -> Field:
    def of_result(result: ComparedResult) -> Value:
        row = result.row(quantity)
        return None if row is None else value(row)

    return Column(key=key, title=key, origin=Origin.MEASURED), of_result


def _of_side(side: str, name: str) -> Field:
    """What holds for all figures of a side: from any row that has it."""

    def value(result: ComparedResult) -> Value:
        found = (_side(row, side, name) for row in result.rows)
        return next((each for each in found if each is not None), None)

    return _field(f"{side}_{name}", value)


def _flags_of(side: str) -> Field:
    def value(result: ComparedResult) -> Value:
        sides: list[ComparedSide | None] = [getattr(row, side) for row in result.rows]
        flags = dict.fromkeys(flag.value for each in sides if each for flag in each.flags)
        return "; ".join(flags) or None

    return _field(f"{side}_flags", value)


def _side(row: ComparedRow, side: str, name: str) -> Value:
    found = getattr(getattr(row, side), name, None)
    value: Value = _text(found) if isinstance(found, StrEnum) else found
    return value


def _text(value: StrEnum | None) -> str | None:
    return None if value is None else value.value


_ALL: tuple[Field, ...] = (
    _field("baseline", lambda result: result.baseline.name),
    _field("candidate", lambda result: result.candidate.name),
    *(_of_workload(column, value) for column, value in FIELDS),
    _field("presence", lambda result: result.presence.value),
    _field("margin", lambda result: result.margin),
    *(field for quantity in Quantity for field in _of_quantity(quantity)),
    *(
        field
        for side in ("baseline", "candidate")
        for field in (
            _of_side(side, "outcome"),
            _of_side(side, "launches"),
            _of_side(side, "rounds"),
            _flags_of(side),
        )
    ),
)
