"""Records to JSON and back: field by field, enums as their text, tuples as lists."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from enum import Enum
from typing import Any, TypeVar

SCHEMA = 1
"""The version of every JSON that resprof writes."""


def to_plain(value: object) -> Any:
    """The value in terms of what JSON knows, fields in their order.

    A record whose JSON is not its fields has a method ``json_fields`` that says what it is.
    """
    if value is None or type(value) in (int, str, float, bool):
        return value
    if hasattr(type(value), "__dataclass_fields__"):
        shown = value.json_fields() if hasattr(value, "json_fields") else _own_fields(value)
        return {name: to_plain(each) for name, each in shown.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):  # torch's version is a string of a class of its own
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


def _own_fields(record: Any) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def to_json(value: object, *, indent: int | None = 2) -> str:
    """One JSON document in ASCII, ended by a line feed; NaN and infinity are refused."""
    return json.dumps(to_plain(value), indent=indent, allow_nan=False) + "\n"


T = TypeVar("T")


def from_plain(kind: type[T], plain: object) -> T:
    """Rebuilds a record from what ``to_plain`` made of it; absent fields take their default.

    Raises ``TypeError``, ``ValueError`` or ``KeyError`` where the two do not fit together.
    """
    return typing.cast("T", _rebuild(kind, plain))


def _rebuild(kind: Any, plain: Any) -> Any:
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if plain is None and types.NoneType in options:
            return None
        (kind,) = (option for option in options if option is not types.NoneType)
        return _rebuild(kind, plain)
    if origin is tuple:
        return _rebuild_tuple(options, plain)
    if hasattr(kind, "__dataclass_fields__"):
        hints = typing.get_type_hints(kind)
        _refuse_lacking(kind, plain)
        return kind(**{name: _rebuild(hints[name], plain[name]) for name in hints if name in plain})
    return _rebuild_scalar(kind, plain)


def _refuse_lacking(kind: Any, plain: Any) -> None:
    """Says in words what a constructor would say in its own."""
    for field in dataclasses.fields(kind):
        optional = (field.default, field.default_factory) != (dataclasses.MISSING,) * 2
        if not optional and field.name not in plain:
            raise ValueError(f"it lacks {field.name}")


def _rebuild_scalar(kind: type, plain: Any) -> Any:
    if issubclass(kind, Enum) or (kind is float and type(plain) is int):
        return kind(plain)
    if type(plain) is not kind:
        raise TypeError(f"{plain!r} is no {kind.__name__}")
    return plain


def _rebuild_tuple(options: tuple[Any, ...], plain: Any) -> tuple[Any, ...]:
    if not isinstance(plain, list):
        raise TypeError(f"{plain!r} is no list")
    if options[-1] is Ellipsis:
        return tuple(_rebuild(options[0], item) for item in plain)
    return tuple(_rebuild(kind, item) for kind, item in zip(options, plain, strict=True))
