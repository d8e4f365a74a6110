"""The table of `resprof list --devices`."""

from __future__ import annotations

from resprof.records.device import DevicesResult
from resprof.records.table import Column, Form, Origin, Table


def devices_table(result: DevicesResult) -> Table:
    """Every device of the catalog in a row, as its vendor prints it."""
    return Table(
        name="devices",
        title="Devices that resprof knows",
        subtitle="as their vendors print them: dense peaks without sparsity, 1 GB = 10^9 bytes",
        columns=(
            Column(key="id", title="id"),
            Column(key="name", title="name", priority=2),
            Column(key="vendor", title="vendor", priority=4),
            Column(key="memory_bytes", title="memory", form=Form.SI, origin=Origin.PUBLISHED),
            _rate("bandwidth_bytes_per_s", "byte/s", 1),
            _rate("fp32_flops_per_s", "fp32", 1),
            _rate("tf32_flops_per_s", "TF32", 3),
            _rate("fp16_flops_per_s", "fp16", 1),
            _rate("bf16_flops_per_s", "bf16", 2),
            Column(key="capability", title="capability", priority=4),
            Column(key="source", title="source", form=Form.PROSE, priority=5),
        ),
        rows=tuple(
            (
                device.id,
                device.name,
                device.vendor,
                device.memory_bytes,
                device.bandwidth_bytes_per_s,
                device.fp32_flops_per_s,
                device.tf32_flops_per_s,
                device.fp16_flops_per_s,
                device.bf16_flops_per_s,
                device.capability,
                device.source,
            )
            for device in result.rows
        ),
        notes=(
            (
                "The id is what --device takes. Peaks are FLOP/s, on tensor cores where there are "
                "any but for fp32; an em dash is arithmetic that the device does not have."
            ),
        ),
    )


def _rate(key: str, title: str, priority: int) -> Column:
    return Column(key=key, title=title, form=Form.SI, origin=Origin.PUBLISHED, priority=priority)
