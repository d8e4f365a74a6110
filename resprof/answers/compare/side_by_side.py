"""In what the environments of runs differ, and runs of several devices side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from resprof.answers.bench.quantities import LATENCY, QUANTITIES, Quantity
from resprof.answers.bench.results import BenchResult
from resprof.answers.bench.runs import RunLabel
from resprof.answers.compare.comparison import (
    ComparedResult,
    Figure,
    device_text,
    lack_text,
)
from resprof.answers.environment import Category, EnvironmentDifference
from resprof.answers.workloads import differing_columns, workload_columns
from resprof.model.recipe import Workload
from resprof.render.table import Column, Form, Origin, Table, one_line, tabulate

_OF_THE_MOMENT = "time of the run"


def differences_table(runs: Sequence[RunLabel], results: Sequence[ComparedResult]) -> Table:
    """Each differing field once, then date, load and launches; ``runs`` begin with the baseline."""
    by_field = _by_field(results)
    rows = [_row(field, by_run, runs) for field, by_run in by_field.items()]
    dates = (run.date.replace("+00:00", "Z") for run in runs)
    rows.append(("date", *dates, _OF_THE_MOMENT))
    if any(run.load is not None for run in runs):
        rows.append(("highest load", *(_text(run.load) for run in runs), _OF_THE_MOMENT))
    rows.append(("launches", *(str(run.launches) for run in runs), _OF_THE_MOMENT))
    same = "No environment difference that could affect results."
    return tabulate(
        (
            Column(key="field", title="field", value=lambda row: row[0]),
            *(_run_column(place, run) for place, run in enumerate(runs)),
            Column(key="concern", title="category", priority=1, value=lambda row: row[-1]),
        ),
        rows,
        name="environments",
        title="Environment differences",
        subtitle=_in_common(runs),
        notes=() if by_field else (same,),
    )


def _run_column(place: int, run: RunLabel) -> Column:
    return Column(
        key=f"run_{place}",
        title=one_line(f"{'candidate' if place else 'baseline'} {run.name}"),
        form=Form.PROSE,
        value=lambda row: row[1 + place],
    )


def _by_field(results: Sequence[ComparedResult]) -> dict[str, dict[str, EnvironmentDifference]]:
    """The differences of each field by the candidate's name, fields in order of category."""
    found: dict[str, dict[str, EnvironmentDifference]] = {}
    for result in results:
        for each in result.differences:
            found.setdefault(each.field, {}).setdefault(result.candidate.name, each)
    places = list(Category)

    def place(field: str) -> int:
        return places.index(next(iter(found[field].values())).category)

    # The differences of one run are in order; sorting, which is stable, merges those of several.
    return {field: found[field] for field in sorted(found, key=place)}


def _row(
    field: str, by_run: dict[str, EnvironmentDifference], runs: Sequence[RunLabel]
) -> tuple[str | None, ...]:
    """The baseline's value stands for the candidates that do not differ in this field."""
    first = next(iter(by_run.values()))
    values = [
        by_run[run.name].candidate if run.name in by_run else first.baseline for run in runs[1:]
    ]
    return (field, *map(_text, (first.baseline, *values)), first.category.value)


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
    "Different devices are shown side by side without a verdict: a difference between devices is "
    "not a regression."
)
_TWO_MEMORIES = (
    "Peak memory is the peak of the caching allocator on a GPU and of torch's CPU allocator on a "
    "CPU."
)


def run_titles(runs: Sequence[RunLabel]) -> tuple[str, ...]:
    """What heads the column of each run: its device, and its file where two have the same."""
    devices = [run.device for run in runs]
    return tuple(
        run.device.name if devices.count(run.device) == 1 else f"{run.device.name} ({run.name})"
        for run in runs
    )


Row = tuple[Workload, dict[str, BenchResult]]
"""A configuration, and what each run has of it by the run's name."""


def side_by_side_tables(runs: Sequence[RunLabel], results: Sequence[ComparedResult]) -> list[Table]:
    """A table for each quantity that any run has; ``runs`` begin with the baseline."""
    rows = _rows(results)
    tables = [
        _table(quantity, runs, rows)
        for quantity in QUANTITIES
        if any(_known(row, run, quantity) for row in rows for run in runs)
    ]
    notes = (
        _NO_VERDICT,
        *((_TWO_MEMORIES,) if len({run.device.kind for run in runs}) > 1 else ()),
    )
    return [*tables[:-1], *(replace(table, notes=notes) for table in tables[-1:])]


def side_by_side_sheet(runs: Sequence[RunLabel], results: Sequence[ComparedResult]) -> Table:
    """All quantities in one row for each configuration, each run's in columns of its own."""

    def figure(quantity: Quantity, run: RunLabel) -> Column:
        return Column(
            key=f"{quantity.key} {run.device.name} {run.name}",
            title=run.name,
            origin=Origin.MEASURED,
            value=_of_run(run, quantity.value),
        )

    return tabulate(
        (
            *workload_columns(_workload_of),
            *(figure(quantity, run) for quantity in QUANTITIES for run in runs),
        ),
        _rows(results),
        name="side-by-side",
        title="Side by side",
    )


def _rows(results: Sequence[ComparedResult]) -> list[Row]:
    found: dict[Workload, dict[str, BenchResult]] = {}
    for result in results:
        by_run = found.setdefault(result.workload, {})
        for label, tried in ((result.baseline, result.before), (result.candidate, result.after)):
            if tried is not None:
                by_run[label.name] = tried
    return list(found.items())


def _workload_of(row: Row) -> Workload:
    return row[0]


def _known(row: Row, run: RunLabel, quantity: Quantity) -> bool:
    result = row[1].get(run.name)
    return result is not None and quantity.value(result) is not None


def _table(quantity: Quantity, runs: Sequence[RunLabel], rows: Sequence[Row]) -> Table:
    of_workload, common = differing_columns(rows, of=_workload_of)
    # Once is enough, and the first table is the one that is read.
    lacking = quantity is LATENCY and any(_lacking(runs, row) for row in rows)
    return tabulate(
        (
            *of_workload,
            *(
                column
                for place, title in enumerate(run_titles(runs))
                for column in _run_figures(quantity, runs, place, title)
            ),
            *([_lacking_column(runs)] if lacking else []),
        ),
        rows,
        name=f"side-by-side-{quantity.key}",
        title=f"{quantity.title}, measured on several devices side by side",
        subtitle=common,
    )


def _of_run(
    run: RunLabel, value: Callable[[BenchResult], float | None]
) -> Callable[[Row], float | None]:
    def of_row(row: Row) -> float | None:
        result = row[1].get(run.name)
        return None if result is None else value(result)

    return of_row


def _run_figures(
    quantity: Quantity, runs: Sequence[RunLabel], place: int, title: str
) -> list[Column]:
    """A narrow screen keeps the first devices; the ends of intervals are the first to go."""

    def figure(
        key: str, title: str, priority: int, value: Callable[[BenchResult], float | None]
    ) -> Column:
        return Column(
            key=key,
            title=title,
            form=quantity.form,
            origin=Origin.MEASURED,
            priority=priority,
            value=_of_run(runs[place], value),
        )

    key, last = f"{quantity.key}_{place}", len(runs) + 1
    columns = [figure(key, title, place, quantity.value)]
    if quantity.timed:
        columns += [
            figure(
                f"{key}_from", "from", last, lambda each: (quantity.interval(each) or [None])[0]
            ),
            figure(f"{key}_to", "to", last, lambda each: (quantity.interval(each) or [None])[-1]),
        ]
    return columns


def _lacking_column(runs: Sequence[RunLabel]) -> Column:
    """Goes after the intervals and before a device does."""
    return Column(
        key="lacking",
        title="missing",
        form=Form.PROSE,
        priority=len(runs),
        value=lambda row: _lacking(runs, row),
    )


def _lacking(runs: Sequence[RunLabel], row: Row) -> str | None:
    """Which runs have no figure of a configuration, or one of a process that ended badly; why."""
    why: dict[str, list[str]] = {}
    for run, title in zip(runs, run_titles(runs), strict=True):
        result = row[1].get(run.name)
        text = lack_text(Figure(quantity=LATENCY, result=result) if result else None)
        if text is not None:
            why.setdefault(text, []).append(title)
    return "; ".join(f"{text}: {', '.join(titles)}" for text, titles in why.items()) or None
