"""Runs of several devices: a column for each, and no verdict between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from resprof.records.comparison import ComparedResult, ComparedSide, Quantity, RunLabel
from resprof.records.recipe import Workload
from resprof.records.table import Column, Form, Origin, Table, Value
from resprof.report.tables.configurations import FIELDS, configurations
from resprof.report.tables.quantities import NAMES, TIMED, figure_column, lack_text, run_titles

_NO_VERDICT = (
    "Different devices stand side by side and get no verdict: what one takes says nothing of "
    "whether the software of another has become slower."
)
_TWO_MEMORIES = (
    "On a GPU peak memory is the caching allocator's peak, on a CPU the most that torch's "
    "allocator held at once."
)

Sides = dict[Workload, dict[str, dict[Quantity, ComparedSide]]]
"""The figures of each configuration by the run's name."""


def side_by_side_tables(runs: Sequence[RunLabel], results: Sequence[ComparedResult]) -> list[Table]:
    """A table for each quantity that any run has; ``runs`` begin with the baseline."""
    sides = _sides(results)
    tables = [_table(quantity, runs, sides) for quantity in Quantity if _is_known(quantity, sides)]
    notes = (
        _NO_VERDICT,
        *((_TWO_MEMORIES,) if len({run.device.kind for run in runs}) > 1 else ()),
    )
    return [*tables[:-1], *(replace(table, notes=notes) for table in tables[-1:])]


def side_by_side_sheet(runs: Sequence[RunLabel], results: Sequence[ComparedResult]) -> Table:
    """All quantities in one row for each configuration, each run's in columns of its own."""
    columns = [
        (
            quantity,
            run,
            Column(
                key=f"{quantity.value} {run.device.name} {run.name}",
                title=run.name,
                origin=Origin.MEASURED,
            ),
        )
        for quantity in Quantity
        for run in runs
    ]
    return Table(
        name="side-by-side",
        title="Side by side",
        columns=(*(column for column, _ in FIELDS), *(column for _, _, column in columns)),
        rows=tuple(
            (
                *(value(workload) for _, value in FIELDS),
                *(_value(by_run.get(run.name), quantity) for quantity, run, _ in columns),
            )
            for workload, by_run in _sides(results).items()
        ),
    )


def _sides(results: Sequence[ComparedResult]) -> Sides:
    found: Sides = {}
    for result in results:
        by_run = found.setdefault(result.workload, {})
        for row in result.rows:
            for label, side in (
                (result.baseline, row.baseline),
                (result.candidate, row.candidate),
            ):
                if side is not None:
                    by_run.setdefault(label.name, {})[row.quantity] = side
    return found


def _is_known(quantity: Quantity, sides: Sides) -> bool:
    return any(
        _value(by_quantity, quantity) is not None
        for by_run in sides.values()
        for by_quantity in by_run.values()
    )


def _value(by_quantity: dict[Quantity, ComparedSide] | None, quantity: Quantity) -> Value:
    side = by_quantity.get(quantity) if by_quantity else None
    return side.value if side else None


def _table(quantity: Quantity, runs: Sequence[RunLabel], sides: Sides) -> Table:
    laid_out = configurations(list(sides))
    # Once is enough, and the first table is the one that is read.
    lacking = quantity is Quantity.LATENCY and any(_lacking(runs, each) for each in sides.values())
    return Table(
        name=f"side-by-side-{quantity.value}",
        title=f"{NAMES[quantity]}, measured on several devices side by side",
        subtitle=laid_out.common,
        columns=(
            *laid_out.columns,
            *_columns(quantity, runs),
            *([_lacking_column(runs)] if lacking else []),
        ),
        rows=tuple(
            (
                *cells,
                *_figures(quantity, runs, by_run),
                *([_lacking(runs, by_run)] if lacking else []),
            )
            for cells, by_run in zip(laid_out.cells, sides.values(), strict=True)
        ),
    )


def _columns(quantity: Quantity, runs: Sequence[RunLabel]) -> list[Column]:
    """A narrow screen keeps the first devices; the ends of intervals are the first to go."""
    columns = []
    for place, title in enumerate(run_titles(runs)):
        key = f"{quantity.value}_{place}"
        columns.append(figure_column(key, title, quantity, place))
        if quantity in TIMED:
            columns += [
                figure_column(f"{key}_{end}", end, quantity, len(runs) + 1)
                for end in ("from", "to")
            ]
    return columns


def _figures(
    quantity: Quantity, runs: Sequence[RunLabel], by_run: dict[str, dict[Quantity, ComparedSide]]
) -> list[Value]:
    cells: list[Value] = []
    for run in runs:
        side = by_run.get(run.name, {}).get(quantity)
        cells.append(side.value if side else None)
        if quantity in TIMED:
            cells += side.ci if side and side.ci else (None, None)
    return cells


def _lacking_column(runs: Sequence[RunLabel]) -> Column:
    """Goes after the intervals and before a device does."""
    return Column(key="lacking", title="lacking", form=Form.PROSE, priority=len(runs))


def _lacking(
    runs: Sequence[RunLabel], by_run: dict[str, dict[Quantity, ComparedSide]]
) -> str | None:
    """Which runs have no figure of a configuration, or one of a process that ended badly; why."""
    why: dict[str, list[str]] = {}
    for run, title in zip(runs, run_titles(runs), strict=True):
        sides = by_run.get(run.name)
        text = lack_text(next(iter(sides.values())) if sides else None)
        if text is not None:
            why.setdefault(text, []).append(title)
    return "; ".join(f"{text}: {', '.join(titles)}" for text, titles in why.items()) or None
