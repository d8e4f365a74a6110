"""`resprof roofline`: what bounds a network on a device, and how near a run came to that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from resprof.answers.flops.flops import Per
from resprof.cli import options as opt
from resprof.cli.options import NetworkOptions, grouped
from resprof.cli.output import Output, OutputOptions, advise
from resprof.counting.traffic import Fusion
from resprof.errors import UsageError, named_after
from resprof.model.recipe import TRAINING, Engine, MemoryFormat, Mode, Precision

if TYPE_CHECKING:
    from resprof.answers.roofline.roofline import Against


_DEFAULTS: dict[str, Any] = {"mode": Mode.INFER, "batch": 1}
_OF_NETWORK = ("image", "classes", "in_channels", "width")
"""Options that a workload keeps beside the network's id."""

# Unlike elsewhere without a default: what is given beside --run picks from what was measured.
ModelOption = Annotated[
    str | None,
    typer.Argument(metavar="[MODEL]", help="a network; default with --run: all in the file"),
]
ModeOption = Annotated[
    Mode | None, typer.Option("--mode", help="inference (default) or a training step")
]
BatchOption = Annotated[
    str | None, typer.Option(metavar="N", help="images per forward pass; default: 1")
]
PrecisionOption = Annotated[
    Precision | None, typer.Option("--precision", help="default: fp32 with TF32 off")
]
MemoryFormatOption = Annotated[
    MemoryFormat | None,
    typer.Option("--memory-format", help="NCHW (default) or NHWC"),
]
EngineOption = Annotated[
    Engine | None, typer.Option("--engine", help="default: eager; compile fuses")
]


@grouped
def roofline(
    *,
    model: ModelOption = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="ID", help="compare with a device of resprof list --devices"),
    ] = None,
    run: Annotated[
        str | None, typer.Option(metavar="FILE", help="run file of resprof bench")
    ] = None,
    peaks: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="also use peaks of resprof calibrate --peaks"),
    ] = None,
    per: Annotated[Per, typer.Option(help="rows: per stage, block or pass")] = Per.STAGE,
    fusion: Annotated[
        Fusion | None,
        typer.Option(
            metavar=f"[{Fusion.UNFUSED}|{Fusion.FUSED}]",
            help="what one pass over memory is; fused with --engine compile",
        ),
    ] = None,
    mode: ModeOption = None,
    batch: BatchOption = None,
    precision: PrecisionOption = None,
    network: NetworkOptions,
    memory_format: MemoryFormatOption = None,
    training: Annotated[opt.Typed, opt.of_recipe(*TRAINING)],
    engine: EngineOption = None,
    output: OutputOptions,
) -> None:
    """Show what limits a network on a device: memory or compute."""
    out = output.checked()
    recipe: dict[str, Any] = {
        "mode": mode,
        "batch": opt.parse_batch(batch) if batch is not None else None,
        "precision": precision,
        "memory_format": memory_format,
        "engine": engine,
    }
    typed = {key: value for key, value in recipe.items() if value is not None}
    against = _against(device, peaks, per, fusion, among_run=run is not None)
    if run is None:
        _without_run(model, network, typed | training, against, out)
    else:
        _of_run(Path(run), model, network, typed | opt.read(training), against, out)


def _against(
    device: str | None, peaks: str | None, per: Per, fusion: Fusion | None, *, among_run: bool
) -> Against:
    from resprof.answers.devices import device_called
    from resprof.answers.roofline.peaks import read_peaks
    from resprof.answers.roofline.roofline import Against

    if device is None and peaks is None and not among_run:
        raise UsageError(
            "no device is given",
            hint="give --device ID, such as h100-sxm, or --run FILE of what was measured",
        )
    return Against(
        device=device_called(device) if device is not None else None,
        measured=read_peaks(Path(peaks)) if peaks is not None else (),
        per=per,
        fusion=fusion,
    )


def _without_run(
    model: str | None,
    network: NetworkOptions,
    recipe: Mapping[str, Any],
    against: Against,
    out: Output,
) -> None:
    from resprof.answers.roofline.roofline import roofline as roofline_on
    from resprof.answers.roofline.tables import roofline_answer

    if model is None:
        raise UsageError(
            "no network is given", hint="name one, such as resnet50; see: resprof list"
        )
    architecture = network.of(model)
    (chosen,) = opt.recipes(architecture, {**_DEFAULTS, **recipe})
    result, notes = roofline_on(architecture, chosen, against)
    out.write(roofline_answer((result,), notes))
    if against.device is not None:
        advise(f"resprof bench {architecture.id} --stages --run FILE, then: roofline --run FILE")


def _of_run(
    file: Path,
    model: str | None,
    network: NetworkOptions,
    recipe: Mapping[str, Any],
    against: Against,
    out: Output,
) -> None:
    from resprof.answers.roofline.roofline import roofline_of_run
    from resprof.answers.roofline.tables import roofline_answer
    from resprof.measure.run_file import read_run

    given, wanted = list(network.given()), dict(recipe)
    if model is not None:
        architecture = network.of(model)
        wanted |= {"model": architecture.id}
        wanted |= {key: getattr(architecture, key) for key in given if key in _OF_NETWORK}
    elif given:
        raise UsageError(
            f"--{given[0].replace('_', '-')} needs a network, and none is given",
            hint="name it: resprof roofline MODEL --run FILE",
        )
    try:
        found = roofline_of_run(read_run(file), wanted, against)
    except UsageError as error:
        raise named_after(file, error) from None
    out.write(roofline_answer(found.results, found.notes, found.environment))
    if not any(result.tiles for result in found.measured):
        advise(
            f"resprof bench {found.results[0].model} --stages   (for each stage's share of "
            "the peak)"
        )
    elif not against.measured:
        advise(
            "resprof calibrate --peaks -o FILE, then: roofline --peaks FILE   (to measure the "
            "card's own peaks)"
        )
