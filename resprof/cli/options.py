"""The options that commands share, each declared once.

typer reads a command's options off its signature. A parameter whose type is a frozen dataclass is
spread into the fields of that dataclass, each an option with the field's default.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from itertools import product
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from resprof.errors import UsageError, printable
from resprof.model.architecture import Architecture, Shortcut, StrideIn
from resprof.model.networks import MOST_CHANNELS, MOST_CLASSES, MOST_WIDTH, parse_image, resolve
from resprof.model.recipe import (
    DEFAULTS,
    MOST_BATCH,
    OPTIONS,
    Precision,
    Recipe,
    kind_of,
    one_of,
    recipe_in_words,
)
from resprof.units import parse_count

Code = TypeVar("Code")

Typed = dict[str, Any]
"""Options of a recipe as they were typed, by the fields' names; absent is the recipe's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfRecipe:
    """Which options of a recipe a command has at a place, and its own defaults for them."""

    names: tuple[str, ...]
    many: bool
    defaults: Mapping[str, Any]


def of_recipe(*names: str, many: bool = False, **defaults: Any) -> _OfRecipe:
    """Marks a parameter of type ``Typed``: it stands for these options, as a recipe declares them.

    With ``many``, batches and precisions are lists, of which all combinations are meant.
    """
    return _OfRecipe(names=names, many=many, defaults=defaults)


def grouped(command: Callable[..., Code]) -> Callable[..., Code]:
    """The command as typer calls it: with a value for each option instead of the groups."""
    hints = get_type_hints(command, include_extras=True)
    groups = {name: group for name, hint in hints.items() if (group := _group(hint)) is not None}

    def spread(**given: Any) -> Code:
        for name, group in groups.items():
            if isinstance(group, _OfRecipe):
                typed = {each: given.pop(each) for each in group.names}
                given[name] = {each: value for each, value in typed.items() if value is not None}
            else:
                given[name] = group(**{each.name: given.pop(each.name) for each in fields(group)})
        return command(**given)

    parameters = [
        each
        for parameter in inspect.signature(command).parameters.values()
        for each in _spread(parameter, hints[parameter.name], groups.get(parameter.name))
    ]
    spread.__name__, spread.__doc__ = command.__name__, command.__doc__
    spread.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    spread.__annotations__ = {each.name: each.annotation for each in parameters}
    return spread


def _group(hint: Any) -> type[Any] | _OfRecipe | None:
    if isinstance(hint, type) and is_dataclass(hint):
        return hint
    marks = getattr(hint, "__metadata__", ())
    return next((mark for mark in marks if isinstance(mark, _OfRecipe)), None)


def _spread(
    parameter: inspect.Parameter, hint: Any, group: type[Any] | _OfRecipe | None
) -> Iterator[inspect.Parameter]:
    if group is None:
        yield parameter.replace(annotation=hint, kind=inspect.Parameter.KEYWORD_ONLY)
    elif isinstance(group, _OfRecipe):
        for name in group.names:
            default, annotation = _recipe_option(name, group)
            yield _keyword(name, default, annotation)
    else:
        hints = get_type_hints(group, include_extras=True)
        for field in fields(group):
            if field.default_factory is not MISSING:
                raise TypeError(
                    f"{group.__name__}.{field.name}: an option's default is a plain value"
                )
            yield _keyword(field.name, field.default, hints[field.name])


def _keyword(name: str, default: object, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is MISSING else default,
        annotation=annotation,
    )


_MANY: Mapping[str, Mapping[str, str]] = {
    "batch": {"metavar": "N,..."},
    "precision": {"metavar": "P,...", "help": f"any of {', '.join(Precision)}"},
}
"""How options that may be lists are declared."""


def _recipe_option(name: str, group: _OfRecipe) -> tuple[Any, Any]:
    """The default and the type of an option, as typer takes them."""
    option, kind = OPTIONS[name], kind_of(name)
    flag = f"--{name.replace('_', '-')}"
    default = group.defaults.get(name, DEFAULTS[name])
    told: dict[str, Any] = {"help": option.help, "metavar": option.metavar}
    if group.many and name in _MANY:
        told |= _MANY[name]
        kind, default = str, str(default)
    elif option.most:
        kind = str
    elif kind is bool:
        flag = f"{flag}/--no-{name.replace('_', '-')}"
    typed = kind | None if default is None else kind
    return default, Annotated[typed, typer.Option(flag, **told)]


def recipes(architecture: Architecture, typed: Typed) -> list[Recipe]:
    """The recipes that all options describe, batch by batch within a precision.

    Raises ``UsageError`` for an option that means nothing in the mode.
    """
    values = {name: _values(name, typed[name]) for name in OPTIONS if name in typed}
    batches = values.pop("batch")
    return [
        recipe_in_words(architecture.image, batch=batch, **dict(zip(values, others, strict=True)))
        for *others, batch in product(*values.values(), batches)
    ]


def read(typed: Typed) -> Typed:
    """Options of which each is one, as a recipe has them."""
    return {name: _values(name, typed[name])[0] for name in typed}


def _values(name: str, typed: Any) -> list[Any]:
    """What was typed, as a list; typer has read single choices, counts and lists are texts."""
    most = OPTIONS[name].most
    if type(typed) is not str:
        return [typed]
    if most:
        parts = typed.split(",") if name in _MANY else [typed]
        return list(dict.fromkeys(parse_count(part, name, most=most) for part in parts))
    return [one_of(Precision, part.strip(), name) for part in typed.split(",")]


Models = Annotated[
    list[str],
    typer.Argument(metavar="MODEL", help="networks, such as resnet50, resnet50-v1.5, vgg16"),
]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="a network, such as resnet50")]
Batch = Annotated[str, typer.Option(metavar="N", help=OPTIONS["batch"].help)]


def parse_batch(text: str) -> int:
    """Reads ``--batch``."""
    return parse_count(text, "batch", most=MOST_BATCH)


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
        str | None, typer.Option(metavar="X", help="multiplier for channel counts; default: 1")
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
