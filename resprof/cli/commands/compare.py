"""`resprof compare`: run files read again, and held against a baseline."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resprof.answers.bench.results import Over
from resprof.answers.bench.runs import RunLabel
from resprof.answers.compare.comparison import ComparedResult, ComparedRow, Presence
from resprof.cli.options import grouped
from resprof.cli.output import Format, Output, OutputOptions, advise, say
from resprof.errors import EXIT_NO, EXIT_OK, Note, UsageError, printable, printable_path
from resprof.render.answer import Answer
from resprof.stats.comparison import SpeedVerdict
from resprof.units import parse_share

if TYPE_CHECKING:
    from resprof.answers.compare.compare import ReadRun
    from resprof.answers.compare.comparison import PublishedBeside
    from resprof.answers.compare.gate import Limits


_SIGNED = 6
"""So many launches a side give an interval of 95% with room to leave out the odd ones."""


def next_step(runs: Sequence[RunLabel], results: Sequence[ComparedResult], *, asks: bool) -> str:
    """A command to type and why, for the first thing that is open."""
    files = " ".join(shlex.quote(run.name) for run in runs)
    rows = [(result, row) for result in results for row in result.rows]
    for verdicts, why in (
        ({SpeedVerdict.INCONCLUSIVE}, "inconclusive so far; the baseline needs as many"),
        (
            {SpeedVerdict.SLOWER, SpeedVerdict.FASTER},
            "signs the verdict; the baseline needs as many",
        ),
    ):
        for result, row in rows:
            open_ = row.over is Over.ROUNDS or row.verdict is SpeedVerdict.INCONCLUSIVE
            if row.verdict in verdicts and open_:
                return f"{_more_launches(result, row)}   ({why})"
    beside = f"resprof compare {files} --published   (beside what others have published)"
    if not all(result.comparable for result in results):
        return beside
    for result in results:
        if result.presence is Presence.BASELINE_ONLY:
            return f"{_bench(result, launches=_SIGNED)}   (the baseline has it)"
    return beside if asks else f"resprof compare {files} --fail-on slower:2%   (for a script)"


def _more_launches(result: ComparedResult, row: ComparedRow) -> str:
    launches = max((side.launches for side in (row.baseline, row.candidate) if side), default=1)
    return _bench(result, launches=_SIGNED if launches < _SIGNED else 2 * launches)


def _bench(result: ComparedResult, *, launches: int) -> str:
    return (
        f"resprof bench {result.workload.text} --device {result.candidate.device.kind} "
        f"--launches {launches} --resume --run {shlex.quote(result.candidate.name)}"
    )


_QUESTIONS = ("slower", "memory", "energy")
_EXAMPLE = "write it like --fail-on slower:2% or --fail-on slower:2%,memory:5%"


@grouped
def compare(
    *,
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN", help="run files; the first is the baseline")
    ],
    baseline: Annotated[
        str | None, typer.Option(metavar="RUN", help="the run that others are held against")
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT:P%,...",
            help=f"exit code 1 if worse by P% or more; WHAT: {', '.join(_QUESTIONS)}",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="with --fail-on: inconclusive or missing fails too")
    ] = False,
    published: Annotated[
        bool, typer.Option("--published", help="show published results beside it")
    ] = False,
    output: OutputOptions,
) -> int:
    """Show a run file again, or hold runs against a baseline."""
    from resprof.answers.compare.compare import is_same, read, refuse_overwriting, refuse_same

    out = output.checked()
    limits = _limits(fail_on, strict=strict)
    if published and out.format is Format.CSV:
        raise UsageError(
            "a CSV has rows of one shape, and --published has another",
            hint="ask for --json, or leave --published out",
        )
    files = [Path(run) for run in runs]
    refuse_same(files)
    first = files[0] if baseline is None else Path(baseline)
    others = [file for file in files if file != first and not is_same(file, first)]
    refuse_overwriting(out.path, (first, *files))
    if not others and (limits is not None or baseline is not None):
        raise UsageError(
            f"there is nothing to hold against {printable_path(first)}",
            hint="name another run: resprof compare BASELINE CANDIDATE",
        )
    read_runs = [read(file) for file in (first, *others)]
    if not others:
        return _show(read_runs[0], out, published=published)
    return _compare(read_runs, limits, out, strict=strict, published=published)


def _show(run: ReadRun, out: Output, *, published: bool) -> int:
    """What one run holds, as `resprof bench` shows it."""
    from resprof.answers.bench.tables import bench_tables, long_table
    from resprof.answers.compare.published import published_tables

    beside = _published([run]) if published else ()
    out.write(
        Answer(
            command="compare",
            results=(*run.results, *beside),
            environment=run.environment,
            notes=_notes([run]),
        ),
        tables=lambda: [*bench_tables(run.environment, run.results), *published_tables(beside)],
        csv=lambda: [long_table(run.results)],
    )
    advise(f"resprof compare {shlex.quote(run.label.name)} RUN   (against another run)")
    return EXIT_OK


def _compare(
    runs: Sequence[ReadRun],
    limits: Limits | None,
    out: Output,
    *,
    strict: bool,
    published: bool,
) -> int:
    """Every run after the first against the first."""
    from resprof.answers.compare.compare import compare_runs
    from resprof.answers.compare.gate import failures
    from resprof.answers.compare.published import published_tables
    from resprof.answers.compare.sheet import compare_sheet
    from resprof.answers.compare.tables import compare_tables, failure_text
    from resprof.stats.comparison import MARGIN

    if limits is not None:
        _refuse_gate(runs, strict=strict)
    asked = limits.slower if limits is not None else None
    results = compare_runs(runs[0], runs[1:], margin=MARGIN if asked is None else asked)
    beside = _published(runs) if published else ()
    failed = failures(results, limits, strict=strict) if limits is not None else ()
    said = [Note(code=each.reason.value, message=failure_text(each)) for each in failed]
    labels = [run.label for run in runs]
    out.write(
        Answer(
            command="compare",
            results=(*results, *beside),
            environment=runs[0].environment,
            notes=(*_notes(runs), *said),
        ),
        tables=lambda: [*compare_tables(labels, results), *published_tables(beside)],
        csv=lambda: [compare_sheet(labels, results)],
    )
    for note in said:
        say(f"failed: {note.code}: {note.message}")
    if limits is not None and not failed:
        unsure = len(failures(results, limits, strict=True))
        say(f"passed; inconclusive or missing: {unsure}" if unsure else "passed")
    advise(next_step(labels, results, asks=limits is not None))
    return EXIT_NO if failed else EXIT_OK


def _published(runs: Sequence[ReadRun]) -> tuple[PublishedBeside, ...]:
    from resprof.answers.compare.compare import beside_published

    found = beside_published(runs)
    if not found:
        say(
            "nothing is published near these configurations: the catalog has ImageNet ResNets of "
            "v1.5 and basic blocks on GPUs, mostly in 16 bits"
        )
    return found


def _notes(runs: Sequence[ReadRun]) -> tuple[Note, ...]:
    """What must be known of a run's own environments, on stderr as well."""
    notes = []
    for run in runs:
        for each in run.changes:
            message = (
                f"{printable_path(run.label.name)} was measured in more than one environment: "
                f"{each.field} was {each.first}, later {each.second}"
            )
            say(f"warning: {message}")
            notes.append(Note(code="environment-changed", message=message))
    return tuple(notes)


def _refuse_gate(runs: Sequence[ReadRun], *, strict: bool) -> None:
    """A question that nothing can answer must not pass for one that is answered well."""
    baseline, *candidates = runs
    for run in candidates:
        if run.label.device != baseline.label.device:
            raise UsageError(
                f"--fail-on between devices would call another device a regression: "
                f"{printable_path(baseline.label.name)} is of "
                f"{printable(baseline.label.device.name)}, {printable_path(run.label.name)} of "
                f"{printable(run.label.device.name)}",
                hint="name runs of one device, or leave --fail-on out to see them side by side",
            )
        common = {each.workload for each in baseline.results} & {
            each.workload for each in run.results
        }
        if not common and not strict:
            raise UsageError(
                f"{printable_path(run.label.name)} has no configuration in common with "
                f"{printable_path(baseline.label.name)}, so --fail-on has nothing to ask",
                hint="measure the same configurations, or add --strict to fail on missing ones",
            )


def _limits(text: str | None, *, strict: bool) -> Limits | None:
    """Reads ``--fail-on``."""
    from resprof.answers.compare.gate import Limits

    if text is None:
        if strict:
            raise UsageError("--strict means nothing without --fail-on", hint=_EXAMPLE)
        return None
    found: dict[str, float] = {}
    for part in text.split(","):
        what, colon, share = (each.strip() for each in part.partition(":"))
        if what not in _QUESTIONS:
            raise UsageError(
                f"--fail-on knows no {printable(what)}", hint=f"there are {', '.join(_QUESTIONS)}"
            )
        if not colon:
            raise UsageError(f"--fail-on {printable(what)} does not say from where", hint=_EXAMPLE)
        if what in found:
            raise UsageError(f"--fail-on names {what} twice", hint="give one limit for each")
        found[what] = parse_share(share, f"--fail-on {what}")
    return Limits(**found)
