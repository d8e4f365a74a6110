"""The screens of `resprof bench`, and its rows as one long table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from resprof.records.bench import BenchResult, BenchRow
from resprof.records.environment import Environment
from resprof.records.recipe import Workload
from resprof.records.table import Column, Origin, Table, Value
from resprof.report.tables.configurations import FIELDS
from resprof.report.tables.measured import activations_table, measured_table, parts_table

Field = tuple[Column, Callable[[BenchResult, BenchRow], Value]]
"""A column and where its values come from."""


def _result_fields() -> list[Field]:
    """What was run, and how it went."""

    def of_workload(column: Column, value: Callable[[Workload], Value]) -> Field:
        return column, lambda result, _: value(result.workload)

    def field(key: str, value: Callable[[BenchResult], Value]) -> Field:
        return Column(key=key, title=key), lambda result, _: value(result)

    return [
        *(of_workload(column, value) for column, value in FIELDS),
        field("device", lambda result: result.device.value if result.device else None),
        field("outcome", lambda result: result.outcome.value),
        field("halved_from", lambda result: result.halved_from),
        field("first_call_s", lambda result: result.first_call_s),
    ]


def _row_field(key: str) -> Field:
    def value(_: BenchResult, row: BenchRow) -> Value:
        found = getattr(row, key)
        return found.value if isinstance(found, StrEnum) else found

    return Column(key=key, title=key, origin=Origin.MEASURED), value


def _end_field(key: str, which: int) -> Field:
    """One end of an interval: ``latency_ci_s`` becomes ``latency_ci_low_s``."""
    name, _, unit = key.partition("_ci")
    end = f"{name}_ci_{('low', 'high')[which]}{unit}"

    def value(_: BenchResult, row: BenchRow) -> Value:
        ends = getattr(row, key)
        return None if ends is None else ends[which]

    return Column(key=end, title=end, origin=Origin.MEASURED), value


def _joined_field(key: str, text: Callable[[BenchRow], str]) -> Field:
    return Column(key=key, title=key), lambda _, row: text(row) or None


_NOT_PLAIN = {"batch", "precision", "engine", "flags", "throttled"}
"""Fields of a row that stand elsewhere, or are no single value."""


def _row_fields() -> list[Field]:
    found: list[Field] = []
    for key in BenchRow.__dataclass_fields__:
        if key in {"latency_ci_s", "throughput_ci"}:
            found += [_end_field(key, 0), _end_field(key, 1)]
        elif key not in _NOT_PLAIN:
            found.append(_row_field(key))
    found.append(
        _joined_field(
            "throttled",
            lambda row: "; ".join(f"{each.policy} {each.share!r}" for each in row.throttled or ()),
        )
    )
    found.append(_joined_field("flags", lambda row: "; ".join(flag.value for flag in row.flags)))
    return found


_FIELDS: tuple[Field, ...] = (*_result_fields(), *_row_fields())


def bench_tables(environment: Environment, results: Sequence[BenchResult]) -> list[Table]:
    """The overview, and for results with parts where the time and the activations go."""
    parted = [result for result in results if result.parts]
    by_stage = [result for result in parted if any(part.stage for part in result.parts)]
    kept = [result for result in by_stage if result.activations]
    return [
        measured_table(environment, results),
        *(parts_table(environment, result) for result in parted),
        *([activations_table(environment, kept)] if kept else ()),
    ]


def long_table(results: Sequence[BenchResult]) -> Table:
    """A row for each metric of each configuration, all figures in base units."""
    return Table(
        name="bench",
        title="Measured",
        columns=tuple(column for column, _ in _FIELDS),
        rows=tuple(
            tuple(value(result, row) for _, value in _FIELDS)
            for result in results
            for row in result.rows
        ),
    )
