"""`resprof compare --fail-on`: what it asks, which configurations fail, and why in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from resprof.answers.bench.quantities import LATENCY, QUANTITIES, Judgement, Quantity
from resprof.answers.compare.comparison import (
    ComparedResult,
    ComparedRow,
    Figure,
    Presence,
    ReadRun,
)
from resprof.answers.workloads import workload_text
from resprof.errors import UsageError, printable, printable_path
from resprof.measure.run import Outcome
from resprof.render.table import Form
from resprof.stats.comparison import MARGIN, SpeedVerdict
from resprof.stats.intervals import CONFIDENCE
from resprof.units import format_deviation, parse_share

QUESTIONS = tuple(dict.fromkeys(each.question for each in QUANTITIES if each.question))
"""What can be asked: each question is of one quantity or more."""
Limits = Mapping[str, float]
"""By question the change for the worse, as a fraction of the baseline, from which on it fails."""
_EXAMPLE = "write it like --fail-on slower:2% or --fail-on slower:2%,memory:5%"


def parse_limits(text: str | None, *, strict: bool) -> Limits | None:
    """Reads ``--fail-on``; None where nothing is asked.

    Raises ``UsageError`` for what is no question or has no limit, and for ``strict`` alone.
    """
    if text is None:
        if strict:
            raise UsageError("--strict needs --fail-on", hint=_EXAMPLE)
        return None
    limits: dict[str, float] = {}
    for part in text.split(","):
        question, colon, share = (each.strip() for each in part.partition(":"))
        if question not in QUESTIONS:
            raise UsageError(
                f"--fail-on has no quantity {printable(question)}",
                hint=f"choose from {', '.join(QUESTIONS)}",
            )
        if not colon:
            raise UsageError(f"--fail-on {printable(question)} has no threshold", hint=_EXAMPLE)
        if question in limits:
            raise UsageError(f"--fail-on names {question} twice", hint="give one limit for each")
        limits[question] = parse_share(share, f"--fail-on {question}")
    return limits


def margin_of(limits: Limits | None) -> float:
    """The margin of a comparison that these limits judge: the limit of times, if any is set."""
    return (limits or {}).get(LATENCY.question or "", MARGIN)


def refuse_unanswerable(runs: Sequence[ReadRun], *, strict: bool) -> None:
    """A question that nothing can answer must not pass for one that is answered well.

    Raises ``UsageError`` between devices, and for a run without a common configuration.
    """
    baseline, *candidates = runs
    for run in candidates:
        if run.label.device != baseline.label.device:
            raise UsageError(
                f"--fail-on needs runs of one device: {printable_path(baseline.label.name)} is "
                f"from {printable(baseline.label.device.name)}, {printable_path(run.label.name)} "
                f"from {printable(run.label.device.name)}",
                hint="give runs of one device, or leave out --fail-on to see them side by side",
            )
        common = {each.workload for each in baseline.results} & {
            each.workload for each in run.results
        }
        if not common and not strict:
            raise UsageError(
                f"{printable_path(run.label.name)} has no configuration in common with "
                f"{printable_path(baseline.label.name)}, so --fail-on has nothing to compare",
                hint="measure the same configurations, or add --strict to fail on missing ones",
            )


class Reason(StrEnum):
    """Why a configuration fails if no limit is passed; the last three with ``--strict`` only."""

    BROKEN = "broken"
    """The candidate ran out of memory, failed or hung where the baseline was measured."""
    INCONCLUSIVE = "inconclusive"
    UNKNOWN = "unknown"
    """One side has no such figure, so the question has no answer."""
    MISSING = "missing"
    """The candidate has not measured what the baseline has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A configuration that fails, and in what; ``row`` is None where it is in no one quantity.

    ``reason`` is the question whose limit is passed, or one of ``Reason``.
    """

    reason: str
    result: ComparedResult
    row: ComparedRow | None


_BROKEN = {Outcome.OUT_OF_MEMORY, Outcome.FAILED, Outcome.HUNG}
"""How a candidate ends that cannot do what the baseline did, whatever was asked."""


def failures(
    results: Iterable[ComparedResult], limits: Limits, *, strict: bool
) -> tuple[Failure, ...]:
    """Every failure in the results' order; their margin must be ``margin_of`` the limits."""
    return tuple(
        Failure(reason=str(reason), result=result, row=row)
        for result in results
        for reason, row in _reasons(result, limits)
        if strict or reason not in {Reason.INCONCLUSIVE, Reason.UNKNOWN, Reason.MISSING}
    )


def _reasons(result: ComparedResult, limits: Limits) -> Iterator[tuple[str, ComparedRow | None]]:
    if result.presence is Presence.CANDIDATE_ONLY:
        return
    if result.presence is Presence.BASELINE_ONLY:
        yield Reason.MISSING, None
        return
    if _is_broken(result):
        yield Reason.BROKEN, None
        return
    for row in result.rows:
        limit = limits.get(row.quantity.question or "")
        reason = None if limit is None else _JUDGED[row.quantity.judgement](row, limit)
        if reason is not None:
            yield reason, row
    yield from ((Reason.UNKNOWN, None) for _ in _without_figure(result, limits))


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


def _without_figure(result: ComparedResult, limits: Limits) -> Iterator[Quantity]:
    """What is asked for and neither run has a figure of; what is timed has a row in any case."""
    measured = any(row.values[0] is not None for row in result.rows)
    for quantity in QUANTITIES:
        asked = quantity.question in limits and not quantity.timed
        if asked and measured and result.row(quantity) is None:
            yield quantity


def _by_verdict(row: ComparedRow, _limit: float) -> str | None:
    """The limit is the verdict's margin."""
    match row.verdict:
        case SpeedVerdict.SLOWER:
            return row.quantity.question
        case SpeedVerdict.INCONCLUSIVE:
            return Reason.INCONCLUSIVE
        case None:
            return _lacking(row)
        case _:
            return None


def _by_value(row: ComparedRow, limit: float) -> str | None:
    before, after = row.values
    if before is None or after is None:
        return _lacking(row)
    worse = before - after if row.quantity.more_is_better else after - before
    return row.quantity.question if worse > 0 and worse >= limit * before else None


def _by_interval(row: ComparedRow, limit: float) -> str | None:
    """With an interval it has to say so; from one window a side the ratio has to do."""
    if row.ratio is None:
        return _lacking(row)
    ratio, ci = row.ratio, row.ci
    if row.quantity.more_is_better:
        ratio, ci = 1 / ratio, (1 / ci[1], 1 / ci[0]) if ci else None
    if ratio > 1 and ratio >= 1 + limit and (ci is None or ci[0] > 1):
        return row.quantity.question
    sure = ci is not None and ci[1] < 1 + limit and (row.ci_coverage or 0) >= CONFIDENCE
    return None if sure else Reason.INCONCLUSIVE


_JUDGED = {
    Judgement.VERDICT: _by_verdict,
    Judgement.EXACT: _by_value,
    Judgement.INTERVAL: _by_interval,
}


def _lacking(row: ComparedRow) -> Reason | None:
    """Why there is no ratio; behind a baseline without a figure no candidate can fall."""
    before, after = row.values
    if before is not None:
        return Reason.MISSING
    same_answer = _ran_out(row.baseline) and _ran_out(row.candidate)
    return None if after is not None or same_answer else Reason.UNKNOWN


def _ran_out(figure: Figure | None) -> bool:
    return figure is not None and figure.outcome is Outcome.OUT_OF_MEMORY


def failure_text(failure: Failure) -> str:
    """The configuration, the figure and by how much, or why that cannot be said."""
    of = f"{workload_text(failure.result.workload)} in {failure.result.candidate.name}"
    row = failure.row
    if failure.reason == Reason.BROKEN and failure.result.after is not None:
        return f"{of}: {failure.result.after.outcome}, but the baseline was measured"
    if row is None:
        if failure.reason == Reason.MISSING:
            return f"{of}: not measured in this run"
        return f"{of}: no value on either side"
    if row.ratio is None:
        side = row.candidate
        outcome = side.outcome.value if side and side.value is None else "measured on one side only"
        return f"{of}: {row.quantity.noun} {outcome}"
    return f"{of}: {row.quantity.noun} {_difference(row)}"


def _difference(row: ComparedRow) -> str:
    text = format_deviation((row.ratio or 1) - 1)
    if row.quantity.form is Form.BYTES:
        # In percent a few bytes would be none.
        before, after = row.values
        return f"{int((after or 0) - (before or 0)):+,} bytes, {text}"
    if row.ci is None:
        return text
    low, high = (format_deviation(end - 1) for end in row.ci)
    return f"{text} ({low} to {high})"
