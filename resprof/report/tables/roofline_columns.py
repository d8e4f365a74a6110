"""Columns that the tables of `resprof roofline` share."""

from __future__ import annotations

from enum import StrEnum

from resprof.records.fusion import Fusion
from resprof.records.recipe import Mode, Recipe
from resprof.records.table import Column, Form, Origin, Value

_COUNTED, _PREDICTED, _MEASURED = Origin.COUNTED, Origin.PREDICTED, Origin.MEASURED


def bytes_moved(priority: int) -> Column:
    """What all passes move."""
    return Column(key="bytes", title="bytes", form=Form.BYTES, origin=_COUNTED, priority=priority)


def intensity(priority: int) -> Column:
    """Arithmetic intensity."""
    return Column(
        key="intensity",
        title="FLOP/byte",
        form=Form.NUMBER,
        origin=_COUNTED,
        priority=priority,
    )


def bound_by(priority: int) -> Column:
    """What bounds the larger part of the least time."""
    return Column(key="bound", title="bound by", origin=_PREDICTED, priority=priority)


def least_time(priority: int) -> Column:
    """By the peaks that stand in the title."""
    return Column(
        key="least_time_s",
        title="least time",
        form=Form.SECONDS,
        origin=_PREDICTED,
        priority=priority,
    )


def attainable(priority: int) -> Column:
    """The least time by measured peaks."""
    return Column(
        key="attainable_time_s",
        title="attainable",
        form=Form.SECONDS,
        origin=_PREDICTED,
        priority=priority,
    )


def most_images(priority: int) -> Column:
    """The rate that follows from the least time."""
    return Column(
        key="most_images_per_s",
        title="images/s at most",
        form=Form.NUMBER,
        origin=_PREDICTED,
        priority=priority,
    )


def reached(priority: int) -> Column:
    """The least time over the measured one."""
    return Column(
        key="achieved_share",
        title="reached",
        form=Form.SHARE,
        origin=_MEASURED,
        priority=priority,
    )


def pass_is(fusion: Fusion, recipe: Recipe) -> str:
    """What one pass is, in words."""
    match fusion:
        case Fusion.UNFUSED:
            return "each operator"
        case Fusion.WHOLE:
            return "the whole network"
        case Fusion.FUSED if recipe.mode is Mode.TRAIN:
            return "a convolution, or a batch norm with what follows"
        case _:
            return "a convolution with what follows"


def value_of(holder: object, key: str) -> Value:
    """A field as a cell holds it."""
    found: Value = getattr(holder, key)
    return found.value if isinstance(found, StrEnum) else found
