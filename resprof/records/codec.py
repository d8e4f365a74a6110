"""Records to JSON: field by field, enums as their text, tuples as lists, unknown as null."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

SCHEMA = 1
"""The version of every JSON that resprof writes."""


def to_plain(value: object) -> Any:
    """The value in terms of what JSON knows, fields in their order."""
    if value is None or type(value) in (int, str, float, bool):
        return value
    fields = getattr(type(value), "__dataclass_fields__", None)
    if fields is not None:
        return {name: to_plain(getattr(value, name)) for name in fields}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):  # torch's version is a string of a class of its own
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


def to_json(value: object, *, indent: int | None = 2) -> str:
    """One JSON document in ASCII, ended by a line feed; NaN and infinity are refused."""
    return json.dumps(to_plain(value), indent=indent, allow_nan=False) + "\n"
