"""The machine a sample was taken on: what lasts (the environment) and what is of a moment.

Every field is None where the driver does not tell: unsupported is unknown, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class NvmlState(StrEnum):
    """Whether NVML answered, and if not, what is missing. None of these stops a measurement."""

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


class DeviceKind(StrEnum):
    """Marks every measured figure; figures of different kinds are never compared."""

    CUDA = "cuda"
    CPU = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The host, as far as the operating system tells; None where it does not.

    ``cores`` are those the process may run on; ``load`` is the one-minute load average at the
    start, which counts runnable and blocked threads.
    """

    architecture: str
    cpu_model: str | None
    cores: int | None
    memory_bytes: int | None
    system: str
    kernel: str
    load: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchBuild:
    """The torch that ran and the switches that change what it runs.

    ``cuda`` is the version it was built with and ``cudnn`` the one that is loaded, None in a build
    without them;
    ``threads`` are those of one operator. ``tf32_matmul`` and ``tf32_conv`` say whether fp32
    operands may be rounded to TF32.
    """

    version: str
    cuda: str | None
    cudnn: int | None
    cpu_capability: str
    threads: int
    interop_threads: int
    tf32_matmul: bool
    tf32_conv: bool
    cudnn_benchmark: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """The CUDA device that ran; ``driver`` is NVIDIA's, None where it cannot be read.

    ``pci_bus_id`` is written as NVML writes it, ``00000000:41:00.0``; None where torch does not
    tell.
    """

    name: str
    uuid: str | None
    capability: str
    memory_bytes: int
    driver: str | None
    pci_bus_id: str | None = None

    @property
    def compute_capability(self) -> tuple[int, int]:
        """The capability as (major, minor)."""
        major, minor = self.capability.split(".")
        return int(major), int(minor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Written before the first sample. ``torch`` is None where it could not be loaded.

    ``nvml`` is None where nobody asked NVML, as for a measurement on the CPU.
    """

    date: str
    """UTC, ISO 8601, to the second."""
    resprof: str | None
    python: str
    machine: Machine
    torch: TorchBuild | None
    gpu: Gpu | None
    nvml: NvmlReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """Of the cores that this process may run on; None where the system does not tell.

    ``busy_share`` is the part of their time that was worked in, ``stolen_share`` the part that a
    hypervisor gave to others, both over ``window_s`` seconds in which this process slept. ``load``
    is the one-minute load average. ``governors`` are those of the cores, each named once.
    ``cpu_quota_cores`` is the CPU time that control groups grant, in cores; None also where they
    set no limit. ``memory_available_bytes`` heeds their memory limits too. ``thermal_throttles``
    is how often heat has lowered a core's clock since the system started, that of the core where
    it did so most often. ``nvidia_driver`` is the version of NVIDIA's kernel module.
    """

    window_s: float
    busy_share: float | None
    stolen_share: float | None
    load: float | None
    governors: tuple[str, ...] | None
    boost: bool | None
    cpu_quota_cores: float | None
    memory_available_bytes: int | None
    swap_used_bytes: int | None
    virtual: bool | None
    thermal_throttles: int | None
    nvidia_driver: str | None
