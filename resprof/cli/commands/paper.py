"""`resprof paper`: every claim that the paper makes in figures, computed again."""

from __future__ import annotations

from typing import Annotated

import typer

from resprof.cli.options import grouped
from resprof.cli.output import OutputOptions, advise


@grouped
def paper(
    *,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="one claim, or all that start with this, such as flops.table1"
        ),
    ] = None,
    output: OutputOptions,
) -> None:
    """Check every number in the paper."""
    from resprof.answers.paper.claims import check_paper, paper_answer

    out = output.checked()
    out.write(paper_answer(check_paper(only)))
    if only is None:
        advise("resprof paper --only flops.table1   (a few of them)")
