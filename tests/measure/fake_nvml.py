"""A stand-in for pynvml: scripted devices, counters that advance, functions that refuse.

Numbers and names are those of the real module; a test holds them against it.
"""

# ruff: noqa: N802 # functions are called as pynvml calls them

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

SUCCESS = 0
INVALID_ARGUMENT = 2
NOT_SUPPORTED = 3
NO_PERMISSION = 4
NOT_FOUND = 6
DRIVER_NOT_LOADED = 9
TIMEOUT = 10
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
GPU_IS_LOST = 15
LIB_RM_VERSION_MISMATCH = 18

UNSIGNED_LONG_LONG = 3
FIRST_FIELD = 74
"""NVML_FI_DEV_PERF_POLICY_POWER; the other policies follow in the order of their own numbers."""


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value

    def __str__(self) -> str:
        return f"error {self.value}"


@dataclass
class FakeDevice:
    """Power in W, clocks in MHz, counters in J and seconds; ``refuses`` by function name."""

    uuid: str = "GPU-8f3c2c1e-0000-1111-2222-333344445555"
    name: str = "NVIDIA H100 80GB HBM3"
    pci: tuple[int, int, int] = (0, 0x41, 0)
    memory_bytes: int = 80 * 2**30
    power_w: float = 650.0
    power_limit_w: float = 700.0
    power_default_w: float = 700.0
    sm_clock: int = 1755
    memory_clock: int = 2619
    temperature: int = 61
    reasons: int = 0x4
    ecc: int = 1
    persistence: int = 1
    mig: int = 0
    compute_mode: int = 0
    mig_uuids: tuple[str, ...] = ()
    pids: list[int] = field(default_factory=list)
    used: dict[int, int] = field(default_factory=dict)
    """Bytes by process; of others the driver does not tell."""
    energy_j: float = 1000.0
    throttled_s: dict[int, float] = field(default_factory=lambda: dict.fromkeys(range(6), 0.0))
    """By the number of the policy."""
    in_fields: frozenset[int] = frozenset(range(6))
    """The policies that are fields too."""
    refuses: dict[str, int] = field(default_factory=dict)

    def advance(self, seconds: float, *, share: float = 0.25) -> None:
        """Time passes at the device's power, ``share`` of it below the power policy's limit."""
        self.energy_j += self.power_w * seconds
        self.throttled_s[0] += share * seconds

    def restart(self) -> None:
        """The driver is loaded again: counters start anew."""
        self.energy_j = 0.0
        self.throttled_s = dict.fromkeys(self.throttled_s, 0.0)


@dataclass(frozen=True)
class _Mig:
    parent: FakeDevice


class FakeNvml:
    """The module. ``devices`` are in NVML's order; ``refuses`` holds for all of them."""

    NVMLError = NVMLError
    NVML_SUCCESS = SUCCESS
    NVML_ERROR_INVALID_ARGUMENT = INVALID_ARGUMENT
    NVML_ERROR_NOT_SUPPORTED = NOT_SUPPORTED
    NVML_ERROR_NO_PERMISSION = NO_PERMISSION
    NVML_ERROR_NOT_FOUND = NOT_FOUND
    NVML_ERROR_DRIVER_NOT_LOADED = DRIVER_NOT_LOADED
    NVML_ERROR_TIMEOUT = TIMEOUT
    NVML_ERROR_LIBRARY_NOT_FOUND = LIBRARY_NOT_FOUND
    NVML_ERROR_FUNCTION_NOT_FOUND = FUNCTION_NOT_FOUND
    NVML_ERROR_GPU_IS_LOST = GPU_IS_LOST
    NVML_ERROR_LIB_RM_VERSION_MISMATCH = LIB_RM_VERSION_MISMATCH
    NVML_CLOCK_SM = 1
    NVML_CLOCK_MEM = 2
    NVML_TEMPERATURE_GPU = 0
    NVML_PERF_POLICY_POWER = 0
    NVML_PERF_POLICY_THERMAL = 1
    NVML_PERF_POLICY_SYNC_BOOST = 2
    NVML_PERF_POLICY_BOARD_LIMIT = 3
    NVML_PERF_POLICY_LOW_UTILIZATION = 4
    NVML_PERF_POLICY_RELIABILITY = 5
    NVML_FI_DEV_PERF_POLICY_POWER = 74
    NVML_FI_DEV_PERF_POLICY_THERMAL = 75
    NVML_FI_DEV_PERF_POLICY_SYNC_BOOST = 76
    NVML_FI_DEV_PERF_POLICY_BOARD_LIMIT = 77
    NVML_FI_DEV_PERF_POLICY_LOW_UTILIZATION = 78
    NVML_FI_DEV_PERF_POLICY_RELIABILITY = 79

    def __init__(self, *devices: FakeDevice, refuses: dict[str, int] | None = None) -> None:
        self._devices = devices
        self._refuses = refuses or {}
        self.calls: Counter[str] = Counter()
        self.opened = 0

    def _asked(self, function: str, device: FakeDevice | None = None) -> None:
        self.calls[function] += 1
        refuses = self._refuses | (device.refuses if device else {})
        if function in refuses:
            raise NVMLError(refuses[function])

    def nvmlInit(self) -> None:
        self._asked("nvmlInit")
        self.opened += 1

    def nvmlShutdown(self) -> None:
        self._asked("nvmlShutdown")
        self.opened -= 1

    def nvmlDeviceGetCount(self) -> int:
        self._asked("nvmlDeviceGetCount")
        return len(self._devices)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeDevice:
        self._asked("nvmlDeviceGetHandleByIndex")
        return self._devices[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> FakeDevice | _Mig:
        self._asked("nvmlDeviceGetHandleByUUID")
        for device in self._devices:
            if device.uuid == uuid:
                return device
            if uuid in device.mig_uuids:
                return _Mig(device)
        raise NVMLError(NOT_FOUND)

    def nvmlDeviceGetHandleByPciBusId(self, address: str) -> FakeDevice:
        self._asked("nvmlDeviceGetHandleByPciBusId")
        for device in self._devices:
            domain, bus, number = device.pci
            if address == f"{domain:08X}:{bus:02X}:{number:02X}.0":
                return device
        raise NVMLError(NOT_FOUND)

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, mig: _Mig) -> FakeDevice:
        self._asked("nvmlDeviceGetDeviceHandleFromMigDeviceHandle")
        return mig.parent

    def nvmlSystemGetDriverVersion(self) -> str:
        self._asked("nvmlSystemGetDriverVersion")
        return "580.159.04"

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:
        self._asked("nvmlSystemGetCudaDriverVersion_v2")
        return 13000

    def nvmlDeviceGetName(self, device: FakeDevice) -> str:
        self._asked("nvmlDeviceGetName", device)
        return device.name

    def nvmlDeviceGetUUID(self, device: FakeDevice) -> str:
        self._asked("nvmlDeviceGetUUID", device)
        return device.uuid

    def nvmlDeviceGetPciInfo(self, device: FakeDevice) -> SimpleNamespace:
        self._asked("nvmlDeviceGetPciInfo", device)
        domain, bus, number = device.pci
        return SimpleNamespace(domain=domain, bus=bus, device=number)

    def nvmlDeviceGetMemoryInfo(self, device: FakeDevice) -> SimpleNamespace:
        self._asked("nvmlDeviceGetMemoryInfo", device)
        return SimpleNamespace(total=device.memory_bytes)

    def nvmlDeviceGetEccMode(self, device: FakeDevice) -> list[int]:
        self._asked("nvmlDeviceGetEccMode", device)
        return [device.ecc, 1 - device.ecc]

    def nvmlDeviceGetMigMode(self, device: FakeDevice) -> list[int]:
        self._asked("nvmlDeviceGetMigMode", device)
        return [device.mig, 1 - device.mig]

    def nvmlDeviceGetPersistenceMode(self, device: FakeDevice) -> int:
        self._asked("nvmlDeviceGetPersistenceMode", device)
        return device.persistence

    def nvmlDeviceGetComputeMode(self, device: FakeDevice) -> int:
        self._asked("nvmlDeviceGetComputeMode", device)
        return device.compute_mode

    def nvmlDeviceGetEnforcedPowerLimit(self, device: FakeDevice) -> int:
        self._asked("nvmlDeviceGetEnforcedPowerLimit", device)
        return round(1000 * device.power_limit_w)

    def nvmlDeviceGetPowerManagementLimit(self, device: FakeDevice) -> int:
        self._asked("nvmlDeviceGetPowerManagementLimit", device)
        return round(1000 * device.power_limit_w)

    def nvmlDeviceGetPowerManagementDefaultLimit(self, device: FakeDevice) -> int:
        self._asked("nvmlDeviceGetPowerManagementDefaultLimit", device)
        return round(1000 * device.power_default_w)

    def nvmlDeviceGetMaxClockInfo(self, device: FakeDevice, kind: int) -> int:
        self._asked("nvmlDeviceGetMaxClockInfo", device)
        return {1: 1980, 2: 2619}[kind]

    def nvmlDeviceGetClockInfo(self, device: FakeDevice, kind: int) -> int:
        self._asked("nvmlDeviceGetClockInfo", device)
        return {1: device.sm_clock, 2: device.memory_clock}[kind]

    def nvmlDeviceGetPowerUsage(self, device: FakeDevice) -> int:
        self._asked("nvmlDeviceGetPowerUsage", device)
        return round(1000 * device.power_w)

    def nvmlDeviceGetTemperatureV(self, device: FakeDevice, sensor: int) -> int:
        self._asked("nvmlDeviceGetTemperatureV", device)
        return device.temperature

    def nvmlDeviceGetTemperature(self, device: FakeDevice, sensor: int) -> int:
        self._asked("nvmlDeviceGetTemperature", device)
        return device.temperature

    def nvmlDeviceGetTotalEnergyConsumption(self, device: FakeDevice) -> int:
        self._asked("nvmlDeviceGetTotalEnergyConsumption", device)
        return round(1000 * device.energy_j)

    def nvmlDeviceGetCurrentClocksEventReasons(self, device: FakeDevice) -> int:
        self._asked("nvmlDeviceGetCurrentClocksEventReasons", device)
        return device.reasons

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, device: FakeDevice) -> int:
        self._asked("nvmlDeviceGetCurrentClocksThrottleReasons", device)
        return device.reasons

    def nvmlDeviceGetFieldValues(
        self, device: FakeDevice, numbers: Sequence[int]
    ) -> list[SimpleNamespace]:
        self._asked("nvmlDeviceGetFieldValues", device)
        return [_field(device, number - FIRST_FIELD) for number in numbers]

    def nvmlDeviceGetViolationStatus(self, device: FakeDevice, policy: int) -> SimpleNamespace:
        self._asked("nvmlDeviceGetViolationStatus", device)
        if policy not in device.throttled_s:
            raise NVMLError(NOT_SUPPORTED)
        return SimpleNamespace(violationTime=round(1e9 * device.throttled_s[policy]))

    def nvmlDeviceGetComputeRunningProcesses_v3(self, device: FakeDevice) -> list[SimpleNamespace]:
        self._asked("nvmlDeviceGetComputeRunningProcesses_v3", device)
        return [SimpleNamespace(pid=pid, usedGpuMemory=device.used.get(pid)) for pid in device.pids]

    def nvmlDeviceGetComputeRunningProcesses_v2(self, device: FakeDevice) -> list[SimpleNamespace]:
        self._asked("nvmlDeviceGetComputeRunningProcesses_v2", device)
        return [SimpleNamespace(pid=pid, usedGpuMemory=device.used.get(pid)) for pid in device.pids]


def _field(device: FakeDevice, policy: int) -> SimpleNamespace:
    known = policy in device.in_fields and policy in device.throttled_s
    return SimpleNamespace(
        nvmlReturn=SUCCESS if known else NOT_SUPPORTED,
        valueType=UNSIGNED_LONG_LONG,
        value=SimpleNamespace(ullVal=round(1e9 * device.throttled_s[policy]) if known else 0),
    )
