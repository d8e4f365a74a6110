"""What was measured once on a device so that predictions for it need no defaults."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from resprof.codec import SCHEMA, from_plain, to_json, to_plain
from resprof.counting.cost import Kind, Layer
from resprof.errors import UsageError, printable, printable_path
from resprof.model.recipe import MemoryFormat, Precision
from resprof.units import format_shape

_RECORD = "calibration"
_HINT = "write a new one on the device: resprof calibrate --device cuda"


class Use(StrEnum):
    """What a library takes memory for, beside an operator's results."""

    FORWARD = "forward"
    INPUT_GRADIENT = "input gradient"
    WEIGHT_GRADIENT = "weight gradient"
    RESERVE = "reserve"
    """What batch norm keeps from forward for backward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Bytes that one layer shape takes; ``shape`` is a text of ``shape_text``."""

    shape: str
    use: Use
    constant_bytes: int
    per_image_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A device and what it was seen to take.

    ``context_bytes`` are total less free less reserved. ``cublas_bytes`` is one workspace of
    cuBLAS, ``cublas_handles`` how many a training step takes: 1, or 2 where backward has its own.
    """

    device: str
    capability: tuple[int, int]
    torch: str
    driver: str | None
    date: str
    total_bytes: int
    context_bytes: int
    cublas_bytes: int
    cublas_handles: int
    workspaces: tuple[Workspace, ...] = ()


def shape_text(layer: Layer, precision: Precision, memory_format: MemoryFormat) -> str:
    """Names a convolution or a batch norm by all that its library's choice depends on."""
    if layer.kind is not Kind.CONV:
        return f"{layer.kind} {format_shape(layer.output)} {precision} {memory_format}"
    sides = (
        f"{name} {format_shape(side)}"
        for name, side in (
            ("kernel", layer.kernel or ()),
            ("stride", layer.stride or ()),
            ("padding", layer.padding or ()),
            ("dilation", layer.dilation or ()),
        )
    )
    maps = f"{format_shape(layer.input)} to {format_shape(layer.output)}"
    groups = f"groups {layer.groups}"
    return " ".join([layer.kind, maps, *sides, groups, precision, memory_format])


def calibration_text(calibration: Calibration) -> str:
    """The calibration file's content."""
    return to_json({"schema": SCHEMA, "record": _RECORD} | to_plain(calibration))


def read_calibration(path: Path) -> Calibration:
    """Reads a calibration file; ``UsageError`` for one that is absent, corrupt or of others."""
    name = printable_path(path)
    try:
        plain = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(
            f"calibration file {name} cannot be read: {error.strerror}", hint=_HINT
        ) from None
    except (ValueError, RecursionError):
        raise UsageError(f"calibration file {name} is not JSON", hint=_HINT) from None
    if not isinstance(plain, dict) or plain.get("record") != _RECORD:
        raise UsageError(f"{name} is no calibration file", hint=_HINT)
    if plain.get("schema") != SCHEMA:
        raise UsageError(
            f"calibration file {name} has schema {printable(str(plain.get('schema')))}, this "
            f"resprof reads schema {SCHEMA}",
            hint=_HINT,
        )
    try:
        calibration = from_plain(Calibration, plain)
        _check(calibration)
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"calibration file {name} is corrupt: {printable(str(error))}", hint=_HINT
        ) from None
    return calibration


def _check(calibration: Calibration) -> None:
    sizes = (calibration.context_bytes, calibration.cublas_bytes)
    if min(sizes) < 0 or calibration.total_bytes <= sum(sizes):
        raise ValueError("the sizes do not fit together")
    if calibration.cublas_handles not in (1, 2):
        raise ValueError("cublas_handles is neither 1 nor 2")
    for space in calibration.workspaces:
        if space.constant_bytes < 0 or space.per_image_bytes < 0:
            raise ValueError("a workspace is negative")
