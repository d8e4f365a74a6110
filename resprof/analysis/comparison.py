"""A configuration in two runs: ratios with their intervals, and verdicts where there can be one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from resprof.analysis.concerns import by_concern
from resprof.analysis.configurations import Configuration
from resprof.analysis.measured_runs import MeasuredConfiguration
from resprof.analysis.rows import series_of
from resprof.records.bench import BenchResult, BenchRow, Over
from resprof.records.comparison import (
    ComparedResult,
    ComparedRow,
    ComparedSide,
    EnvironmentDifference,
    Presence,
    Quantity,
    RunLabel,
)
from resprof.records.environment import Environment
from resprof.records.plan import Metric
from resprof.statistics.comparison import Comparison, compare

Tried = tuple[MeasuredConfiguration, BenchResult]
"""A configuration's samples and the figures made from them."""

_METRIC = {Quantity.LATENCY: Metric.LATENCY, Quantity.THROUGHPUT: Metric.THROUGHPUT}


def compared(
    baseline: tuple[RunLabel, Environment, Sequence[Tried]],
    candidate: tuple[RunLabel, Environment, Sequence[Tried]],
    *,
    margin: float,
) -> tuple[ComparedResult, ...]:
    """Every configuration of either run: the baseline's in its order, then what it lacks.

    A workload is the key, so a run of another version that words it differently still joins.
    """
    before, after = (
        {tried[1].workload: tried for tried in tries} for _, _, tries in (baseline, candidate)
    )
    comparable = baseline[0].device == candidate[0].device
    between_runs = by_concern(baseline[1], candidate[1])
    found = []
    for workload in dict.fromkeys((*before, *after)):
        early, late = before.get(workload), after.get(workload)
        found.append(
            _result(
                early,
                late,
                labels=(baseline[0], candidate[0]),
                comparable=comparable,
                margin=margin,
                differences=(
                    by_concern(early[0].environment, late[0].environment)
                    if early and late
                    else between_runs
                ),
            )
        )
    return tuple(found)


def _result(
    early: Tried | None,
    late: Tried | None,
    *,
    labels: tuple[RunLabel, RunLabel],
    comparable: bool,
    margin: float,
    differences: tuple[EnvironmentDifference, ...],
) -> ComparedResult:
    tried = early or late
    if tried is None:
        raise ValueError("neither run has tried it")
    result = tried[1]
    presence = Presence.BOTH
    if early is None or late is None:
        presence = Presence.CANDIDATE_ONLY if early is None else Presence.BASELINE_ONLY
    return ComparedResult(
        model=result.model,
        title=result.title,
        recipe=result.recipe,
        rows=tuple(_rows(early, late, margin=margin if comparable else None)),
        key=result.key,
        classes=result.classes,
        in_channels=result.in_channels,
        width=result.width,
        baseline=labels[0],
        candidate=labels[1],
        presence=presence,
        comparable=comparable,
        margin=margin,
        differences=differences,
    )


def _rows(
    early: Tried | None, late: Tried | None, *, margin: float | None
) -> Iterator[ComparedRow]:
    """A row for each quantity that a side has; without a margin none is compared."""
    for quantity in Quantity:
        before, after = _side(early, quantity), _side(late, quantity)
        row = ComparedRow(quantity=quantity, baseline=before, candidate=after)
        if margin is not None and early and late and _known(before) and _known(after):
            row = _judged(row, early[0].configuration, late[0].configuration, margin)
        if _known(before) or _known(after) or _asked(early, quantity) or _asked(late, quantity):
            yield row


def _asked(tried: Tried | None, quantity: Quantity) -> bool:
    """Whether a run was to time it; memory and energy nobody asks for by name."""
    return tried is not None and quantity in _METRIC and _row_of(tried[1], quantity) is not None


def _known(side: ComparedSide | None) -> bool:
    return side is not None and side.value is not None


def _side(tried: Tried | None, quantity: Quantity) -> ComparedSide | None:
    if tried is None:
        return None
    result = tried[1]
    row = _row_of(result, quantity)
    return ComparedSide(
        value=getattr(row, quantity.value) if row else None,
        ci=_interval(row, quantity) if row else None,
        launches=row.launches if row else 0,
        rounds=row.rounds if row else 0,
        outcome=result.outcome,
        flags=row.flags if row else (),
    )


def _row_of(result: BenchResult, quantity: Quantity) -> BenchRow | None:
    """Memory stands in every row, energy beside throughput."""
    metric = _METRIC.get(quantity)
    if quantity is Quantity.ENERGY:
        metric = Metric.THROUGHPUT
    return next((row for row in result.rows if metric in {None, row.metric}), None)


def _interval(row: BenchRow, quantity: Quantity) -> tuple[float, float] | None:
    match quantity:
        case Quantity.LATENCY:
            return row.latency_ci_s
        case Quantity.THROUGHPUT:
            return row.throughput_ci
        case _:
            return None


def _judged(
    row: ComparedRow, before: Configuration, after: Configuration, margin: float
) -> ComparedRow:
    match row.quantity:
        case Quantity.LATENCY | Quantity.THROUGHPUT:
            return _timed(row, before, after, margin)
        case Quantity.ENERGY:
            return _metered(row, before, after)
        case _:
            return _exact(row)


def _timed(
    row: ComparedRow, before: Configuration, after: Configuration, margin: float
) -> ComparedRow:
    metric = _METRIC[row.quantity]
    early, late = series_of(before, metric), series_of(after, metric)
    if early is None or late is None:
        return row
    over = Over.LAUNCHES if early.over is late.over is Over.LAUNCHES else Over.ROUNDS
    sides = [
        each.of_launches
        if over is Over.LAUNCHES
        else tuple(value for rounds in each.of_rounds for value in rounds)
        for each in (early, late)
    ]
    found = compare(*sides, margin=margin, higher_is_faster=metric is Metric.THROUGHPUT)
    return replace(_with(row, found, over), verdict=found.verdict)


def _metered(row: ComparedRow, before: Configuration, after: Configuration) -> ComparedRow:
    """Energy has one window a launch: from one launch a side there is a ratio and no interval."""
    early, late = _energies(before), _energies(after)
    if min(len(early), len(late)) > 1 and min(*early, *late) > 0:
        return _with(row, compare(early, late, higher_is_faster=False), Over.LAUNCHES)
    return _exact(row)


def _energies(configuration: Configuration) -> list[float]:
    """Joules per image of each launch that has read them."""
    found = []
    for launch in configuration.launches:
        windows = [each for each in launch.energy if each.calls > 0]
        images = configuration.images * sum(each.calls for each in windows)
        if images:
            found.append(sum(each.energy_j for each in windows) / images)
    return found


def _exact(row: ComparedRow) -> ComparedRow:
    before = row.baseline.value if row.baseline else None
    after = row.candidate.value if row.candidate else None
    if not before or after is None:
        return row
    return replace(row, ratio=after / before)


def _with(row: ComparedRow, found: Comparison, over: Over) -> ComparedRow:
    return replace(
        row,
        ratio=found.ratio,
        ci=(found.low, found.high) if found.coverage else None,
        ci_coverage=found.coverage,
        over=over,
    )
