"""`resprof list`: every network that can be asked for, or every device."""

from __future__ import annotations

from typing import Annotated

import typer

from resprof.cli.options import grouped
from resprof.cli.output import Output, OutputOptions, advise
from resprof.render.answer import Answer, Rows


@grouped
def list_networks(
    *,
    devices: Annotated[
        bool, typer.Option("--devices", help="the devices of the catalog instead")
    ] = False,
    output: OutputOptions,
) -> None:
    """List the networks, their options and what they cost."""
    out = output.checked()
    if devices:
        _list_devices(out)
    else:
        _list_networks(out)


def _list_networks(out: Output) -> None:
    from resprof.answers.networks import list_table, networks

    rows = networks()
    out.write(
        Answer(command="list", results=(Rows(rows=rows),)),
        tables=lambda: [list_table(rows)],
        csv=lambda: [list_table(rows)],
    )
    advise("resprof flops MODEL")


def _list_devices(out: Output) -> None:
    from resprof.answers.devices import devices_table
    from resprof.model.devices import devices

    rows = devices()
    out.write(
        Answer(command="list", results=(Rows(rows=rows),)),
        tables=lambda: [devices_table(rows)],
        csv=lambda: [devices_table(rows)],
    )
    advise("resprof budget MODEL --device ID")
