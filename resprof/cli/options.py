"""The options that commands share, each declared once.

typer reads a command's options off its signature. A parameter whose type is a frozen dataclass is
spread into the fields of that dataclass, each an option with the field's default.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from resprof.errors import UsageError, printable
from resprof.model.architecture import Architecture, Shortcut, StrideIn
from resprof.model.networks import MOST_CHANNELS, MOST_CLASSES, MOST_WIDTH, parse_image, resolve
from resprof.model.recipe import (
    MOST_ACCUMULATED,
    MOST_BATCH,
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

Code = TypeVar("Code")


def grouped(command: Callable[..., Code]) -> Callable[..., Code]:
    """The command as typer calls it: with a value for each option instead of the groups."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type[Any]] = {name: hint for name, hint in hints.items() if _is_group(hint)}

    def spread(**given: Any) -> Code:
        for name, group in groups.items():
            of_group = {field.name: given.pop(field.name) for field in fields(group)}
            given[name] = group(**of_group)
        return command(**given)

    parameters = [
        each
        for parameter in inspect.signature(command).parameters.values()
        for each in _spread(parameter, hints[parameter.name])
    ]
    spread.__name__, spread.__doc__ = command.__name__, command.__doc__
    spread.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    spread.__annotations__ = {each.name: each.annotation for each in parameters}
    return spread


def _is_group(hint: object) -> bool:
    return isinstance(hint, type) and is_dataclass(hint)


def _spread(parameter: inspect.Parameter, hint: Any) -> Iterator[inspect.Parameter]:
    if not _is_group(hint):
        yield parameter.replace(annotation=hint, kind=inspect.Parameter.KEYWORD_ONLY)
        return
    hints = get_type_hints(hint, include_extras=True)
    for field in fields(hint):
        if field.default_factory is not MISSING:
            raise TypeError(f"{hint.__name__}.{field.name}: an option's default is a plain value")
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )


Models = Annotated[
    list[str],
    typer.Argument(metavar="MODEL", help="networks, such as resnet50, resnet50-v1.5, vgg16"),
]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="a network, such as resnet50")]
Batch = Annotated[str, typer.Option(metavar="N", help="images per forward pass")]
Batches = Annotated[str, typer.Option("--batch", metavar="N,...", help="images per forward pass")]


def parse_batch(text: str) -> int:
    """Reads ``--batch``."""
    return parse_count(text, "batch", most=MOST_BATCH)


def parse_batches(text: str) -> list[int]:
    """Reads ``--batch`` as a list, each once."""
    return list(dict.fromkeys(parse_batch(part) for part in text.split(",")))


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """As they were typed; None is the network's own."""

    image: Annotated[
        str | None,
        typer.Option(
            metavar="N|HxW", help="image size in pixels; default: the paper's for the family"
        ),
    ] = None
    classes: Annotated[
        str | None, typer.Option(metavar="N", help="number of classes; default: the paper's")
    ] = None
    in_channels: Annotated[
        str | None, typer.Option(metavar="N", help="channels of the image; default: 3")
    ] = None
    width: Annotated[
        str | None, typer.Option(metavar="X", help="factor on channel counts; default: 1")
    ] = None
    shortcut: Annotated[
        Shortcut | None, typer.Option(case_sensitive=False, help="shortcut option, Sec. 4.1")
    ] = None
    stride_in: Annotated[
        StrideIn | None, typer.Option(help="where bottlenecks downsample: 1x1 is v1, 3x3 is v1.5")
    ] = None

    def of(self, model: str) -> Architecture:
        """The architecture that a model's name and the options describe."""
        image, classes, channels = self.image, self.classes, self.in_channels
        return resolve(
            model,
            image=None if image is None else parse_image(image),
            classes=None if classes is None else parse_count(classes, "classes", most=MOST_CLASSES),
            in_channels=None
            if channels is None
            else parse_count(channels, "in-channels", most=MOST_CHANNELS),
            width=None if self.width is None else _parse_width(self.width),
            shortcut=self.shortcut,
            stride_in=self.stride_in,
        )

    def given(self) -> dict[str, Any]:
        """Those that were typed."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def _parse_width(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(
            f"width {printable(text)} is not a number",
            hint=f"width is a factor above 0 and up to {MOST_WIDTH:g}, such as 0.5",
        ) from None


ModeOption = Annotated[Mode, typer.Option("--mode", help="inference, or a training step")]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision", help=", ".join(f"{each} {each.remark}" for each in Precision if each.remark)
    ),
]
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
