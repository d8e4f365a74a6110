"""Devices as a user names them: by an id of the catalog, by a calibration, by their memory.

The catalog is loaded only where a device of it is named.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, SupportsIndex

from resprof.errors import UsageError, nearest, printable
from resprof.memory.overlay import Calibration
from resprof.model.recipe import Precision
from resprof.render.answer import Answer, Rows
from resprof.render.table import Column, Form, Origin, Table, tabulate
from resprof.units import as_size

if TYPE_CHECKING:
    from resprof.model.devices import Device

Capability = tuple[int, int]
"""A compute capability: (major, minor)."""


def device_called(device_id: str, *, instead: str | None = None) -> Device:
    """The device of the catalog; ``UsageError`` for an id that none has.

    ``instead`` is what else would do, for the hint.
    """
    from resprof.model.devices import device as device_by_id
    from resprof.model.devices import devices

    found = device_by_id(device_id)
    if found is None:
        known = [each.id for each in devices()]
        near = nearest(device_id.lower(), known)
        ids = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(known)}"
        raise UsageError(
            f"no device {printable(device_id)} in the catalog",
            hint=f"{ids}; or {instead}" if instead else ids,
        )
    return found


def capability_of(
    device_id: str | None, calibration: Calibration | None, precisions: Iterable[Precision]
) -> Capability | None:
    """The compute capability of a device, None where none is named.

    Raises ``UsageError`` for a device beside a calibration, which is of one already, and for a
    device whose allocator is not modelled or that does not compute in a precision.
    """
    if device_id is None:
        return None
    if calibration is not None:
        raise UsageError("--device and --calibration both name the device", hint="give one of them")
    return _modelled(device_id, precisions, instead="leave out --device").compute_capability


def memory_and_capability(
    memory: str | SupportsIndex | None,
    device_id: str | None,
    calibration: Calibration | None,
    precision: Precision,
) -> tuple[int, Capability | None]:
    """The bytes that a device has in all, and its compute capability where it is known.

    Raises ``UsageError`` unless just one of the three is given, and for a device whose allocator is
    not modelled or that does not compute in the precision.
    """
    if (memory is not None) + (device_id is not None) + (calibration is not None) > 1:
        raise UsageError(
            "--memory, --device and --calibration each give the memory size",
            hint="give one of them",
        )
    if memory is not None:
        return as_size(memory, "memory"), None
    if calibration is not None:
        return calibration.total_bytes, None
    if device_id is None:
        raise UsageError(
            "no memory size is given", hint="give --memory 80GiB, or --device such as h100-sxm"
        )
    found = _modelled(device_id, [precision], instead="give --memory")
    return found.memory_bytes, found.compute_capability


def _modelled(device_id: str, precisions: Iterable[Precision], *, instead: str) -> Device:
    from resprof.answers.roofline.peaks import checked_rate

    found = device_called(device_id, instead=instead)
    if found.vendor != "NVIDIA":
        raise UsageError(
            f"{found.name} is not an NVIDIA device; only the CUDA allocator is modelled",
            hint=f"{instead} to see what the allocator's rules would give",
        )
    for precision in precisions:
        checked_rate(found, precision)
    return found


def _published(key: str, title: str, priority: int) -> Column:
    return Column(key=key, title=title, form=Form.SI, origin=Origin.PUBLISHED, priority=priority)


_COLUMNS = (
    Column(key="id", title="id"),
    Column(key="name", title="name", priority=2),
    Column(key="vendor", title="vendor", priority=4),
    _published("memory_bytes", "memory", 0),
    _published("bandwidth_bytes_per_s", "byte/s", 1),
    _published("fp32_flops_per_s", "fp32", 1),
    _published("tf32_flops_per_s", "TF32", 3),
    _published("fp16_flops_per_s", "fp16", 1),
    _published("bf16_flops_per_s", "bf16", 2),
    Column(key="capability", title="capability", priority=4),
    Column(key="source", title="source", form=Form.PROSE, priority=5),
)


def devices_table(rows: Iterable[Device]) -> Table:
    """Every device of the catalog in a row, as its vendor prints it."""
    return tabulate(
        _COLUMNS,
        rows,
        name="devices",
        title="Devices in the catalog",
        subtitle="as published by the vendors: dense peaks without sparsity, 1 GB = 10^9 bytes",
        notes=(
            (
                "Pass the id to --device. Peaks are in FLOP/s, on tensor cores where the device "
                "has them, except for fp32; an em dash marks arithmetic that the device does not "
                "support."
            ),
        ),
    )


def devices_answer() -> Answer[Rows[Device]]:
    """Every device of the catalog."""
    from resprof.model.devices import devices

    rows = devices()
    return Answer(
        command="list",
        results=(Rows(rows=rows),),
        tables=lambda: [devices_table(rows)],
        sheets=lambda: [devices_table(rows)],
    )
