"""Axes: from where to where they go, round ticks in the units that people read, and their texts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import altair as alt

from resprof.render.chart import Axis
from resprof.render.table import Form, one_line

_MOST_TICKS = 9
_SI = ((1e15, " P"), (1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"), (1, ""))
_IEC = ((2**40, " TiB"), (2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (1, " B"))
_TIME = ((1, " s"), (1e-3, " ms"), (1e-6, " us"), (1e-9, " ns"))
_STEPS = {Form.SI: _SI, Form.BYTES: _IEC, Form.SECONDS: _TIME}
_ROOM = 0.04
"""The part of a logarithmic axis that is left free at each end."""


def ends(axis: Axis, values: Iterable[float]) -> tuple[float, float]:
    """From where to where the axis goes: from zero, or a little beyond both ends."""
    values = tuple(values)
    low, high = min(values, default=1.0), max(values, default=1.0)
    if not axis.log:
        return min(low, 0.0), (high * 1.08 if high > 0 else 1.0)
    base = _base(axis)
    room = max(_ROOM * math.log(high / low, base), math.log(1.3, base))
    return low / base**room, high * base**room


def pixel(axis: Axis, value: float, low: float, high: float, length: int) -> float:
    """How far from ``low`` the value lies on an axis so many pixels long."""
    if axis.log:
        return length * math.log(value / low) / math.log(high / low)
    return length * (value - low) / (high - low)


def over(axis: Axis, low: float, high: float, *, grid: bool = True) -> dict[str, Any]:
    """Title, axis and scale of an encoding over numbers, with ticks from ``low`` to ``high``."""
    kind = {"type": "log", "base": _base(axis)} if axis.log else {"type": "linear"}
    return {
        "title": one_line(axis.title) or None,
        "axis": alt.Axis(
            values=ticks(axis, low, high),
            labelExpr=_label_expression(axis),
            labelOverlap=True,
            grid=grid,
        ),
        "scale": alt.Scale(**kind, domain=[low, high], nice=False, zero=False),
    }


def ticks(axis: Axis, low: float, high: float) -> list[float]:
    """Round values from ``low`` to ``high``, in binary units for bytes."""
    if not axis.log:
        return _linear_ticks(high, binary=axis.form is Form.BYTES)
    if _base(axis) == 2:
        powers = range(math.ceil(math.log2(low) - 1e-9), math.floor(math.log2(high) + 1e-9) + 1)
        step = max(1, math.ceil(len(powers) / _MOST_TICKS))
        return [2.0**power for power in powers if power % step == 0]
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in (range(1, 10), (1, 2, 5), (1, 3), (1,)):
        values = [digit * 10.0**decade for decade in decades for digit in digits]
        within = [value for value in values if low <= value * 1.000001 and value <= high * 1.000001]
        if len(within) <= _MOST_TICKS:
            break
    return within


def _linear_ticks(high: float, *, binary: bool) -> list[float]:
    if high <= 0:
        return [0.0]
    if binary:
        step = 2.0 ** math.floor(math.log2(high / 4))
    else:
        decade = 10.0 ** math.floor(math.log10(high / 4))
        step = next(d * decade for d in (5.0, 2.5, 2.0, 1.0) if d * decade <= high / 4 * 1.000001)
    return [round(index * step, 12) for index in range(math.floor(high / step + 1e-9) + 1)]


def _label_expression(axis: Axis) -> str:
    """The text of a tick, as an expression of Vega's."""
    value = "datum.value"
    if axis.form is Form.SHARE:
        return f"format({value}, '.0%')"
    if axis.form not in _STEPS:
        return f"format({value}, ',~r')"
    *larger, (smallest, unit) = _STEPS[axis.form]
    text = f"format({value} / {smallest!r}, '~g') + '{unit}'"
    for step, name in reversed(larger):
        # What is a hair below a step after a division still belongs to it.
        text = (
            f"{value} >= {step * 0.999999!r} ? format({value} / {step!r}, '~g') + '{name}' : {text}"
        )
    return f"{value} == 0 ? '0' : {text}"


def _base(axis: Axis) -> int:
    """Bytes and batch sizes come in powers of two."""
    return 2 if axis.form in {Form.BYTES, Form.COUNT} else 10
