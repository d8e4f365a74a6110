"""The options of a recipe, the same in every command that runs or predicts something."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, TypeVar

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
EngineOption = Annotated[Engine, typer.Option("--engine", help="how a step is launched")]
CudnnBenchmarkOption = Annotated[
    bool,
    typer.Option(
        "--cudnn-benchmark/--no-cudnn-benchmark", help="let cuDNN try out its algorithms first"
    ),
]

Chosen = TypeVar("Chosen", Optimizer, OptimizerImpl, Checkpoint, int)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """What a training step does beside forward and backward; None is the default there."""

    optimizer: Annotated[
        Optimizer | None, typer.Option(help="default: sgd-momentum, the paper's")
    ] = None
    optimizer_impl: Annotated[OptimizerImpl | None, typer.Option(help="default: foreach")] = None
    accumulate: Annotated[
        str | None, typer.Option(metavar="K", help="forward passes per optimiser step")
    ] = None
    checkpoint: Annotated[
        Checkpoint | None, typer.Option(help="compute blocks again in backward")
    ] = None

    def given(self) -> dict[str, Any]:
        """What was typed, as a recipe has it."""
        fields = {**asdict(self), "accumulate": self._passes()}
        return {name: value for name, value in fields.items() if value is not None}

    def _passes(self) -> int | None:
        if self.accumulate is None:
            return None
        return parse_count(self.accumulate, "accumulate", most=MOST_ACCUMULATED)

    def recipe(
        self,
        architecture: Architecture,
        *,
        mode: Mode,
        batch: int,
        precision: Precision,
        memory_format: MemoryFormat,
        engine: Engine = Engine.EAGER,
        cudnn_benchmark: bool = False,
    ) -> Recipe:
        """The recipe that all options describe; one that means nothing in a mode is refused."""
        optimizer, implementation = self.optimizer, self.optimizer_impl
        return Recipe(
            mode=mode,
            batch=batch,
            image=architecture.image,
            precision=precision,
            memory_format=memory_format,
            optimizer=_in_training(mode, "optimizer", optimizer, Optimizer.SGD_MOMENTUM),
            optimizer_impl=_in_training(
                mode, "optimizer-impl", implementation, OptimizerImpl.FOREACH
            ),
            accumulate=_in_training(mode, "accumulate", self._passes(), 1),
            checkpoint=_in_training(mode, "checkpoint", self.checkpoint, Checkpoint.NONE),
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
