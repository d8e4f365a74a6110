"""`resprof memory`: what a workload takes on a GPU, predicted without one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from resprof.cli import options as opt
from resprof.cli.options import NetworkOptions, grouped
from resprof.cli.output import OutputOptions, advise
from resprof.model.recipe import TRAINING, Mode
from resprof.render.answer import Answer


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
        bool, typer.Option("--expandable", help="the allocator with expandable segments")
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
    from resprof.answers.devices import capability_of
    from resprof.answers.memory.prediction import (
        memory_overview,
        memory_sheet,
        memory_tables,
        predict_memory,
    )
    from resprof.answers.workloads import assumptions_table
    from resprof.memory.overlay import read_calibration
    from resprof.memory.rules import AllocatorKind

    kind = AllocatorKind.EXPANDABLE if expandable else AllocatorKind.DEFAULT
    calibrated = read_calibration(Path(calibration)) if calibration is not None else None
    capability = capability_of(device, calibrated, [recipe.precision for recipe in recipes])
    found = [
        predict_memory(
            architecture,
            recipe,
            calibration=calibrated,
            capability=capability,
            kind=kind,
        )
        for recipe in recipes
    ]
    results = tuple(result for result, _ in found)
    notes = tuple(dict.fromkeys(note for _, assumed in found for note in assumed))
    out.write(
        Answer(command="memory", results=results, notes=notes),
        tables=lambda: (
            *(memory_tables(results[0]) if len(results) == 1 else [memory_overview(results)]),
            assumptions_table(notes),
        ),
        csv=lambda: [memory_sheet(results)],
    )
    within = "--memory 80GiB" if device is None else f"--device {device}"
    advise(f"resprof budget {architecture.id} {within}   (the largest batch)")
