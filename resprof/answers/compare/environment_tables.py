"""In what the environments of runs differ, and runs of several devices side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from resprof.answers.bench.runs import RunLabel
from resprof.answers.compare.comparison import (
    NAMES,
    TIMED,
    ComparedResult,
    ComparedSide,
    Quantity,
    device_text,
    figure_column,
    lack_text,
    run_titles,
)
from resprof.answers.environment import Concern, EnvironmentDifference
from resprof.answers.workloads import FIELDS, configurations
from resprof.model.recipe import Workload
from resprof.render.cells import one_line
from resprof.render.table import Column, Form, Origin, Table, Value

_OF_THE_MOMENT = "the moment"


def differences_table(runs: Sequence[RunLabel], results: Sequence[ComparedResult]) -> Table:
    """Each differing field once, then date, load and launches; ``runs`` begin with the baseline."""
    found = _by_field(results)
    rows = [_row(field, by_run, runs) for field, by_run in found.items()]
    dates = (run.date.replace("+00:00", "Z") for run in runs)
    rows.append(("date", *dates, _OF_THE_MOMENT))
    if any(run.load is not None for run in runs):
        rows.append(("load, at most", *(_text(run.load) for run in runs), _OF_THE_MOMENT))
    rows.append(("launches", *(str(run.launches) for run in runs), _OF_THE_MOMENT))
    return Table(
        name="environments",
        title="In what the environments differ",
        subtitle=_in_common(runs),
        columns=(
            Column(key="field", title="field"),
            *(
                Column(
                    key=f"run_{place}",
                    title=one_line(f"{'candidate' if place else 'baseline'} {run.name}"),
                    form=Form.PROSE,
                )
                for place, run in enumerate(runs)
            ),
            Column(key="concern", title="concerns", priority=1),
        ),
        rows=tuple(rows),
        notes=() if found else ("The environments differ in nothing that may change a figure.",),
    )


def _by_field(results: Sequence[ComparedResult]) -> dict[str, dict[str, EnvironmentDifference]]:
    """The differences of each field by the candidate's name, fields in order of concern."""
    found: dict[str, dict[str, EnvironmentDifference]] = {}
    for result in results:
        for each in result.differences:
            found.setdefault(each.field, {}).setdefault(result.candidate.name, each)
    places = list(Concern)

    def place(field: str) -> int:
        return places.index(next(iter(found[field].values())).concern)

    # The differences of one run are in order; sorting, which is stable, merges those of several.
    return {field: found[field] for field in sorted(found, key=place)}


def _row(
    field: str, by_run: dict[str, EnvironmentDifference], runs: Sequence[RunLabel]
) -> tuple[Value, ...]:
    """The baseline's value stands for the candidates that do not differ in this field."""
    first = next(iter(by_run.values()))
    values = [
        by_run[run.name].candidate if run.name in by_run else first.baseline for run in runs[1:]
    ]
    return (field, *map(_text, (first.baseline, *values)), first.concern.value)


def _in_common(runs: Sequence[RunLabel]) -> str:
    parts = []
    if len({run.device for run in runs}) == 1:
        parts.append(f"all on {device_text(runs[0].device)}")
    for what, values in (
        ("torch", {run.torch for run in runs}),
        ("driver", {run.driver for run in runs}),
    ):
        if len(values) == 1 and None not in values:
            parts.append(f"{what} {values.pop()}")
    return "; ".join(parts)


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


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
