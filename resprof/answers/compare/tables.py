"""The tables of `resprof compare`: environments, verdicts, and what only one run has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from resprof.answers.bench.results import Flag, Over
from resprof.answers.bench.runs import RunLabel
from resprof.answers.bench.tables import MEANING
from resprof.answers.compare.comparison import (
    NAMES,
    TIMED,
    ComparedResult,
    ComparedRow,
    ComparedSide,
    Presence,
    Quantity,
    device_text,
    figure_column,
    lack_text,
)
from resprof.answers.compare.environment_tables import differences_table, side_by_side_tables
from resprof.answers.compare.gate import Failure, Reason
from resprof.answers.workloads import configurations, workload_text
from resprof.model.environment import DeviceKind
from resprof.render.table import Column, Form, Origin, Table, Value
from resprof.units import format_deviation

Pair = tuple[ComparedResult, ComparedRow]

_SAID_BY_VALUES = frozenset({Flag.ONE_PROCESS, Flag.FEW_LAUNCHES, Flag.FEW_ROUNDS, Flag.WIDE})
"""Flags of how many values an interval is over, which a comparison says of its own."""
_FLAGS = Column(key="flags", title="flags", form=Form.PROSE, priority=3)
_MANY = 20
"""So many intervals of 95% are expected to miss once."""
_RATIO = (
    "The ratio is candidate over baseline, the median of the ratios of all pairs of values, one of "
    "each side; from .. to is an interval for it that covers it so often."
)
_VERDICTS = (
    "FASTER and SLOWER: the interval excludes 1 and the ratio lies beyond {margin}. SAME: the "
    "whole interval lies within {margin}. INCONCLUSIVE: neither; more launches or a quieter "
    "machine will tell."
)
_ONE_PROCESS = (
    "Over rounds: one process a side says nothing of what another would have given, and launches "
    "of the same code differ; --launches 6 on both sides signs a verdict."
)
_SEEN = 1e-3
"""A smaller deviation does not show in four digits."""
_FAR_OFF = "some rounds far off"
_FAR_OFF_MEANS = (
    f"{_FAR_OFF}: the ratio of the two figures shown lies outside the interval, because a few "
    "rounds weigh more on a figure than on a median."
)
_ALLOCATED = "The caching allocator's peak, exact: any change is one."
_LIVE = "The most that torch's CPU allocator held at once, exact: any change is one."
_METERED = (
    "Gross, from the device's energy counter. An interval is over launches; from one launch a side "
    "there is none."
)


def compare_tables(runs: Sequence[RunLabel], results: Sequence[ComparedResult]) -> list[Table]:
    """The environments first, then verdicts, then what only one run has.

    ``runs`` begin with the baseline. Runs of another device stand side by side, without verdicts.
    """
    judged = [result for result in results if result.comparable]
    both = [result for result in judged if result.presence is Presence.BOTH]
    alone = [result for result in judged if result.presence is not Presence.BOTH]
    tables = [differences_table(runs, results)]
    for quantity in Quantity:
        pairs = [(result, row) for result in both if (row := result.row(quantity))]
        if pairs:
            tables.append(_quantity_table(quantity, pairs))
    last = max((place for place, table in enumerate(tables) if table.name in _NAMED), default=None)
    if last is not None:
        timed = [(r, row) for r in both for row in r.rows if row.quantity in TIMED]
        tables[last] = replace(tables[last], notes=(*_verdict_notes(timed), *_flag_notes(timed)))
    if alone:
        tables.append(_alone_table(alone))
    if len(judged) < len(results):
        tables += side_by_side_tables(runs, results)
    return tables


_NAMED = frozenset(quantity.value for quantity in TIMED)


def _quantity_table(quantity: Quantity, pairs: Sequence[Pair]) -> Table:
    """A row for each configuration and candidate."""
    laid_out = configurations([result.workload for result, _ in pairs])
    several = len({result.candidate.name for result, _ in pairs}) > 1
    first = pairs[0][0]
    flagged = any(_flags_text(row) for _, row in pairs)
    over = {_over_text(row) for _, row in pairs} if quantity in TIMED else {None}
    same_over = over.pop() if len(over) == 1 else None
    columns = [
        *([Column(key="candidate", title="candidate")] if several else []),
        *laid_out.columns,
        *_figure_columns(quantity, shows_over=same_over is None),
        *([_FLAGS] if flagged else []),
    ]
    rows = [
        (
            *([result.candidate.name] if several else []),
            *cells,
            *_figures(row, shows_over=same_over is None),
            *([_flags_text(row)] if flagged else []),
        )
        for cells, (result, row) in zip(laid_out.cells, pairs, strict=True)
    ]
    against = "" if several else f"{first.candidate.name} "
    return Table(
        name=quantity.value,
        title=f"{NAMES[quantity]}: {against}against {first.baseline.name}, measured on "
        f"{device_text(first.baseline.device)}",
        subtitle=", ".join(part for part in (laid_out.common, same_over) if part),
        columns=tuple(columns),
        rows=tuple(rows),
        notes=_notes_of(quantity, first),
    )


def _figure_columns(quantity: Quantity, *, shows_over: bool) -> list[Column]:
    columns = [
        figure_column("baseline", "baseline", quantity, 2),
        figure_column("candidate_value", "candidate", quantity, 2),
        _ratio_column("ratio", "ratio", 0),
    ]
    if quantity is Quantity.MEMORY:
        more = Column(
            key="difference_bytes",
            title="more bytes",
            form=Form.COUNT,
            origin=Origin.MEASURED,
            priority=2,
        )
        return [*columns, Column(key="change", title="change"), more]
    columns += [_ratio_column("ratio_ci_low", "from", 1), _ratio_column("ratio_ci_high", "to", 1)]
    columns.append(
        Column(
            key="ratio_ci_coverage",
            title="covers",
            form=Form.SHARE,
            origin=Origin.MEASURED,
            priority=4,
        )
    )
    if quantity in TIMED:
        columns.append(Column(key="verdict", title="verdict"))
        columns += [Column(key="over", title="over", priority=3)] if shows_over else []
    return columns


def _ratio_column(key: str, title: str, priority: int) -> Column:
    return Column(key=key, title=title, form=Form.NUMBER, origin=Origin.MEASURED, priority=priority)


def _figures(row: ComparedRow, *, shows_over: bool) -> list[Value]:
    before = row.baseline.value if row.baseline else None
    after = row.candidate.value if row.candidate else None
    cells: list[Value] = [before, after, row.ratio]
    if row.quantity is Quantity.MEMORY:
        return [*cells, *_change(before, after)]
    cells += [*(row.ci or (None, None)), row.ci_coverage]
    if row.quantity in TIMED:
        cells.append(row.verdict.value.upper() if row.verdict else None)
        cells += [_over_text(row)] if shows_over else []
    return cells


def _change(before: float | None, after: float | None) -> tuple[str | None, int | None]:
    """Of bytes, which are exact: a change is a change."""
    if before is None or after is None:
        return None, None
    more = int(after - before)
    return ("more" if more > 0 else "less" if more < 0 else "equal"), more


def _over_text(row: ComparedRow) -> str | None:
    """What the ratio's interval is over: ``6 and 4 launches``."""
    if row.over is None or row.baseline is None or row.candidate is None:
        return None
    if row.over is Over.LAUNCHES:
        return f"over {row.baseline.launches} and {row.candidate.launches} launches"
    single = 1 in {row.baseline.launches, row.candidate.launches}
    text = f"over {row.baseline.rounds} and {row.candidate.rounds} rounds"
    return f"{text}, one side a single process" if single else text


def _flags_text(row: ComparedRow) -> str | None:
    """Why a side has no figure, and what is to be known of one that it has."""
    texts: dict[str, list[str]] = {}
    for name, side in (("baseline", row.baseline), ("candidate", row.candidate)):
        for text in _side_texts(side, row.quantity):
            texts.setdefault(text, []).append(name)
    found = [text if len(names) == 2 else f"{names[0]}: {text}" for text, names in texts.items()]
    return "; ".join([*([_FAR_OFF] if _is_far_off(row) else []), *found]) or None


def _is_far_off(row: ComparedRow) -> bool:
    """Whether a reader who divides the two figures shown would wonder at the interval."""
    before = row.baseline.value if row.baseline else None
    after = row.candidate.value if row.candidate else None
    if row.ci is None or not before or after is None or row.quantity not in TIMED:
        return False
    low, high = row.ci
    return not low * (1 - _SEEN) <= after / before <= high * (1 + _SEEN)


def _side_texts(side: ComparedSide | None, quantity: Quantity) -> list[str]:
    lack = lack_text(side)
    flags = side.flags if side is not None and quantity in TIMED else ()
    return [
        *([lack] if lack else []),
        *(flag.value for flag in flags if flag not in _SAID_BY_VALUES),
    ]


def _notes_of(quantity: Quantity, first: ComparedResult) -> tuple[str, ...]:
    on_cuda = first.baseline.device.kind is DeviceKind.CUDA
    match quantity:
        case Quantity.MEMORY:
            return (_ALLOCATED if on_cuda else _LIVE,)
        case Quantity.ENERGY:
            return (_METERED,)
        case _:
            return ()


def _verdict_notes(timed: Sequence[Pair]) -> tuple[str, ...]:
    margin = f"{100 * timed[0][0].margin:g}%"
    found = [row for _, row in timed if row.verdict is not None]
    notes = [_RATIO, _VERDICTS.format(margin=margin)]
    if any(row.over is Over.ROUNDS for row in found):
        notes.append(_ONE_PROCESS)
    if any(map(_is_far_off, found)):
        notes.append(_FAR_OFF_MEANS)
    if len(found) >= _MANY:
        missed = round(len(found) / _MANY)
        notes.append(f"Of {len(found)} intervals of 95% about {missed} may miss by chance.")
    return tuple(notes)


def _flag_notes(timed: Sequence[Pair]) -> tuple[str, ...]:
    seen = {
        flag
        for _, row in timed
        for side in (row.baseline, row.candidate)
        if side is not None
        for flag in side.flags
    } - _SAID_BY_VALUES
    return tuple(f"{flag}: {MEANING[flag]}" for flag in Flag if flag in seen)


def _alone_table(alone: Sequence[ComparedResult]) -> Table:
    """Configurations that one side lacks."""
    laid_out = configurations([result.workload for result in alone])
    return Table(
        name="alone",
        title="Only in one of two runs",
        subtitle=laid_out.common,
        columns=(
            *laid_out.columns,
            Column(key="tried_in", title="only in"),
            Column(key="missing_in", title="not in", priority=1),
        ),
        rows=tuple(
            (
                *cells,
                *(
                    (result.baseline.name, result.candidate.name)
                    if result.presence is Presence.BASELINE_ONLY
                    else (result.candidate.name, result.baseline.name)
                ),
            )
            for cells, result in zip(laid_out.cells, alone, strict=True)
        ),
    )


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
    return f"{of}: {what} {_difference(failure.row)}"


def _ending(result: ComparedResult) -> str:
    return next(row.candidate.outcome.value for row in result.rows if row.candidate)


def _difference(row: ComparedRow) -> str:
    text = format_deviation((row.ratio or 1) - 1)
    if row.quantity is Quantity.MEMORY and row.baseline and row.candidate:
        # In percent a few bytes would be none.
        more = int((row.candidate.value or 0) - (row.baseline.value or 0))
        return f"{more:+,} bytes, {text}"
    if row.ci is None:
        return text
    low, high = (format_deviation(end - 1) for end in row.ci)
    return f"{text} ({low} to {high})"
