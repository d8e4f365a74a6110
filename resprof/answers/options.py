"""Options as a library is given them: words and numbers, read or refused with a hint."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, SupportsIndex, TypeVar

from resprof.errors import UsageError, printable
from resprof.model.recipe import (
    MOST_ACCUMULATED,
    MOST_BATCH,
    Checkpoint,
    MemoryFormat,
    Mode,
    Optimizer,
    OptimizerImpl,
    Precision,
    Recipe,
    recipe_of,
)
from resprof.units import check_count

Option = TypeVar("Option", bound=StrEnum)
Image = SupportsIndex | Iterable[SupportsIndex]
"""A side or (height, width) in pixels, integers of any type."""


def one_of(options: type[Option], word: str, what: str) -> Option:
    """The option that goes by this word; ``UsageError``, which names all, where none does."""
    try:
        return options(word)
    except ValueError:
        raise UsageError(
            f"no {what} {printable(word)}", hint=f"there are {', '.join(options)}"
        ) from None


def if_given(options: type[Option], word: str | None, what: str) -> Option | None:
    """The same, None for None."""
    return None if word is None else one_of(options, word, what)


def sides(image: Any) -> tuple[int, int]:
    """(height, width) in pixels of an ``Image``; ``UsageError`` for anything else.

    They are not yet held against what a network takes.
    """
    try:
        side = operator.index(image)
    except TypeError:
        return _two_sides(image)
    return side, side


def _two_sides(image: Any) -> tuple[int, int]:
    try:
        height, width = (operator.index(side) for side in image)
    except (TypeError, ValueError):
        raise UsageError(
            f"image {printable(str(image))} is not a size",
            hint="give a side in pixels such as 224, or (height, width) such as (480, 640)",
        ) from None
    return height, width


def recipe_in_words(
    image: tuple[int, int],
    *,
    mode: str,
    batch: SupportsIndex,
    precision: str,
    memory_format: str = MemoryFormat.CONTIGUOUS,
    optimizer: str | None = None,
    optimizer_impl: str | None = None,
    accumulate: SupportsIndex | None = None,
    checkpoint: str | None = None,
) -> Recipe:
    """A recipe by the words of the command's options; None is the default of its mode.

    Raises ``UsageError`` for what does not exist, is out of range or means nothing in inference.
    """
    return recipe_of(
        mode=one_of(Mode, mode, "mode"),
        batch=check_count(batch, "batch", most=MOST_BATCH),
        image=image,
        precision=one_of(Precision, precision, "precision"),
        memory_format=one_of(MemoryFormat, memory_format, "memory_format"),
        optimizer=if_given(Optimizer, optimizer, "optimizer"),
        optimizer_impl=if_given(OptimizerImpl, optimizer_impl, "optimizer_impl"),
        accumulate=None
        if accumulate is None
        else check_count(accumulate, "accumulate", most=MOST_ACCUMULATED),
        checkpoint=if_given(Checkpoint, checkpoint, "checkpoint"),
    )
