"""`resprof validate`: predicted memory held against a real run on this machine."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from resprof.cli import options as opt
from resprof.cli.output import Output, say
from resprof.errors import EXIT_NO, EXIT_OK, EnvironmentMissing, UsageError, printable
from resprof.records.answer import Answer
from resprof.units import parse_share


def validate(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL", help="networks; a set unless named")
    ] = None,
    device: Annotated[str, typer.Option(metavar="cpu|cuda", help="what to run on")] = "cpu",
    tolerance: Annotated[str, typer.Option(metavar="P%", help="the error allowed")] = "0.05%",
    format: opt.FormatOption = None,
    json: opt.Json = False,
    csv: opt.Csv = False,
    output: opt.Out = None,
    force: opt.Force = False,
) -> int:
    """Hold predicted memory against a run on this machine."""
    out = Output.of(format=format, json=json, csv=csv, path=output, force=force)
    allowed = parse_share(tolerance, "tolerance")
    if device == "cuda":
        raise EnvironmentMissing(
            "validation on a CUDA device is not built yet", hint="run it with --device cpu"
        )
    if device != "cpu":
        raise UsageError(f"no device {printable(device)} here", hint="write cpu or cuda")
    from resprof.jobs.validate import MODELS, validate_on_cpu, workloads
    from resprof.report.tables.validation import validation_table

    def progress(done: int, total: int, model: str) -> None:
        if sys.stderr.isatty():
            say(f"[{done + 1}/{total}] {model}")

    chosen = tuple(workloads(models or MODELS))
    result = validate_on_cpu(chosen, tolerance=allowed, progress=progress)
    out.write(
        Answer(command="validate", results=(result,), environment=result.environment),
        tables=lambda: [validation_table(result)],
        csv=lambda: [validation_table(result)],
    )
    return EXIT_OK if all(row.within for row in result.rows) else EXIT_NO
