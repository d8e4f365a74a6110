"""`resprof list`: every network that can be asked for."""

from __future__ import annotations

from resprof.cli import options as opt
from resprof.cli.output import Output, advise
from resprof.records.answer import Answer


def list_networks(
    format: opt.FormatOption = None,
    json: opt.Json = False,
    csv: opt.Csv = False,
    output: opt.Out = None,
    force: opt.Force = False,
) -> None:
    """List the networks, their options and what they cost."""
    from resprof.jobs.networks import networks
    from resprof.report.tables.networks import list_table

    out = Output.of(format=format, json=json, csv=csv, path=output, force=force)
    result = networks()
    out.write(
        Answer(command="list", results=(result,)),
        tables=lambda: [list_table(result)],
        csv=lambda: [list_table(result)],
    )
    advise("resprof flops MODEL")
