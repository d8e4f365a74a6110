"""The environment a sample was taken in: enough to repeat it; no user, host or path."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from resprof.records.telemetry import NvmlReport


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
