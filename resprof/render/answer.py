"""What a command answers: its records and its tables, and the envelope that every JSON has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from resprof.errors import Note

if TYPE_CHECKING:
    from resprof.model.environment import Environment
    from resprof.render.table import Table

T = TypeVar("T")

_FIRST = ("model", "recipe")
_PARTS = ("rows", "largest")
"""A total comes after what may add up to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T]):
    """The envelope: ``results`` is always a list, ``environment`` is None where nothing ran.

    Every result has a model, a recipe and a total in JSON, null where it has none of its own.
    ``tables`` makes what readers see, ``sheets`` the rows for programs, in tables with the same
    columns; each is called only where it is asked for.
    """

    command: str
    results: tuple[T, ...]
    environment: Environment | None = None
    notes: tuple[Note, ...] = ()
    tables: Callable[[], Sequence[Table]] = tuple
    sheets: Callable[[], Sequence[Table]] = tuple

    def json_fields(self) -> Mapping[str, object]:
        """With what results lack filled in."""
        from resprof.codec import SCHEMA, to_plain

        return {
            "schema": SCHEMA,
            "command": self.command,
            "results": [self.filled(to_plain(each)) for each in self.results],
            "environment": self.environment,
            "notes": self.notes,
        }

    @staticmethod
    def filled(result: Mapping[str, Any]) -> dict[str, Any]:
        """The result's fields with None for those that only others have."""
        fields = {name: None for name in _FIRST if name not in result} | dict(result)
        if "total" in fields:
            return fields
        names = list(fields)
        at = 1 + max(names.index(name) for name in _PARTS if name in fields)
        items = list(fields.items())
        return dict([*items[:at], ("total", None), *items[at:]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows(Generic[T]):
    """A result that is of no single model."""

    rows: tuple[T, ...]
