"""Records of any kind, and what an error of a user has to look like."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

import pytest
from hypothesis import strategies as st

from resprof.errors import UsageError
from resprof.measure.run import LaunchEnd, Outcome, Round
from resprof.measure.run_file import Record
from tests.factories import end, latency

KINDS = typing.get_args(Record)
_SCALARS: dict[type, st.SearchStrategy[Any]] = {
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    str: st.text(),
    object: st.none() | st.integers() | st.text(),
}


def any_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a record's field, down to the last field of its records."""
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if kind is types.NoneType:
        return st.none()
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(any_of, options))
    if origin is tuple and options[-1] is Ellipsis:
        return st.lists(any_of(options[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(any_of, options))
    if hasattr(kind, "__dataclass_fields__"):
        hints = typing.get_type_hints(kind)
        return st.builds(kind, **{name: any_of(hint) for name, hint in hints.items()})
    return st.sampled_from(kind) if issubclass(kind, Enum) else _SCALARS[kind]


def a_round(index: int) -> Round:
    return latency(index, (0.1, 0.25))


def an_end(message: str | None = None) -> LaunchEnd:
    return end(outcome=Outcome.FAILED, message=message)


@contextmanager
def two_lines() -> Iterator[list[UsageError]]:
    """A usage error that a terminal can show: a line that says what, one that says what to do."""
    caught: list[UsageError] = []
    with pytest.raises(UsageError) as error:
        yield caught
    caught.append(error.value)
    for line in (error.value.message, error.value.hint):
        assert len(line.splitlines()) == 1
