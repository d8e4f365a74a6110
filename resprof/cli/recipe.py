"""The options of a recipe, the same in every command that runs or predicts something."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from resprof.errors import UsageError, printable
from resprof.records.architecture import Architecture
from resprof.records.recipe import (
    MOST_ACCUMULATED,
    Checkpoint,
    Engine,
    MemoryFormat,
    Mode,
    Optimizer,
    OptimizerImpl,
    Precision,
    Recipe,
    recipe_of,
)
from resprof.units import parse_count

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


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """What a training step does beside forward and backward; None is the default there."""

    optimizer: Annotated[
        Optimizer | None, typer.Option(help="default: sgd-momentum, the paper's")
    ] = None
    optimizer_impl: Annotated[OptimizerImpl | None, typer.Option(help="default: foreach")] = None
    accumulate: Annotated[
        str | None, typer.Option(metavar="K", help="forward passes per optimiser step; default: 1")
    ] = None
    checkpoint: Annotated[
        Checkpoint | None, typer.Option(help="compute blocks again in backward; default: none")
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
        return recipe_of(
            mode=mode,
            batch=batch,
            image=architecture.image,
            precision=precision,
            memory_format=memory_format,
            optimizer=self.optimizer,
            optimizer_impl=self.optimizer_impl,
            accumulate=self._passes(),
            checkpoint=self.checkpoint,
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
