"""`resprof memory`: what a workload takes on a GPU, predicted without one."""

from __future__ import annotations

from typing import Annotated

import typer

from resprof.cli import options as opt
from resprof.cli.options import NetworkOptions, grouped
from resprof.cli.output import OutputOptions, advise
from resprof.model.recipe import TRAINING, Mode


@grouped
def memory(
    *,
    model: opt.Model,
    asked: Annotated[
        opt.Typed,
        opt.of_recipe("mode", "batch", "precision", many=True, mode=Mode.TRAIN, batch=1),
    ],
    network: NetworkOptions,
    how: Annotated[opt.Typed, opt.of_recipe("memory_format", *TRAINING)],
    expandable: Annotated[
        bool, typer.Option("--expandable", help="use expandable segments")
    ] = False,
    device: Annotated[
        str | None,
        typer.Option(metavar="ID", help="a device of resprof list --devices"),
    ] = None,
    calibration: Annotated[
        str | None, typer.Option(metavar="FILE", help="a device's calibration file")
    ] = None,
    output: OutputOptions,
) -> None:
    """Predict GPU memory without a GPU: peaks, stages, timeline."""
    out = output.checked()
    architecture = network.of(model)
    recipes = opt.recipes(architecture, asked | how)
    from resprof.api import predictions

    out.write(
        predictions(
            architecture, recipes, expandable=expandable, device=device, calibration=calibration
        )
    )
    within = "--memory 80GiB" if device is None else f"--device {device}"
    advise(f"resprof budget {architecture.id} {within}   (the largest batch)")
