"""What `resprof compare --fail-on` asks, and which answers are no."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from resprof.answers.compare.comparison import (
    ComparedResult,
    ComparedRow,
    ComparedSide,
    Presence,
    Quantity,
)
from resprof.measure.run import Outcome
from resprof.stats.comparison import SpeedVerdict
from resprof.stats.intervals import CONFIDENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Increase over the baseline, as a fraction, from which on a configuration fails.

    None is not checked.
    """

    slower: float | None = None
    memory: float | None = None
    energy: float | None = None


class Reason(StrEnum):
    """Why a configuration fails; the last three with ``--strict`` only."""

    SLOWER = "slower"
    MEMORY = "memory"
    ENERGY = "energy"
    BROKEN = "broken"
    """The candidate ran out of memory, failed or hung where the baseline was measured."""
    INCONCLUSIVE = "inconclusive"
    UNKNOWN = "unknown"
    """One side has no such figure, so the question has no answer."""
    MISSING = "missing"
    """The candidate has not measured what the baseline has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A configuration that fails, and in what; ``row`` is None where it is in no one quantity."""

    reason: Reason
    result: ComparedResult
    row: ComparedRow | None


_TIMES = (Quantity.LATENCY, Quantity.THROUGHPUT)
_BROKEN = {Outcome.OUT_OF_MEMORY, Outcome.FAILED, Outcome.HUNG}
"""How a candidate ends that cannot do what the baseline did, whatever was asked."""


def failures(
    results: Iterable[ComparedResult], limits: Limits, *, strict: bool
) -> tuple[Failure, ...]:
    """Every no in the results' order; the results' margin must be the limit for ``slower``."""
    return tuple(
        Failure(reason=reason, result=result, row=row)
        for result in results
        for reason, row in _noes(result, limits)
        if strict or reason not in {Reason.INCONCLUSIVE, Reason.UNKNOWN, Reason.MISSING}
    )


def _noes(result: ComparedResult, limits: Limits) -> Iterator[tuple[Reason, ComparedRow | None]]:
    if result.presence is Presence.CANDIDATE_ONLY:
        return
    if result.presence is Presence.BASELINE_ONLY:
        yield Reason.MISSING, None
        return
    if _is_broken(result):
        yield Reason.BROKEN, None
        return
    for row in result.rows:
        reason = None
        if row.quantity in _TIMES and limits.slower is not None:
            reason = _of_time(row)
        elif row.quantity is Quantity.MEMORY and limits.memory is not None:
            reason = _of_memory(row, limits.memory)
        elif row.quantity is Quantity.ENERGY and limits.energy is not None:
            reason = _of_energy(row, limits.energy)
        if reason is not None:
            yield reason, row
    yield from ((Reason.UNKNOWN, None) for _ in _unasked(result, limits))


def _is_broken(result: ComparedResult) -> bool:
    """Whether the candidate failed at what the baseline has measured; its rounds do not help."""
    return any(
        row.baseline is not None
        and row.baseline.value is not None
        and row.baseline.outcome not in _BROKEN
        and row.candidate is not None
        and row.candidate.outcome in _BROKEN
        for row in result.rows
    )


def _unasked(result: ComparedResult, limits: Limits) -> Iterator[Quantity]:
    """Questions for which neither run has a figure at all."""
    asked = {Quantity.MEMORY: limits.memory, Quantity.ENERGY: limits.energy}
    for quantity, limit in asked.items():
        measured = any(row.baseline and row.baseline.value is not None for row in result.rows)
        if limit is not None and measured and result.row(quantity) is None:
            yield quantity


def _of_time(row: ComparedRow) -> Reason | None:
    match row.verdict:
        case SpeedVerdict.SLOWER:
            return Reason.SLOWER
        case SpeedVerdict.INCONCLUSIVE:
            return Reason.INCONCLUSIVE
        case None:
            return _lacking(row)
        case _:
            return None


def _of_memory(row: ComparedRow, limit: float) -> Reason | None:
    before, after = _values(row)
    if before is None or after is None:
        return _lacking(row)
    return Reason.MEMORY if after > before and after - before >= limit * before else None


def _of_energy(row: ComparedRow, limit: float) -> Reason | None:
    """With an interval it has to say so; from one window a side the ratio has to do."""
    if row.ratio is None:
        return _lacking(row)
    if row.ratio > 1 and row.ratio >= 1 + limit and (row.ci is None or row.ci[0] > 1):
        return Reason.ENERGY
    sure = row.ci is not None and row.ci[1] < 1 + limit and (row.ci_coverage or 0) >= CONFIDENCE
    return None if sure else Reason.INCONCLUSIVE


def _lacking(row: ComparedRow) -> Reason | None:
    """Why there is no ratio; behind a baseline without a figure no candidate can fall."""
    before, after = _values(row)
    if before is not None:
        return Reason.MISSING
    same_answer = _ran_out(row.baseline) and _ran_out(row.candidate)
    return None if after is not None or same_answer else Reason.UNKNOWN


def _values(row: ComparedRow) -> tuple[float | None, float | None]:
    return (
        row.baseline.value if row.baseline else None,
        row.candidate.value if row.candidate else None,
    )


def _ran_out(side: ComparedSide | None) -> bool:
    return side is not None and side.outcome is Outcome.OUT_OF_MEMORY
