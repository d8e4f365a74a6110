"""Devices as their vendors print them: dense peaks, bandwidth, capacity; checked by arithmetic."""

from __future__ import annotations

import re
from functools import cache

from resprof.catalog.sheets import SheetRow, rows, scaled, text
from resprof.records.device import Device


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
