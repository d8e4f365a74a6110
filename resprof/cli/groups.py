"""Options that belong together, declared once and handed to a command as one value.

typer reads a command's options off its signature. A parameter whose type is a frozen dataclass is
spread into the fields of that dataclass, each an option with the field's default.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

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
