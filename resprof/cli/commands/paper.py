"""`resprof paper`: every claim that the paper makes in figures, computed again."""

from __future__ import annotations

from typing import Annotated

import typer

from resprof.cli.options import grouped
from resprof.cli.output import OutputOptions, advise
from resprof.render.answer import Answer, Rows


@grouped
def paper(
    *,
    only: Annotated[
        str | None,
        typer.Option(metavar="ID", help="one claim, or all that start so, such as flops.table1"),
    ] = None,
    output: OutputOptions,
) -> None:
    """Compute every figure of the paper again."""
    from resprof.answers.paper.claims import check_paper, claims_table

    out = output.checked()
    claims = check_paper(only)
    out.write(
        Answer(command="paper", results=(Rows(rows=claims),)),
        tables=lambda: [claims_table(claims)],
        csv=lambda: [claims_table(claims)],
    )
    if only is None:
        advise("resprof paper --only flops.table1   (a part of it)")
