"""In what the environments of runs differ: a column for each run, what weighs most first."""

from __future__ import annotations

from collections.abc import Sequence

from resprof.records.comparison import ComparedResult, Concern, EnvironmentDifference, RunLabel
from resprof.records.table import Column, Form, Table, Value
from resprof.report.cells import one_line
from resprof.report.tables.quantities import device_text

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
