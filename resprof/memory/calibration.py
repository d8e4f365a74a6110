"""What was measured once on a device so that predictions for it need no defaults."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from resprof.codec import FileFormat, read_record, refusing_unusable, to_json, to_plain
from resprof.counting.cost import Kind, Layer
from resprof.errors import printable_path
from resprof.model.recipe import MemoryFormat, Precision
from resprof.units import format_shape


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

    def __post_init__(self) -> None:
        if self.constant_bytes < 0 or self.per_image_bytes < 0:
            raise ValueError("a workspace is negative")


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


_NAME = "calibration"
_FORMAT = FileFormat(
    name="calibration file",
    kinds={_NAME: Calibration},
    hint="write a new one on the device: resprof calibrate --device cuda",
)


def calibration_text(calibration: Calibration) -> str:
    """The calibration file's content."""
    return to_json(_FORMAT.head(_NAME) | to_plain(calibration))


def read_calibration(path: Path) -> Calibration:
    """Reads a calibration file; ``UsageError`` for one that is absent, corrupt or of others."""
    calibration = read_record(path, _FORMAT)
    with refusing_unusable(_FORMAT, _NAME, printable_path(path)):
        sizes = (calibration.context_bytes, calibration.cublas_bytes)
        if min(sizes) < 0 or calibration.total_bytes <= sum(sizes):
            raise ValueError("the sizes do not fit together")
        if calibration.cublas_handles not in (1, 2):
            raise ValueError("cublas_handles is neither 1 nor 2")
    return calibration
