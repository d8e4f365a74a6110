"""`resprof show`: a network in the form of the paper's Table 1."""

from __future__ import annotations

from resprof.cli import options as opt
from resprof.cli.options import NetworkOptions, grouped
from resprof.cli.output import OutputOptions, advise


@grouped
def show(
    *,
    models: opt.Models,
    network: NetworkOptions,
    output: OutputOptions,
) -> None:
    """Show the structure of networks, as in Table 1."""
    from resprof.answers.networks import show_answer

    out = output.checked()
    answer = show_answer(map(network.of, models))
    out.write(answer)
    advise(f"resprof flops {answer.results[0].model}")
