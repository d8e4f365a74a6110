"""`resprof budget`: the largest batch that fits, predicted without a GPU."""

from __future__ import annotations

from typing import Annotated

import typer

from resprof.cli import options as opt
from resprof.cli.options import NetworkOptions, grouped
from resprof.cli.output import OutputOptions, advise
from resprof.errors import EXIT_NO, EXIT_OK
from resprof.memory.budget import MARGIN
from resprof.model.recipe import TRAINING, Mode


@grouped
def budget(
    *,
    models: opt.Models,
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="the device's memory, such as 80GiB")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="ID", help="a device of resprof list --devices"),
    ] = None,
    calibration: Annotated[
        str | None, typer.Option(metavar="FILE", help="a device's calibration file")
    ] = None,
    used: Annotated[
        str, typer.Option(metavar="SIZE", help="memory used by other processes")
    ] = "0B",
    margin: Annotated[str, typer.Option(metavar="P%", help="memory to keep free")] = (
        f"{100 * MARGIN:g}%"
    ),
    grid: Annotated[
        bool, typer.Option("--grid", help="also for every precision, optimiser and checkpointing")
    ] = False,
    asked: Annotated[opt.Typed, opt.of_recipe("mode", "precision", mode=Mode.TRAIN)],
    network: NetworkOptions,
    how: Annotated[opt.Typed, opt.of_recipe("memory_format", *TRAINING)],
    output: OutputOptions,
) -> int:
    """Find the largest batch for a memory budget, without a GPU."""
    out = output.checked()
    from resprof.api import budgets

    answer = budgets(
        [
            (architecture, recipe)
            for architecture in map(network.of, models)
            for recipe in opt.recipes(architecture, asked | how | {"batch": 1})
        ],
        memory=memory,
        device=device,
        calibration=calibration,
        used=used,
        margin=margin,
        grid=grid,
    )
    out.write(answer)
    best = answer.results[0]
    if best.max_batch:
        advise(f"resprof memory {best.model} --batch {best.max_batch}   (where it goes)")
    return EXIT_OK if all(result.max_batch for result in answer.results) else EXIT_NO
