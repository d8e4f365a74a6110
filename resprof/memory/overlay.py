"""What only a GPU takes, by documented defaults or as measured on one, put into a trace.

Workspaces and reserves are blocks among the others; the CUDA context and the kernels lie outside of
the allocator and are added to the process total. A calibration file has what was measured once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from resprof.codec import FileFormat, read_record, refusing_unusable, to_json, to_plain
from resprof.errors import Note, printable_path
from resprof.memory.rules import MIB, AllocatorKind
from resprof.memory.trace import Action, Event, Role, Trace
from resprof.model.recipe import MemoryFormat, Phase, Precision
from resprof.units import format_bytes, format_shape

if TYPE_CHECKING:
    from resprof.counting.cost import Layer

CUBLAS_HOPPER = 32 * MIB
CUBLAS_OTHERS = 8 * MIB + 128 * 1024
"""ATen's default workspaces (CublasHandlePool.cpp): compute capability 9.0, and the others."""

CONTEXT = 480 * MIB
CONTEXT_LOW, CONTEXT_HIGH = 384 * MIB, 576 * MIB
"""CUDA context with the kernels that a ResNet loads; devices and drivers differ."""

CONVOLUTION = 0
CONVOLUTION_HIGH = 256 * MIB
"""A convolution's workspace where none was measured. cuDNN mostly picks algorithms with little;
the high side is what a choice with much takes."""

MATRIX_MULTIPLY = frozenset(
    {"aten.mm", "aten.addmm", "aten.bmm", "aten.baddbmm", "aten.matmul", "aten.linear"}
)
CONVOLUTIONS = frozenset({"aten.convolution", "aten.cudnn_convolution", "aten._convolution"})
CONVOLUTION_BACKWARD = "aten.convolution_backward"


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
    from resprof.counting.cost import Kind

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
CALIBRATION = FileFormat(
    name="calibration file",
    kinds={_NAME: Calibration},
    hint="write a new one on the device: resprof calibrate --device cuda",
)


def calibration_text(calibration: Calibration) -> str:
    """The calibration file's content."""
    return to_json(CALIBRATION.head(_NAME) | to_plain(calibration))


def read_calibration(path: Path) -> Calibration:
    """Reads a calibration file; ``UsageError`` for one that is absent, corrupt or of others."""
    calibration = read_record(path, CALIBRATION)
    with refusing_unusable(CALIBRATION, _NAME, printable_path(path)):
        sizes = (calibration.context_bytes, calibration.cublas_bytes)
        if min(sizes) < 0 or calibration.total_bytes <= sum(sizes):
            raise ValueError("the sizes do not fit together")
        if calibration.cublas_handles not in (1, 2):
            raise ValueError("cublas_handles is neither 1 nor 2")
    return calibration


Bytes = tuple[int, int]
"""(constant, per image)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What to put in, in bytes.

    ``cublas_handles`` is 2 where backward's thread has a handle, and so a workspace, of its own.
    ``convolution_bytes`` stands in where ``measured`` (by module path) has nothing.
    """

    context_bytes: int
    cublas_bytes: int
    cublas_handles: int
    convolution_bytes: int
    measured: Mapping[tuple[str, Use], Bytes]
    calibrated_on: str | None


def default_overlay(capability: tuple[int, int] | None = None) -> Overlay:
    """Documented defaults for a compute capability; an unknown one counts as 9.0."""
    return Overlay(
        context_bytes=CONTEXT,
        cublas_bytes=cublas_bytes(capability),
        cublas_handles=2,
        convolution_bytes=CONVOLUTION,
        measured={},
        calibrated_on=None,
    )


def calibrated_overlay(calibration: Calibration, shapes: Mapping[str, str]) -> Overlay:
    """What was measured; ``shapes`` has a module's ``shape_text`` by its path."""
    by_shape = {
        (space.shape, space.use): (space.constant_bytes, space.per_image_bytes)
        for space in calibration.workspaces
    }
    return Overlay(
        context_bytes=calibration.context_bytes,
        cublas_bytes=calibration.cublas_bytes,
        cublas_handles=calibration.cublas_handles,
        convolution_bytes=CONVOLUTION,
        measured={
            (module, use): by_shape[shape, use]
            for module, shape in shapes.items()
            for use in Use
            if (shape, use) in by_shape
        },
        calibrated_on=calibration.device,
    )


def cublas_bytes(capability: tuple[int, int] | None) -> int:
    """One cuBLAS workspace."""
    return CUBLAS_HOPPER if capability in (None, (9, 0)) else CUBLAS_OTHERS


def extremes(overlay: Overlay) -> tuple[Overlay, Overlay]:
    """The same with all that is not calibrated at its low and at its high side."""
    if overlay.calibrated_on is not None:
        return overlay, replace(overlay, convolution_bytes=CONVOLUTION_HIGH)
    low = replace(overlay, context_bytes=CONTEXT_LOW, cublas_bytes=CUBLAS_OTHERS, cublas_handles=1)
    high = replace(
        overlay,
        context_bytes=CONTEXT_HIGH,
        cublas_bytes=CUBLAS_HOPPER,
        cublas_handles=2,
        convolution_bytes=CONVOLUTION_HIGH,
    )
    return low, high


def assumptions_of(overlay: Overlay, kind: AllocatorKind) -> tuple[Note, ...]:
    """The assumptions of the overlay and of the allocator model."""
    return (_calibration(overlay), *_overlay_notes(overlay), *_allocator_notes(kind))


def _calibration(overlay: Overlay) -> Note:
    if overlay.calibrated_on is None:
        return Note(
            code="uncalibrated",
            message="GPU-only costs (context, workspaces) are documented defaults, not measured "
            "on your card",
        )
    return Note(code="calibrated", message=f"calibrated on {overlay.calibrated_on}")


def _overlay_notes(overlay: Overlay) -> tuple[Note, ...]:
    known = overlay.calibrated_on is not None
    cublas = format_bytes(overlay.cublas_bytes)
    handles = (
        "one for forward and one for backward" if overlay.cublas_handles > 1 else "one for all"
    )
    cublas_band = "" if known else f"; range: one of {format_bytes(CUBLAS_OTHERS)} to two of 32 MiB"
    context_band = (
        "" if known else f"; range: {format_bytes(CONTEXT_LOW)} to {format_bytes(CONTEXT_HIGH)}"
    )
    return (
        Note(
            code="context",
            message=f"CUDA context and kernels take {format_bytes(overlay.context_bytes)} "
            f"outside the allocator{context_band}",
        ),
        Note(
            code="cublas",
            message=f"a cuBLAS workspace takes {cublas} from the first matrix multiply on, "
            f"{handles}{cublas_band}",
        ),
        Note(
            code="convolution-workspace",
            message="a convolution without a measured workspace takes "
            f"{format_bytes(overlay.convolution_bytes)} of workspace while it runs; range: up to "
            f"{format_bytes(CONVOLUTION_HIGH)}",
        ),
        Note(
            code="batch-norm-reserve",
            message="a batch norm without a measured reserve keeps none",
        ),
    )


def _allocator_notes(kind: AllocatorKind) -> tuple[Note, ...]:
    one_stream = Note(code="one-stream", message="all work is on one stream, without CUDA graphs")
    if kind is AllocatorKind.EXPANDABLE:
        space = "an expandable segment reserves addresses for 9/8 of the memory that it may use"
        return one_stream, Note(code="address-space", message=space)
    return one_stream, Note(
        code="addresses",
        message="new segments get ever higher addresses; among free blocks of equal size the "
        "lowest is used",
    )


def overlaid(trace: Trace, overlay: Overlay) -> Trace:
    """The trace with blocks of role WORKSPACE put in, under numbers that it does not use."""
    return replace(trace, events=tuple(_Writer(trace, overlay).events()))


class _Writer:
    """Goes through the events of a trace once."""

    def __init__(self, trace: Trace, overlay: Overlay) -> None:
        self._trace = trace
        self._overlay = overlay
        numbers = (max(event.block, event.onto or 0) for event in trace.events)
        self._next = max(numbers, default=-1) + 1
        self._handles: set[bool] = set()
        self._reserve_of: dict[int, Event] = {}
        """The reserve that lives as long as a block does."""

    def events(self) -> Iterator[Event]:
        for group in _operators(self._trace.events):
            first = group[0]
            if first.action is not Action.ALLOCATE:
                yield first
                yield from self._after_other(first)
            elif first.operator in CONVOLUTIONS or first.operator == CONVOLUTION_BACKWARD:
                yield from self._convolution(group)
            else:
                yield from group
                if first.operator in MATRIX_MULTIPLY:
                    yield from self._matrix_multiply(first)
                elif "batch_norm" in first.operator and "backward" not in first.operator:
                    yield from self._batch_norm(group)

    def _convolution(self, group: list[Event]) -> Iterator[Event]:
        """Each result is made by a call of its own, whose workspace is gone before the next."""
        for event, use in zip(group, self._uses(group), strict=True):
            yield event
            if use is None:
                continue
            default = (self._overlay.convolution_bytes, 0)
            size = self._overlay.measured.get((event.module, use), default)
            if size != (0, 0):
                workspace = self._allocate(event, size)
                yield workspace
                yield _freed(workspace, event)

    def _uses(self, group: list[Event]) -> list[Use | None]:
        """Of backward's results in their order: input, weight and bias, each only if needed."""
        if group[0].operator != CONVOLUTION_BACKWARD:
            return [Use.FORWARD, *[None] * (len(group) - 1)]
        one_batch = len(self._trace.batches) == 1
        of_input = group[0].per_image > 0 or (one_batch and len(group) > 1)
        uses = [Use.INPUT_GRADIENT, Use.WEIGHT_GRADIENT] if of_input else [Use.WEIGHT_GRADIENT]
        return [*uses, *[None] * len(group)][: len(group)]

    def _matrix_multiply(self, event: Event) -> Iterator[Event]:
        """The first one takes a handle's workspace, for good."""
        own_thread = event.phase is Phase.BACKWARD and self._overlay.cublas_handles > 1
        if own_thread not in self._handles:
            self._handles.add(own_thread)
            yield self._allocate(event, (self._overlay.cublas_bytes, 0))

    def _batch_norm(self, group: list[Event]) -> Iterator[Event]:
        """The reserve is kept as long as the last of the results that backward needs."""
        kept = [event for event in group if event.role is Role.ACTIVATION]
        size = self._overlay.measured.get((group[0].module, Use.RESERVE), (0, 0))
        if kept and size != (0, 0):
            reserve = self._allocate(group[-1], size)
            self._reserve_of[kept[-1].block] = reserve
            yield reserve

    def _after_other(self, event: Event) -> Iterator[Event]:
        reserve = self._reserve_of.pop(event.block, None)
        if reserve is None:
            return
        if event.action is Action.MOVE and event.onto is not None:
            self._reserve_of[event.onto] = reserve
        else:
            yield _freed(reserve, event)

    def _allocate(self, beside: Event, size: Bytes) -> Event:
        block = self._next
        self._next += 1
        constant, per_image = size
        return replace(
            beside,
            block=block,
            constant=constant,
            per_image=per_image,
            role=Role.WORKSPACE,
        )


def _freed(workspace: Event, beside: Event) -> Event:
    return replace(workspace, action=Action.FREE, phase=beside.phase, step=beside.step)


def _operators(events: Iterable[Event]) -> Iterator[list[Event]]:
    """The results of one operator call together, every other event by itself."""
    group: list[Event] = []
    for event in events:
        if group and not (event.action is Action.ALLOCATE and _same_call(event, group[-1])):
            yield group
            group = []
        if event.action is Action.ALLOCATE:
            group.append(event)
        else:
            yield [event]
    if group:
        yield group


def _same_call(event: Event, other: Event) -> bool:
    return (event.operator, event.module, event.phase, event.step) == (
        other.operator,
        other.module,
        other.phase,
        other.step,
    )
