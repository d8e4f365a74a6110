"""`resprof compare`: run files read again, and held against a baseline."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resprof.answers.compare.fail_on import QUESTIONS, Limits, parse_limits
from resprof.cli.options import grouped
from resprof.cli.output import Format, Output, OutputOptions, advise, say
from resprof.errors import EXIT_NO, EXIT_OK, Note, UsageError, printable_path

if TYPE_CHECKING:
    from resprof.answers.compare.comparison import ReadRun
    from resprof.answers.compare.published import PublishedBeside


@grouped
def compare(
    *,
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN", help="run files; the first is the baseline")
    ],
    baseline: Annotated[
        str | None, typer.Option(metavar="RUN", help="the run to compare the others with")
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT:P%,...",
            help=f"exit code 1 if worse by P% or more; WHAT: {', '.join(QUESTIONS)}",
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
    """Show a run file, or compare runs with a baseline."""
    from resprof.answers.compare.comparison import (
        is_same,
        read,
        refuse_overwriting,
        refuse_same,
    )

    out = output.checked()
    limits = parse_limits(fail_on, strict=strict)
    if published and out.format is Format.CSV:
        raise UsageError(
            "--published has other columns, and CSV holds one table",
            hint="ask for --json, or leave --published out",
        )
    files = [Path(run) for run in runs]
    refuse_same(files)
    first = files[0] if baseline is None else Path(baseline)
    others = [file for file in files if file != first and not is_same(file, first)]
    refuse_overwriting(out.path, (first, *files))
    if not others and (limits is not None or baseline is not None):
        raise UsageError(
            f"there is nothing to compare with {printable_path(first)}",
            hint="name another run: resprof compare BASELINE CANDIDATE",
        )
    read_runs = [read(file) for file in (first, *others)]
    if not others:
        return _show(read_runs[0], out, published=published)
    return _compare(read_runs, limits, out, strict=strict, published=published)


def _show(run: ReadRun, out: Output, *, published: bool) -> int:
    """What one run holds, as `resprof bench` shows it."""
    from resprof.answers.compare.tables import run_answer

    beside = _published([run]) if published else ()
    out.write(run_answer(run, beside, _notes([run])))
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
    from resprof.answers.compare.comparison import compare_runs
    from resprof.answers.compare.fail_on import (
        failure_text,
        failures,
        margin_of,
        refuse_unanswerable,
    )
    from resprof.answers.compare.tables import compare_answer, next_step

    if limits is not None:
        refuse_unanswerable(runs, strict=strict)
    results = compare_runs(runs[0], runs[1:], margin=margin_of(limits))
    beside = _published(runs) if published else ()
    failed = failures(results, limits, strict=strict) if limits is not None else ()
    verdicts = [Note(code=each.reason, message=failure_text(each)) for each in failed]
    labels = [run.label for run in runs]
    out.write(
        compare_answer(
            results,
            runs=labels,
            environment=runs[0].environment,
            beside=beside,
            notes=(*_notes(runs), *verdicts),
        )
    )
    for note in verdicts:
        say(f"failed: {note.code}: {note.message}")
    if limits is not None and not failed:
        unsure = len(failures(results, limits, strict=True))
        say(f"passed; inconclusive or missing: {unsure}" if unsure else "passed")
    advise(next_step(labels, results, asks=limits is not None))
    return EXIT_NO if failed else EXIT_OK


def _published(runs: Sequence[ReadRun]) -> tuple[PublishedBeside, ...]:
    from resprof.answers.compare.published import near_published

    found = near_published(runs)
    if not found:
        say(
            "no published results near these configurations: the catalog has ImageNet ResNets of "
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
                f"{each.field} was {each.baseline}, later {each.candidate}"
            )
            say(f"warning: {message}")
            notes.append(Note(code="environment-changed", message=message))
    return tuple(notes)
