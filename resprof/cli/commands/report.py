"""`resprof report`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from resprof.cli.output import Force, emit, say, stdout_screen
from resprof.cli.progress import progress
from resprof.cli.stopped import Stopped
from resprof.errors import EXIT_OK, NotMeasured, UsageError


def report(
    out: Annotated[str, typer.Option(metavar="FOLDER", help="folder to write to")] = "reports",
    quick: Annotated[
        bool, typer.Option("--quick", help="predict and measure one network only, in seconds")
    ] = False,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure/--no-measure", help="measure now, or only show the runs in FOLDER/runs"
        ),
    ] = True,
    force: Force = False,
) -> int:
    """Write a full report: counts, predictions and measurements."""
    from resprof.answers.report.report import write_report
    from resprof.render.terminal import terminal

    if not out.strip():
        raise UsageError("--out names no folder", hint="name one, such as --out reports")
    try:
        with progress() as tell:
            written = write_report(Path(out), quick=quick, force=force, measure=measure, tell=tell)
    except Stopped as stopped:
        stopped.hint = (
            f"what was measured is kept under {Path(out) / 'runs'}; show it with --no-measure"
        )
        raise
    if written.measured is not None:
        emit(terminal(written.measured, stdout_screen()) + "\n")
    samples = f", samples in {written.run_file}" if written.run_file else ""
    emit(
        f"wrote {len(written.files)} files under {written.folder}{samples}; open "
        f"{written.folder / 'index.html'}, or {written.folder / 'index.md'} on a code host\n"
    )
    for note in written.notes:
        say(note)
    for result in written.failed:
        say(f"not measured: {result.key}: {result.message}")
    return NotMeasured.exit_code if written.failed else EXIT_OK
