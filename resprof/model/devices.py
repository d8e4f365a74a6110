"""Devices as their vendors print them: dense peaks, bandwidth, capacity; checked by arithmetic."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from resprof.model.published import SheetRow, rows, scaled, text
from resprof.model.recipe import Arithmetic


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A row of the device table; None is unknown or not offered by the device.

    Rates are dense peaks: figures that a vendor prints with sparsity are halved. ``int8_ops_per_s``
    counts integer operations, ``fp16_acc16_flops_per_s`` is fp16 with an fp16 accumulator where
    that is faster. ``match`` is a regular expression for the name that a driver gives the device,
    and ``driver_devices`` is how many devices it shows for this row: all figures are of all of
    them together. ``units`` are SMs, or CUs with AMD. ``memory_bytes`` is the printed capacity with
    1 GB = 10^9 bytes, ``l2_bytes`` the printed cache with 1 MB = 2^20 bytes.
    ``tensor_clock_hz`` is the clock at which the units reach the printed fp16 peak, which vendors
    quote above or below ``boost_clock_hz``.
    """

    id: str
    name: str
    match: str
    vendor: str
    architecture: str
    capability: str
    driver_devices: int
    units: int
    fp16_fma_per_unit_clock: int
    boost_clock_hz: float
    tensor_clock_hz: float
    fp32_flops_per_s: float
    tf32_flops_per_s: float | None
    fp16_flops_per_s: float
    bf16_flops_per_s: float | None
    fp8_flops_per_s: float | None
    int8_ops_per_s: float | None
    fp16_acc16_flops_per_s: float | None
    memory_bytes: int
    bandwidth_bytes_per_s: float
    l2_bytes: int
    power_w: int
    status: str
    source: str
    note: str | None

    @property
    def compute_capability(self) -> tuple[int, int]:
        """The capability of an NVIDIA device as (major, minor)."""
        major, minor = self.capability.split(".")
        return int(major), int(minor)

    def peak(self, arithmetic: Arithmetic) -> float | None:
        """The printed dense peak of an arithmetic in FLOP/s; None where none is known."""
        rate: float | None = getattr(self, f"{arithmetic}_flops_per_s", None)
        return rate


@cache
def devices() -> tuple[Device, ...]:
    """Every device of the table, in its order."""
    return tuple(_device(row) for row in rows("devices"))


def device(device_id: str) -> Device | None:
    """The device of that id, None where there is none."""
    return next((device for device in devices() if device.id == device_id), None)


def device_of(driver_name: str) -> Device | None:
    """The device that a driver gives this name, None for one that the table lacks.

    Its figures are never a stand-in for another device's: a name that fits no pattern, such as
    that of a part with other clocks, has none.
    """
    return next((device for device in devices() if re.search(device.match, driver_name)), None)


def _device(row: SheetRow) -> Device:
    return Device(
        id=row["id"],
        name=row["name"],
        match=row["match"],
        vendor=row["vendor"],
        architecture=row["arch"],
        capability=row["cc"],
        driver_devices=int(row["driver_devices"]),
        units=int(row["units"]),
        fp16_fma_per_unit_clock=int(row["fp16_fma_per_unit_clk"]),
        boost_clock_hz=_known(row, "boost_mhz", 6),
        tensor_clock_hz=_known(row, "tensor_mhz_implied", 6),
        fp32_flops_per_s=_known(row, "fp32_tflops", 12),
        tf32_flops_per_s=scaled(row["tf32_tflops"], 12),
        fp16_flops_per_s=_known(row, "fp16_tflops", 12),
        bf16_flops_per_s=scaled(row["bf16_tflops"], 12),
        fp8_flops_per_s=scaled(row["fp8_tflops"], 12),
        int8_ops_per_s=scaled(row["int8_tops"], 12),
        fp16_acc16_flops_per_s=scaled(row["fp16_acc16_tflops"], 12),
        memory_bytes=int(row["mem_gb"]) * 10**9,
        bandwidth_bytes_per_s=_known(row, "mem_bw_gbs", 9),
        l2_bytes=int(row["l2_mb"]) * 2**20,
        power_w=int(row["tdp_w"]),
        status=row["status"],
        source=row["source"],
        note=text(row["note"]),
    )


def _known(row: SheetRow, column: str, exponent: int) -> float:
    value = scaled(row[column], exponent)
    if value is None:
        raise ValueError(f"devices.csv: {row['id']} has no {column}")
    return value
