"""`resprof list`: every network that can be asked for, or every device."""

from __future__ import annotations

from typing import Annotated

import typer

from resprof.cli.options import grouped
from resprof.cli.output import OutputOptions, advise


@grouped
def list_networks(
    *,
    devices: Annotated[
        bool, typer.Option("--devices", help="list the devices of the catalog instead")
    ] = False,
    output: OutputOptions,
) -> None:
    """List the networks, their options and what they cost."""
    out = output.checked()
    if devices:
        from resprof.answers.devices import devices_answer

        out.write(devices_answer())
        advise("resprof budget MODEL --device ID")
    else:
        from resprof.answers.networks import list_answer

        out.write(list_answer())
        advise("resprof flops MODEL")
