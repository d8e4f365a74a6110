"""Published results beside measured ones: never in one column, and no verdict on either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from resprof.records.comparison import (
    PublishedBeside,
    PublishedRow,
    RunDevice,
    RunLabel,
    SetupDifference,
)
from resprof.records.recipe import Workload
from resprof.records.table import Column, Form, Origin, Table, Value
from resprof.report.cells import one_line
from resprof.report.tables.configurations import configurations
from resprof.report.tables.quantities import device_text
from resprof.units import UNKNOWN

_NO_VERDICT = (
    "Published by others, in another setup. What differs stands in each row, published / measured; "
    "what is unknown may differ. Such a figure is a landmark and gets no verdict. Its images/s are "
    "those of all its devices together."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A published result near a configuration, and what each run has measured of that."""

    workload: Workload
    row: PublishedRow
    measured: dict[str, PublishedBeside]


_Key = tuple[Workload, PublishedRow]
"""Runs share a line where the same differs."""


def published_tables(found: Sequence[PublishedBeside]) -> list[Table]:
    """A table for each measured and each published device, so that no column holds two.

    The devices of the nearest results come first.
    """
    groups: dict[tuple[RunDevice, str], dict[_Key, _Line]] = {}
    for beside in found:
        for row in beside.rows:
            lines = groups.setdefault((beside.run.device, row.published.device), {})
            line = lines.setdefault(
                (beside.workload, row), _Line(workload=beside.workload, row=row, measured={})
            )
            line.measured[beside.run.name] = beside
    tables = [
        _table(device, published, tuple(lines.values()), _runs(found, device))
        for (device, published), lines in sorted(groups.items(), key=_is_of_another)
    ]
    return [*tables[:-1], *(replace(table, notes=(_NO_VERDICT,)) for table in tables[-1:])]


def _is_of_another(group: tuple[tuple[RunDevice, str], dict[_Key, _Line]]) -> bool:
    """Whether what was published is not of the measured device."""
    return any(each.what == "device" for line in group[1].values() for each in line.row.differs)


def _runs(found: Sequence[PublishedBeside], device: RunDevice) -> tuple[RunLabel, ...]:
    return tuple(dict.fromkeys(each.run for each in found if each.run.device == device))


def _table(
    device: RunDevice, published: str, lines: Sequence[_Line], runs: Sequence[RunLabel]
) -> Table:
    laid_out = configurations([line.workload for line in lines])
    return Table(
        name="published",
        title=f"Published for {published}, beside {' and '.join(run.name for run in runs)}, "
        f"measured on {device_text(device)}",
        subtitle=laid_out.common,
        columns=(
            *laid_out.columns,
            *(column for place, run in enumerate(runs) for column in _measured(place, run, runs)),
            Column(
                key="published_images_per_s", title="published images/s", origin=Origin.PUBLISHED
            ),
            Column(
                key="published_latency_s",
                title="published latency",
                origin=Origin.PUBLISHED,
                priority=2,
            ),
            Column(key="differs", title="differs", form=Form.PROSE),
            Column(key="source", title="source", priority=1),
            Column(key="locator", title="where", form=Form.PROSE, priority=3),
        ),
        rows=tuple(
            (*cells, *_cells(line, runs)) for cells, line in zip(laid_out.cells, lines, strict=True)
        ),
    )


def _measured(place: int, run: RunLabel, runs: Sequence[RunLabel]) -> tuple[Column, Column]:
    of = one_line(f" {run.name}") if len(runs) > 1 else ""
    return (
        Column(
            key=f"throughput_images_per_s_{place}",
            title=f"images/s{of}",
            form=Form.NUMBER,
            origin=Origin.MEASURED,
        ),
        Column(
            key=f"latency_median_s_{place}",
            title=f"latency{of}",
            form=Form.SECONDS,
            origin=Origin.MEASURED,
            priority=2,
        ),
    )


def _cells(line: _Line, runs: Sequence[RunLabel]) -> list[Value]:
    cells: list[Value] = []
    for run in runs:
        beside = line.measured.get(run.name)
        cells += [
            beside.throughput_images_per_s if beside else None,
            beside.latency_median_s if beside else None,
        ]
    published = line.row.published
    return [
        *cells,
        _digits(published.throughput_images_per_s),
        _milliseconds(published.latency_s),
        "; ".join(map(_differs, line.row.differs)) or None,
        published.source,
        published.locator,
    ]


def _digits(value: float | None) -> str | None:
    """All digits that were printed, neither fewer nor more."""
    return None if value is None else f"{value:,.12g}"


def _milliseconds(seconds: float | None) -> str | None:
    return None if seconds is None else f"{1e3 * seconds:,.12g} ms"


def _differs(each: SetupDifference) -> str:
    if each.measured is None:
        return f"{each.what} {each.published or UNKNOWN}"
    return f"{each.what} {each.published or UNKNOWN} / {each.measured}"
