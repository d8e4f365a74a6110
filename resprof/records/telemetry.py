"""What NVML says of a GPU: its settings once, its state between rounds.

Every field is None where the driver does not tell: unsupported is unknown, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class NvmlState(StrEnum):
    """Whether NVML answered, and if not, whose lack it is. None of these stops a measurement."""

    AVAILABLE = "available"
    NOT_INSTALLED = "not installed"
    """The Python module is missing."""
    NO_DRIVER = "no driver"
    """The module finds no library or no running driver."""
    NO_PERMISSION = "no permission"
    NOT_SUPPORTED = "not supported"
    NO_MATCH = "no match"
    """NVML works, and lists no device with the UUID or PCI address of CUDA's."""
    FAILED = "failed"


class ThrottlePolicy(StrEnum):
    """Why a driver lowers clocks, in terms of its cumulative counters."""

    POWER = "power"
    THERMAL = "thermal"
    SYNC_BOOST = "sync boost"
    BOARD_LIMIT = "board limit"
    LOW_UTILIZATION = "low utilization"
    RELIABILITY = "reliability"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSettings:
    """What holds for a whole run; clocks in Hz, power in W.

    ``power_limit_w`` is the limit in force, ``power_default_w`` the card's own. ``processes`` are
    compute processes on the device other than the one that asks.
    """

    name: str
    uuid: str
    pci_bus_id: str | None
    driver: str | None
    cuda_driver: str | None
    memory_bytes: int | None
    ecc: bool | None
    mig: bool | None
    persistence: bool | None
    compute_mode: str | None
    power_limit_w: float | None
    power_default_w: float | None
    sm_clock_max_hz: float | None
    memory_clock_max_hz: float | None
    processes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NvmlReport:
    """Whether there is telemetry; ``message`` says why not, in one plain line."""

    state: NvmlState
    message: str | None = None
    settings: GpuSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """Seconds that a policy has lowered clocks: in all in a reading, of a round in a round's."""

    policy: ThrottlePolicy
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuReading:
    """The device's state at one moment.

    ``at_s`` is the host's monotonic clock; ``energy_j`` and ``throttled`` are counters that only
    rise. ``reasons`` are those for lowered clocks that are active now, idleness left out.
    """

    at_s: float
    sm_clock_hz: float | None
    memory_clock_hz: float | None
    power_w: float | None
    temperature_c: float | None
    energy_j: float | None
    throttled: tuple[Throttled, ...] | None
    reasons: tuple[str, ...] | None
    processes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTelemetry:
    """What lies between two readings, one before and one after a round.

    Clocks, power, temperature, reasons and other processes are those after it, before the device
    can have gone idle; energy and throttled seconds are of the time between.
    """

    seconds: float
    sm_clock_hz: float | None
    memory_clock_hz: float | None
    power_w: float | None
    temperature_c: float | None
    energy_j: float | None
    throttled: tuple[Throttled, ...] | None
    reasons: tuple[str, ...] | None
    processes: int | None
