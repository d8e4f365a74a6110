"""What fails a comparison, in a sentence each."""

from __future__ import annotations

from resprof.records.comparison import ComparedResult, ComparedRow, Quantity
from resprof.records.gate import Failure, Reason
from resprof.report.tables.configurations import workload_text
from resprof.units import format_deviation

_WORDS = {
    Quantity.LATENCY: "latency",
    Quantity.THROUGHPUT: "images/s",
    Quantity.MEMORY: "peak memory",
    Quantity.ENERGY: "J/image",
}


def failure_text(failure: Failure) -> str:
    """The configuration, the figure and by how much, or why that cannot be said."""
    of = f"{workload_text(failure.result.workload)} in {failure.result.candidate.name}"
    if failure.reason is Reason.BROKEN:
        return f"{of}: {_ending(failure.result)}, where the baseline was measured"
    if failure.row is None:
        if failure.reason is Reason.MISSING:
            return f"{of}: not measured there"
        return f"{of}: no figure on either side"
    what = _WORDS[failure.row.quantity]
    if failure.row.ratio is None:
        side = failure.row.candidate
        outcome = side.outcome.value if side and side.value is None else "known on one side only"
        return f"{of}: {what} {outcome}"
    return f"{of}: {what} {_change(failure.row)}"


def _ending(result: ComparedResult) -> str:
    return next(row.candidate.outcome.value for row in result.rows if row.candidate)


def _change(row: ComparedRow) -> str:
    text = format_deviation((row.ratio or 1) - 1)
    if row.quantity is Quantity.MEMORY and row.baseline and row.candidate:
        # In percent a few bytes would be none.
        more = int((row.candidate.value or 0) - (row.baseline.value or 0))
        return f"{more:+,} bytes, {text}"
    if row.ci is None:
        return text
    low, high = (format_deviation(end - 1) for end in row.ci)
    return f"{text} ({low} to {high})"
