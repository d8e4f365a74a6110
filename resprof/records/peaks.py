"""What a device can do at most: as its vendor prints it, and as a large GEMM and a large copy do.

A file of measured peaks is JSON lines, ``{"schema": 1, "record": "measured peaks", ...}``, one for
each arithmetic.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from resprof.errors import UsageError, printable_path
from resprof.records.codec import SCHEMA, to_json, to_plain
from resprof.records.decode import from_plain
from resprof.records.recipe import Precision

_RECORD = "measured peaks"
_MOST = 1e18
"""More than any device's rate, and less than infinity."""
_HINT = "measure them on the device: resprof calibrate --peaks -o FILE"


class Arithmetic(StrEnum):
    """What the units multiply; sums are in fp32."""

    FP32 = "fp32"
    TF32 = "tf32"
    FP16 = "fp16"
    BF16 = "bf16"


_OF_PRECISION = {
    Precision.FP32: Arithmetic.FP32,
    Precision.TF32: Arithmetic.TF32,
    Precision.FP16: Arithmetic.FP16,
    Precision.AMP_FP16: Arithmetic.FP16,
    Precision.BF16: Arithmetic.BF16,
    Precision.AMP_BF16: Arithmetic.BF16,
}


def arithmetic_of(precision: Precision) -> Arithmetic:
    """In what the convolutions and fully connected layers of a precision compute."""
    return _OF_PRECISION[precision]


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


def peaks_text(found: Iterable[MeasuredPeaks]) -> str:
    """The content of a file of measured peaks."""
    head = {"schema": SCHEMA, "record": _RECORD}
    return "".join(to_json(head | to_plain(each), indent=None) for each in found)


def read_peaks(path: Path) -> tuple[MeasuredPeaks, ...]:
    """Reads such a file; ``UsageError`` for one that is absent, corrupt or another."""
    name = printable_path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}", hint=_HINT) from None
    except UnicodeDecodeError:
        raise UsageError(f"{name} holds no text", hint=_HINT) from None
    found = tuple(_from_line(line, name) for line in lines)
    if not found:
        raise UsageError(f"{name} is empty", hint=_HINT)
    return found


def _from_line(line: str, name: str) -> MeasuredPeaks:
    try:
        plain = json.loads(line)
        known = plain["schema"] == SCHEMA and plain["record"] == _RECORD
        peaks = from_plain(MeasuredPeaks, plain) if known else None
    except (ValueError, TypeError, KeyError, RecursionError):
        peaks = None
    if peaks is None:
        raise UsageError(f"{name} is no file of measured peaks", hint=_HINT)
    # NaN compares as false, and is no rate either.
    if not (0 < peaks.flops_per_s < _MOST and 0 < peaks.bandwidth_bytes_per_s < _MOST):
        raise UsageError(f"{name} has a rate that no device has", hint=_HINT)
    return peaks
