"""What `resprof compare` shows of a figure, a side and a run: shared by all of its tables."""

from __future__ import annotations

from collections.abc import Sequence

from resprof.records.comparison import ComparedSide, Quantity, RunDevice, RunLabel
from resprof.records.environment import DeviceKind
from resprof.records.run import Outcome
from resprof.records.table import Column, Form, Origin

NAMES = {
    Quantity.LATENCY: "Latency",
    Quantity.THROUGHPUT: "Throughput in images/s",
    Quantity.MEMORY: "Peak memory",
    Quantity.ENERGY: "Energy in J/image",
}
TIMED = (Quantity.LATENCY, Quantity.THROUGHPUT)
_FORMS = {
    Quantity.LATENCY: Form.SECONDS,
    Quantity.THROUGHPUT: Form.NUMBER,
    Quantity.MEMORY: Form.BYTES,
    Quantity.ENERGY: Form.NUMBER,
}


def figure_column(key: str, title: str, quantity: Quantity, priority: int) -> Column:
    """A column of measured figures of that quantity."""
    return Column(
        key=key, title=title, form=_FORMS[quantity], origin=Origin.MEASURED, priority=priority
    )


def device_text(device: RunDevice) -> str:
    """The device with its kind: ``the GPU NVIDIA A100-SXM4-80GB``."""
    return f"the {'GPU' if device.kind is DeviceKind.CUDA else 'CPU'} {device.name}"


def run_titles(runs: Sequence[RunLabel]) -> tuple[str, ...]:
    """What heads the column of each run: its device, and its file where two have the same."""
    devices = [run.device for run in runs]
    return tuple(
        run.device.name if devices.count(run.device) == 1 else f"{run.device.name} ({run.name})"
        for run in runs
    )


def lack_text(side: ComparedSide | None) -> str | None:
    """Why a run has no figure, or one of a process that ended badly; None where all is well."""
    if side is None:
        return "not tried"
    if side.outcome is not Outcome.MEASURED:
        return side.outcome.value
    return "not measured" if side.value is None else None
