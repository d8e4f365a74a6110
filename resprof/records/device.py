"""What a vendor prints about a device: nominal figures, never what a driver or a clock reports."""

from __future__ import annotations

from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesResult:
    """Every device of the table."""

    model: None = None
    recipe: None = None
    rows: tuple[Device, ...]
    total: None = None
