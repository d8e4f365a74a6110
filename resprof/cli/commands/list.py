"""`resprof list`: every network that can be asked for."""

from __future__ import annotations

from resprof.cli.groups import grouped
from resprof.cli.output import OutputOptions, advise
from resprof.records.answer import Answer


@grouped
def list_networks(
    *,
    output: OutputOptions,
) -> None:
    """List the networks, their options and what they cost."""
    from resprof.jobs.networks import networks
    from resprof.report.tables.networks import list_table

    out = output.checked()
    result = networks()
    out.write(
        Answer(command="list", results=(result,)),
        tables=lambda: [list_table(result)],
        csv=lambda: [list_table(result)],
    )
    advise("resprof flops MODEL")
