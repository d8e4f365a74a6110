"""What a device can do at most: as its vendor prints it, as measured, and which holds here.

A file of measured peaks is JSON lines, ``{"schema": 1, "record": "measured peaks", ...}``, one for
each arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from resprof.codec import FileFormat, read_records, to_json, to_plain
from resprof.errors import Note, UsageError, printable_path
from resprof.model.devices import Device
from resprof.model.environment import Environment
from resprof.model.recipe import Arithmetic, Precision
from resprof.units import format_bytes, format_deviation, format_si

_MOST = 1e18
"""More than any device's rate, and less than infinity."""


class PeakSource(StrEnum):
    """Where peaks come from."""

    DATASHEET = "datasheet"
    MEASURED = "measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """The two peaks of a roofline, of one device as torch sees it; ``how`` says where from."""

    source: PeakSource
    device: str
    arithmetic: Arithmetic
    flops_per_s: float
    bandwidth_bytes_per_s: float
    how: str

    @property
    def ridge(self) -> float:
        """FLOP/byte above which arithmetic is what takes the time."""
        return self.flops_per_s / self.bandwidth_bytes_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPeaks:
    """What a large GEMM and a large copy within device memory reach on a device.

    ``device`` is the driver's name of it. The copy's rate counts what is read and what is written.
    ``how`` is a sentence: sizes and repetitions.
    """

    device: str
    arithmetic: Arithmetic
    flops_per_s: float
    bandwidth_bytes_per_s: float
    how: str
    date: str
    torch: str | None
    driver: str | None

    def __post_init__(self) -> None:
        if not (0 < self.flops_per_s < _MOST and 0 < self.bandwidth_bytes_per_s < _MOST):
            raise ValueError("it has an impossible rate")


PEAKS = FileFormat(
    name="file of measured peaks",
    kinds={"measured peaks": MeasuredPeaks},
    hint="measure them on the device: resprof calibrate --peaks -o FILE",
)


def peaks_text(found: Iterable[MeasuredPeaks]) -> str:
    """The content of a file of measured peaks."""
    head = PEAKS.head("measured peaks")
    return "".join(to_json(head | to_plain(each), indent=None) for each in found)


def read_peaks(path: Path) -> tuple[MeasuredPeaks, ...]:
    """Reads such a file; ``UsageError`` for one that is absent, corrupt or another."""
    found = read_records(path, PEAKS)
    if not found:
        raise UsageError(f"{printable_path(path)} is empty", hint=PEAKS.hint)
    return found


_INLINE_ECC = 15 / 16
"""What error correction leaves where it takes a part of the memory itself, as with GDDR."""
_DRIVER_LEAVES = 15 / 16
"""Drivers keep 1 to 3% for themselves (14.56 of a T4's 15 GiB, 79.1 of an H100's 80)."""
_GIB_IN_GB = 2**30 / 10**9
"""A printed GB is at least 10^9 bytes and at most a GiB: memory chips come in powers of two."""
_CLOCK_SLACK = 0.01
"""Catalog clocks are exact to a MHz, printed peaks to three digits or more."""


def computes_in(device: Device, precision: Precision) -> bool:
    """Whether the device has the arithmetic of the precision."""
    return device.peak(precision.arithmetic) is not None


def datasheet_peaks(device: Device, precision: Precision) -> Peaks:
    """The dense peaks that fit a precision, of what a driver shows as one device.

    Raises ``UsageError`` where the device has no such arithmetic.
    """
    return Peaks(
        source=PeakSource.DATASHEET,
        device=device.name,
        arithmetic=precision.arithmetic,
        flops_per_s=checked_rate(device, precision) / device.driver_devices,
        bandwidth_bytes_per_s=device.bandwidth_bytes_per_s / device.driver_devices,
        how=device.source,
    )


def checked_rate(device: Device, precision: Precision) -> float:
    """The printed dense peak of the precision's arithmetic; ``UsageError`` where there is none."""
    arithmetic = precision.arithmetic
    rate = device.peak(arithmetic)
    if rate is None:
        usable = [each for each in Precision if computes_in(device, each)]
        raise UsageError(
            f"{device.name} has no {arithmetic} arithmetic",
            hint=f"choose --precision {', '.join(usable[:-1])} or {usable[-1]}",
        )
    return rate


def measured_peaks(
    found: Sequence[MeasuredPeaks], precision: Precision, name: str | None
) -> Peaks | None:
    """The measured peaks for a precision on the device that a driver calls ``name``, None for any.

    None where that arithmetic was not measured. Raises ``UsageError`` for those of another device.
    """
    arithmetic = precision.arithmetic
    others = [each.device for each in found if name is not None and each.device != name]
    if others:
        raise UsageError(
            f"the peaks were measured on {others[0]!r}, this is {name!r}",
            hint="measure them on the device itself: resprof calibrate --peaks",
        )
    for each in found:
        if each.arithmetic is arithmetic:
            return Peaks(
                source=PeakSource.MEASURED,
                device=each.device,
                arithmetic=arithmetic,
                flops_per_s=each.flops_per_s,
                bandwidth_bytes_per_s=each.bandwidth_bytes_per_s,
                how=each.how,
            )
    return None


def device_notes(device: Device) -> Iterator[Note]:
    """What about a catalog row bears on every figure that is made from it."""
    if device.driver_devices > 1:
        yield Note(
            code="part-of-device",
            message=f"The driver lists {device.name} as {device.driver_devices} devices; these "
            "are the peaks of one of them.",
        )
    if device.status != "ok":
        yield Note(code="datasheet", message=f"Catalog note on {device.name}: {device.status}.")


def misfits(device: Device, environment: Environment, precision: Precision) -> Iterator[Note]:
    """What the driver reports of the device that ran that the datasheet does not know."""
    gpu = environment.gpu
    if gpu is None:
        return
    settings = environment.nvml.settings if environment.nvml else None
    if (settings is not None and settings.mig) or "MIG" in gpu.name:
        yield Note(
            code="mig",
            message="MIG is on: the peaks are those of the whole card; a slice has only part of "
            "them.",
        )
    printed = device.memory_bytes / device.driver_devices
    most = printed * _GIB_IN_GB
    if not most * _INLINE_ECC * _DRIVER_LEAVES <= gpu.memory_bytes <= most:
        yield Note(
            code="memory-size",
            message=f"The driver reports {format_bytes(gpu.memory_bytes)} of memory, but the "
            f"datasheet of {device.name} lists {printed / 1000000000.0:g} GB: this may be "
            "another variant of the card or a slice of it, and its rates may differ too.",
        )
    if settings is not None and settings.sm_clock_max_hz is not None:
        yield from _clock(device, settings.sm_clock_max_hz, precision)


def _clock(device: Device, most_hz: float, precision: Precision) -> Iterator[Note]:
    arithmetic = precision.arithmetic
    plain = arithmetic is Arithmetic.FP32
    printed_hz = device.boost_clock_hz if plain else device.tensor_clock_hz
    deviation = most_hz / printed_hz - 1
    if abs(deviation) > _CLOCK_SLACK:
        effect = (
            "compute-bound work can exceed it by as much"
            if deviation > 0
            else "it cannot reach the peak"
        )
        yield Note(
            code="clock",
            message=f"The published {arithmetic} peak is for {format_si(printed_hz)}Hz, and this "
            f"card may run at {format_si(most_hz)}Hz ({format_deviation(deviation)}): {effect}.",
        )
