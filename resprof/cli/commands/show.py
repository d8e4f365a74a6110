"""`resprof show`: a network in the form of the paper's Table 1."""

from __future__ import annotations

from resprof.cli import options as opt
from resprof.cli.options import NetworkOptions, grouped
from resprof.cli.output import OutputOptions, advise
from resprof.render.answer import Answer


@grouped
def show(
    *,
    models: opt.Models,
    network: NetworkOptions,
    output: OutputOptions,
) -> None:
    """Show what networks are made of, as in Table 1."""
    from resprof.answers.networks import show as show_network
    from resprof.answers.networks import show_rows_table, show_tables

    out = output.checked()
    results = tuple(show_network(network.of(model)) for model in models)
    out.write(
        Answer(command="show", results=results),
        tables=lambda: show_tables(results),
        csv=lambda: [show_rows_table(results)],
    )
    advise(f"resprof flops {results[0].model}")
