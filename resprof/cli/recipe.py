"""The options of a recipe, the same in every command that runs or predicts something."""

from __future__ import annotations

from typing import Annotated, TypeVar

import typer

from resprof.errors import UsageError, printable
from resprof.records.architecture import Architecture
from resprof.records.recipe import (
    Checkpoint,
    Engine,
    MemoryFormat,
    Mode,
    Optimizer,
    OptimizerImpl,
    Precision,
    Recipe,
)
from resprof.units import parse_count

MOST_ACCUMULATED = 1_000_000

ModeOption = Annotated[Mode, typer.Option("--mode", help="inference, or a training step")]
PrecisionOption = Annotated[Precision, typer.Option("--precision", help="fp32 has TF32 off")]
PrecisionsOption = Annotated[
    str, typer.Option("--precision", metavar="P,...", help=f"of {', '.join(Precision)}")
]
MemoryFormatOption = Annotated[MemoryFormat, typer.Option("--memory-format", help="NCHW or NHWC")]
OptimizerOption = Annotated[
    Optimizer | None,
    typer.Option("--optimizer", help="sgd-momentum, the paper's, unless said otherwise"),
]
OptimizerImplOption = Annotated[
    OptimizerImpl | None, typer.Option("--optimizer-impl", help="foreach unless said otherwise")
]
AccumulateOption = Annotated[
    str | None,
    typer.Option("--accumulate", metavar="K", help="forward passes per optimiser step"),
]
CheckpointOption = Annotated[
    Checkpoint | None, typer.Option("--checkpoint", help="compute blocks again in backward")
]
EngineOption = Annotated[Engine, typer.Option("--engine", help="how a step is launched")]
CudnnBenchmarkOption = Annotated[
    bool,
    typer.Option(
        "--cudnn-benchmark/--no-cudnn-benchmark", help="let cuDNN try out its algorithms first"
    ),
]

Chosen = TypeVar("Chosen", Optimizer, OptimizerImpl, Checkpoint, int)


def recipe_of(
    architecture: Architecture,
    *,
    mode: Mode,
    batch: int,
    precision: Precision,
    memory_format: MemoryFormat,
    optimizer: Optimizer | None,
    optimizer_impl: OptimizerImpl | None,
    accumulate: str | None,
    checkpoint: Checkpoint | None,
    engine: Engine = Engine.EAGER,
    cudnn_benchmark: bool = False,
) -> Recipe:
    """The recipe that the options describe; an option that means nothing in a mode is refused."""
    passes = (
        parse_count(accumulate, "accumulate", most=MOST_ACCUMULATED)
        if accumulate is not None
        else None
    )
    return Recipe(
        mode=mode,
        batch=batch,
        image=architecture.image,
        precision=precision,
        memory_format=memory_format,
        optimizer=_in_training(mode, "optimizer", optimizer, Optimizer.SGD_MOMENTUM),
        optimizer_impl=_in_training(mode, "optimizer-impl", optimizer_impl, OptimizerImpl.FOREACH),
        accumulate=_in_training(mode, "accumulate", passes, 1),
        checkpoint=_in_training(mode, "checkpoint", checkpoint, Checkpoint.NONE),
        engine=engine,
        cudnn_benchmark=cudnn_benchmark,
    )


def parse_precisions(text: str) -> list[Precision]:
    """Reads ``--precision`` as a list."""
    return [_precision(part) for part in text.split(",")]


def _precision(text: str) -> Precision:
    try:
        return Precision(text.strip())
    except ValueError:
        raise UsageError(
            f"no precision {printable(text)}", hint=f"there are {', '.join(Precision)}"
        ) from None


def _in_training(mode: Mode, option: str, chosen: Chosen | None, default: Chosen) -> Chosen | None:
    if mode is Mode.TRAIN:
        return default if chosen is None else chosen
    if chosen is not None:
        raise UsageError(
            f"--{option} means nothing in inference",
            hint=f"leave it out, or add --mode {Mode.TRAIN}",
        )
    return None
