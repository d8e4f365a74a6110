"""The tables of `resprof compare`: verdicts, what only one run has, and its rows for programs."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import itemgetter

from resprof.answers.bench.figures import Flag, Over
from resprof.answers.bench.quantities import QUANTITIES, Judgement, Quantity
from resprof.answers.bench.results import BenchResult
from resprof.answers.bench.runs import RunLabel
from resprof.answers.bench.tables import bench_tables
from resprof.answers.bench.tables import long_table as bench_sheet
from resprof.answers.compare.comparison import (
    ComparedResult,
    ComparedRow,
    Figure,
    Presence,
    ReadRun,
    device_text,
    lack_text,
)
from resprof.answers.compare.published import PublishedBeside, published_tables
from resprof.answers.compare.side_by_side import (
    differences_table,
    side_by_side_sheet,
    side_by_side_tables,
)
from resprof.answers.workloads import differing_columns, workload_columns
from resprof.errors import Note
from resprof.model.environment import Environment
from resprof.render.answer import Answer
from resprof.render.table import Column, Form, Origin, Table, tabulate
from resprof.stats.comparison import SpeedVerdict

Pair = tuple[ComparedResult, ComparedRow]

_SAID_BY_VALUES = frozenset({Flag.ONE_PROCESS, Flag.FEW_LAUNCHES, Flag.FEW_ROUNDS, Flag.WIDE})
"""Flags of how many values an interval is over, which a comparison says of its own."""
_MANY = 20
"""So many intervals of 95% are expected to miss once."""
_RATIO = (
    "Ratio: candidate / baseline, the median over all pairs of one value from each side. From, "
    "to: its 95% confidence interval; coverage: the interval's actual level."
)
_VERDICTS = (
    "FASTER, SLOWER: the interval excludes 1 and the ratio is off by more than {margin}. SAME: "
    "the whole interval lies within {margin}. INCONCLUSIVE: neither; add launches or use a "
    "quieter machine."
)
_ONE_PROCESS = (
    "Over rounds: with one process on a side, the interval misses the variation between "
    "launches; --launches 6 on both sides makes the verdict reliable."
)
_SEEN = 1e-3
"""A smaller deviation does not show in four digits."""
_FAR_OFF = "some rounds far off"
_FAR_OFF_MEANS = (
    f"{_FAR_OFF}: the ratio of the two values shown lies outside the interval, because a few "
    "rounds affect the values shown more than they affect a median."
)


def compare_tables(runs: Sequence[RunLabel], results: Sequence[ComparedResult]) -> list[Table]:
    """The environments first, then verdicts, then what only one run has.

    ``runs`` begin with the baseline. Runs of another device stand side by side, without verdicts.
    """
    judged = [result for result in results if result.comparable]
    both = [result for result in judged if result.presence is Presence.BOTH]
    alone = [result for result in judged if result.presence is not Presence.BOTH]
    tables = [differences_table(runs, results)]
    last_timed = None
    for quantity in QUANTITIES:
        pairs = [(result, row) for result in both if (row := result.row(quantity))]
        if pairs:
            last_timed = len(tables) if quantity.timed else last_timed
            tables.append(_quantity_table(quantity, pairs))
    if last_timed is not None:
        timed = [(result, row) for result in both for row in result.rows if row.quantity.timed]
        notes = (*_verdict_notes(timed), *_flag_notes(timed))
        tables[last_timed] = replace(tables[last_timed], notes=notes)
    if alone:
        tables.append(_alone_table(alone))
    if len(judged) < len(results):
        tables += side_by_side_tables(runs, results)
    return tables


def _quantity_table(quantity: Quantity, pairs: Sequence[Pair]) -> Table:
    """A row for each configuration and candidate."""
    of_workload, common = differing_columns(pairs, of=lambda pair: pair[0].workload)
    several = len({result.candidate.name for result, _ in pairs}) > 1
    first = pairs[0][0]
    over = {_over_text(row) for _, row in pairs} if quantity.timed else {None}
    same_over = over.pop() if len(over) == 1 else None
    columns = [
        *([_CANDIDATE] if several else []),
        *of_workload,
        *_figure_columns(quantity),
        *([_OVER] if quantity.timed and same_over is None else []),
        *([_FLAGS] if any(_flags_text(row) for _, row in pairs) else []),
    ]
    against = "" if several else f"{first.candidate.name} "
    note = quantity.note(first.baseline.device.kind)
    return tabulate(
        columns,
        pairs,
        name=quantity.key,
        title=f"{quantity.title}: {against}against {first.baseline.name}, measured on "
        f"{device_text(first.baseline.device)}",
        subtitle=", ".join(part for part in (common, same_over) if part),
        notes=(note,) if note else (),
    )


_OF_ROW = itemgetter(1)
"""Of a pair of a result and a row of it."""
_CANDIDATE = Column(key="candidate", title="candidate", value=lambda pair: pair[0].candidate.name)


def _measured(
    key: str, title: str, form: Form, priority: int, value: Callable[[ComparedRow], object]
) -> Column:
    return Column(
        key=key, title=title, form=form, origin=Origin.MEASURED, priority=priority, value=value
    )


_RATIO_VALUE = _measured("ratio", "ratio", Form.NUMBER, 0, lambda row: row.ratio)
_RATIO_INTERVAL = (
    _measured("ratio_ci_low", "from", Form.NUMBER, 1, lambda row: row.ci and row.ci[0]),
    _measured("ratio_ci_high", "to", Form.NUMBER, 1, lambda row: row.ci and row.ci[1]),
    _measured("ratio_ci_coverage", "coverage", Form.SHARE, 4, lambda row: row.ci_coverage),
)


def _figure_columns(quantity: Quantity) -> list[Column]:
    """Both sides and their ratio, then how sure that is, or by how much exact values differ."""
    columns = [
        _measured("baseline", "baseline", quantity.form, 2, lambda row: row.values[0]),
        _measured("candidate_value", "candidate", quantity.form, 2, lambda row: row.values[1]),
        _RATIO_VALUE,
    ]
    if quantity.form is Form.BYTES:
        columns += [
            Column(key="change", title="change", value=_change),
            _measured("difference_bytes", "bytes more", Form.COUNT, 2, _increase),
        ]
    if quantity.judgement is not Judgement.EXACT:
        columns += _RATIO_INTERVAL
    if quantity.timed:
        columns.append(
            Column(
                key="verdict",
                title="verdict",
                value=lambda row: row.verdict and row.verdict.upper(),
            )
        )
    return [column.of(_OF_ROW) for column in columns]


def _increase(row: ComparedRow) -> int | None:
    """Of what is exact: a change is a change."""
    before, after = row.values
    return None if before is None or after is None else int(after - before)


def _change(row: ComparedRow) -> str | None:
    more = _increase(row)
    if more is None:
        return None
    return "more" if more > 0 else "less" if more < 0 else "equal"


def _over_text(row: ComparedRow) -> str | None:
    """What the ratio's interval is over: ``6 and 4 launches``."""
    if row.over is None or row.baseline is None or row.candidate is None:
        return None
    if row.over is Over.LAUNCHES:
        return f"over {row.baseline.launches} and {row.candidate.launches} launches"
    single = 1 in {row.baseline.launches, row.candidate.launches}
    text = f"over {row.baseline.rounds} and {row.candidate.rounds} rounds"
    return f"{text}, with a single process on one side" if single else text


def _flags_text(row: ComparedRow) -> str | None:
    """Why a side has no figure, and what is to be known of one that it has."""
    texts: dict[str, list[str]] = {}
    for name, figure in (("baseline", row.baseline), ("candidate", row.candidate)):
        for text in _figure_texts(figure, row.quantity):
            texts.setdefault(text, []).append(name)
    found = [text if len(names) == 2 else f"{names[0]}: {text}" for text, names in texts.items()]
    return "; ".join([*([_FAR_OFF] if _is_far_off(row) else []), *found]) or None


_OVER = Column(key="over", title="over", priority=3, value=_over_text).of(_OF_ROW)
_FLAGS = Column(key="flags", title="flags", form=Form.PROSE, priority=3, value=_flags_text).of(
    _OF_ROW
)


def _is_far_off(row: ComparedRow) -> bool:
    """Whether a reader who divides the two figures shown would wonder at the interval."""
    before, after = row.values
    if row.ci is None or not before or after is None or not row.quantity.timed:
        return False
    low, high = row.ci
    return not low * (1 - _SEEN) <= after / before <= high * (1 + _SEEN)


def _figure_texts(figure: Figure | None, quantity: Quantity) -> list[str]:
    lack = lack_text(figure)
    flags = figure.flags if figure is not None and quantity.timed else ()
    return [
        *([lack] if lack else []),
        *(flag.value for flag in flags if flag not in _SAID_BY_VALUES),
    ]


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
        notes.append(f"Of {len(found)} intervals at 95%, about {missed} may miss by chance.")
    return tuple(notes)


def _flag_notes(timed: Sequence[Pair]) -> tuple[str, ...]:
    seen = {
        flag
        for _, row in timed
        for figure in (row.baseline, row.candidate)
        if figure is not None
        for flag in figure.flags
    } - _SAID_BY_VALUES
    return tuple(f"{flag}: {flag.meaning}" for flag in Flag if flag in seen)


def _alone_table(alone: Sequence[ComparedResult]) -> Table:
    """Configurations that one side lacks."""
    of_workload, common = differing_columns(alone)

    def run_of(result: ComparedResult, *, tried: bool) -> str:
        in_baseline = (result.presence is Presence.BASELINE_ONLY) is tried
        return result.baseline.name if in_baseline else result.candidate.name

    return tabulate(
        (
            *of_workload,
            Column(key="tried_in", title="only in", value=lambda each: run_of(each, tried=True)),
            Column(
                key="missing_in",
                title="not in",
                priority=1,
                value=lambda each: run_of(each, tried=False),
            ),
        ),
        alone,
        name="alone",
        title="Configurations in only one of two runs",
        subtitle=common,
    )


def compare_sheet(runs: Sequence[RunLabel], results: Sequence[ComparedResult]) -> Table:
    """All figures in base units; between devices a column for each run and no verdicts."""
    if not all(result.comparable for result in results):
        return side_by_side_sheet(runs, results)
    return tabulate(_DATA, results, name="compare", title="Compared")


def _datum(
    key: str, value: Callable[[ComparedResult], object], origin: Origin | None = None
) -> Column:
    return Column(key=key, title=key, origin=origin, value=value)


def _of_quantity(quantity: Quantity) -> list[Column]:
    """Both sides, then how they compare, under names that begin with the quantity's."""

    def of_row(key: str, value: Callable[[ComparedRow], object]) -> Column:
        def of_result(result: ComparedResult) -> object:
            row = result.row(quantity)
            return None if row is None else value(row)

        return _datum(key, of_result, Origin.MEASURED)

    short, ratios = quantity.short, [_RATIO_VALUE]
    derived: dict[str, Callable[[ComparedRow], object]] = {}
    if quantity.judgement is not Judgement.EXACT:
        ratios += _RATIO_INTERVAL
        derived["over"] = lambda row: row.over
    if quantity.timed:
        derived["verdict"] = lambda row: row.verdict
    return [
        of_row(f"baseline_{quantity.key}", lambda row: row.values[0]),
        of_row(f"candidate_{quantity.key}", lambda row: row.values[1]),
        *(of_row(f"{short}_{column.key}", column.cell) for column in ratios),
        *(of_row(f"{short}_{name}", value) for name, value in derived.items()),
    ]


def _of_side(side: str) -> list[Column]:
    """What holds for all figures of a side: from any row that has it."""

    def figures(result: ComparedResult) -> list[Figure]:
        return [figure for row in result.rows if (figure := getattr(row, side)) is not None]

    def first(name: str) -> Callable[[ComparedResult], object]:
        return lambda result: next((getattr(each, name) for each in figures(result)), None)

    def flags(result: ComparedResult) -> str | None:
        found = dict.fromkeys(flag.value for each in figures(result) for flag in each.flags)
        return "; ".join(found) or None

    names = ("outcome", "launches", "rounds")
    return [
        *(_datum(f"{side}_{name}", first(name)) for name in names),
        _datum(f"{side}_flags", flags),
    ]


_DATA = (
    _datum("baseline", lambda result: result.baseline.name),
    _datum("candidate", lambda result: result.candidate.name),
    *workload_columns(),
    Column(key="presence", title="presence"),
    Column(key="margin", title="margin"),
    *(column for quantity in QUANTITIES for column in _of_quantity(quantity)),
    *_of_side("baseline"),
    *_of_side("candidate"),
)

_SIGNED = 6
"""So many launches a side give an interval of 95% with room to leave out the odd ones."""


def next_step(runs: Sequence[RunLabel], results: Sequence[ComparedResult], *, asks: bool) -> str:
    """A command to type and why, for the first thing that is open; ``asks`` with --fail-on."""
    files = " ".join(shlex.quote(run.name) for run in runs)
    rows = [(result, row) for result in results for row in result.rows]
    for verdicts, why in (
        ({SpeedVerdict.INCONCLUSIVE}, "inconclusive so far; the baseline needs as many"),
        (
            {SpeedVerdict.SLOWER, SpeedVerdict.FASTER},
            "makes the verdict reliable; the baseline needs as many",
        ),
    ):
        for result, row in rows:
            open_ = row.over is Over.ROUNDS or row.verdict is SpeedVerdict.INCONCLUSIVE
            if row.verdict in verdicts and open_:
                return f"{_more_launches(result, row)}   ({why})"
    beside = f"resprof compare {files} --published   (next to published results)"
    if not all(result.comparable for result in results):
        return beside
    for result in results:
        if result.presence is Presence.BASELINE_ONLY:
            return f"{_bench(result, launches=_SIGNED)}   (the baseline has it)"
    return beside if asks else f"resprof compare {files} --fail-on slower:2%   (for a script)"


def _more_launches(result: ComparedResult, row: ComparedRow) -> str:
    launches = max((each.launches for each in (row.baseline, row.candidate) if each), default=1)
    return _bench(result, launches=_SIGNED if launches < _SIGNED else 2 * launches)


def _bench(result: ComparedResult, *, launches: int) -> str:
    return (
        f"resprof bench {result.workload.text} --device {result.candidate.device.kind} "
        f"--launches {launches} --resume --run {shlex.quote(result.candidate.name)}"
    )


def run_answer(
    run: ReadRun, beside: Sequence[PublishedBeside] = (), notes: tuple[Note, ...] = ()
) -> Answer[BenchResult | PublishedBeside]:
    """What one run holds, as `resprof bench` shows it, with what is published ``beside``."""
    return Answer(
        command="compare",
        results=(*run.results, *beside),
        environment=run.environment,
        notes=notes,
        tables=lambda: [*bench_tables(run.environment, run.results), *published_tables(beside)],
        sheets=lambda: [bench_sheet(run.results)],
    )


def compare_answer(
    results: Sequence[ComparedResult],
    *,
    runs: Sequence[RunLabel] | None = None,
    environment: Environment | None = None,
    beside: Sequence[PublishedBeside] = (),
    notes: tuple[Note, ...] = (),
) -> Answer[ComparedResult | PublishedBeside]:
    """Runs against the first of them, whose ``environment`` it is.

    Left out, ``runs`` are those that were held against each other, the baselines first.
    """
    labels = runs or tuple(
        dict.fromkeys((*(each.baseline for each in results), *(each.candidate for each in results)))
    )
    return Answer(
        command="compare",
        results=(*results, *beside),
        environment=environment,
        notes=notes,
        tables=lambda: [*compare_tables(labels, results), *published_tables(beside)],
        sheets=lambda: [compare_sheet(labels, results)],
    )
