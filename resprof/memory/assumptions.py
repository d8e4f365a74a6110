"""What a prediction assumes, in sentences."""

from __future__ import annotations

from resprof.memory.overlay import (
    CONTEXT_HIGH,
    CONTEXT_LOW,
    CONVOLUTION_HIGH,
    CUBLAS_OTHERS,
    Overlay,
)
from resprof.records.answer import Note
from resprof.records.memory import AllocatorKind, AllocatorSettings
from resprof.units import format_bytes


def assumptions_of(overlay: Overlay, settings: AllocatorSettings) -> tuple[Note, ...]:
    """The assumptions of the overlay and of the allocator model."""
    return (_calibration(overlay), *_overlay_notes(overlay), *_allocator_notes(settings))


def _calibration(overlay: Overlay) -> Note:
    if overlay.calibrated_on is None:
        return Note(
            code="uncalibrated",
            message="uncalibrated: documented defaults stand for what only a GPU takes",
        )
    return Note(code="calibrated", message=f"calibrated on {overlay.calibrated_on}")


def _overlay_notes(overlay: Overlay) -> tuple[Note, ...]:
    known = overlay.calibrated_on is not None
    cublas = format_bytes(overlay.cublas_bytes)
    handles = (
        "one for forward and one for backward's thread"
        if overlay.cublas_handles > 1
        else "one for all"
    )
    cublas_band = "" if known else f"; band: one of {format_bytes(CUBLAS_OTHERS)} to two of 32 MiB"
    context_band = (
        "" if known else f"; band: {format_bytes(CONTEXT_LOW)} to {format_bytes(CONTEXT_HIGH)}"
    )
    return (
        Note(
            code="context",
            message=f"CUDA context and kernels take {format_bytes(overlay.context_bytes)} outside "
            f"of the allocator{context_band}",
        ),
        Note(
            code="cublas",
            message=f"a cuBLAS workspace takes {cublas} from the first matrix multiply on, "
            f"{handles}{cublas_band}",
        ),
        Note(
            code="convolution-workspace",
            message=f"a convolution whose workspace was not measured takes "
            f"{format_bytes(overlay.convolution_bytes)} for as long as it runs; band: up to "
            f"{format_bytes(CONVOLUTION_HIGH)}",
        ),
        Note(
            code="batch-norm-reserve",
            message="a batch norm whose reserve was not measured keeps none",
        ),
    )


def _allocator_notes(settings: AllocatorSettings) -> tuple[Note, ...]:
    one_stream = Note(code="one-stream", message="all work is on one stream, without CUDA graphs")
    if settings.kind is AllocatorKind.EXPANDABLE:
        space = "an expandable segment's addresses span 9/8 of the memory it may take"
        return one_stream, Note(code="address-space", message=space)
    return one_stream, Note(
        code="addresses",
        message="addresses of new segments only rise; among free blocks of equal size the lowest "
        "is taken",
    )
