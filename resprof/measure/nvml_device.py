"""What is asked of one device through NVML, and which other processes compute on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from resprof.model.environment import GpuReading, GpuSettings, Throttled, ThrottlePolicy

_INITIAL_PID_NAMESPACE = "pid:[4026531836]"
"""Linux gives the first PID namespace this number (PROC_PID_INIT_INO)."""


def holds_cuda_context() -> bool | None:
    """Whether torch has made a context on its current device; None where it does not tell."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return False
    ask = getattr(torch._C, "_cuda_hasPrimaryContext", None)
    return None if ask is None else bool(ask(torch.cuda.current_device()))


def others(pids: Iterable[int], own: int, *, context: bool | None, namespaced: bool) -> int | None:
    """How many of the listed compute processes are not our own; None where that cannot be told.

    In a container an older driver lists the numbers that processes have outside, where ours is
    unknown to us; a newer one translates them and leaves out the processes of other containers.
    So our own number may be missing from a list that we are on, and 0 means none that is shown.
    """
    listed = set(pids)
    if own in listed:
        return len(listed) - 1
    if context is False or (context is None and not namespaced):
        return len(listed)
    if context is None:
        return None if listed else 0
    # We hold a context, so one of the numbers is ours; an empty list hides even that.
    return len(listed) - 1 if listed else None


def in_pid_namespace() -> bool:
    """Whether this process has another number outside, as in a container."""
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink()) != _INITIAL_PID_NAMESPACE
    return True


T = TypeVar("T")

# Policies by their names in NVML: constants for nvmlDeviceGetViolationStatus, and with ``FI_DEV``
# for the field that holds the same counter. Both count nanoseconds. Fields are asked first: one
# call reads all, and the other function is to go with CUDA 14. The fields named
# CLOCKS_EVENT_REASON_* are left alone, because their numbers differ between releases: those that
# today's module asks for mean something else to drivers of the 580 series.
_POLICIES = {
    ThrottlePolicy.POWER: "PERF_POLICY_POWER",
    ThrottlePolicy.THERMAL: "PERF_POLICY_THERMAL",
    ThrottlePolicy.SYNC_BOOST: "PERF_POLICY_SYNC_BOOST",
    ThrottlePolicy.BOARD_LIMIT: "PERF_POLICY_BOARD_LIMIT",
    ThrottlePolicy.LOW_UTILIZATION: "PERF_POLICY_LOW_UTILIZATION",
    ThrottlePolicy.RELIABILITY: "PERF_POLICY_RELIABILITY",
}
_IDLE = 0x1
_REASONS = {
    0x2: "clocks set by the user",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
    0x100: "display clocks",
    0x200: "board limit",
    0x400: "reliability",
}
"""The bits of nvml.h's ``nvmlClocksEventReason``, called ``...ThrottleReason`` before CUDA 12.2."""
_VALUE_TYPES = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
"""The member of a field's value, by nvml.h's ``nvmlValueType_t``."""
_COMPUTE_MODES = {
    0: "default",
    1: "exclusive thread",
    2: "prohibited",
    3: "exclusive process",
}
LASTING = (
    "NOT_SUPPORTED",
    "NO_PERMISSION",
    "FUNCTION_NOT_FOUND",
    "INVALID_ARGUMENT",
    "ARGUMENT_VERSION_MISMATCH",
    "DEPRECATED",
)
"""Errors after which the same question is not asked again."""
_MEGAHERTZ = 1e6
_MILLI = 1e-3
_NANO = 1e-9


class _Question(Generic[T]):
    """One thing to ask, in the ways that drivers of different age know.

    A way that the driver does not support is not asked again, nor is one that fails otherwise than
    by an error of NVML's; those that may pass leave this answer unknown and the next one open.
    """

    def __init__(self, nvml: Any, *ways: Callable[[], T]) -> None:
        self._nvml = nvml
        self._ways = list(ways)

    @property
    def open(self) -> bool:
        """Whether there is a way left."""
        return bool(self._ways)

    def ask(self) -> T | None:
        while self._ways:
            try:
                return self._ways[0]()
            except self._nvml.NVMLError as error:
                if not is_error(self._nvml, error, LASTING):
                    return None
            except Exception:
                pass  # the module is older than the function, or than the shape of its answer
            del self._ways[0]
        return None


class Device:
    """A device that NVML has a handle for. A reading costs about a dozen calls into the driver."""

    def __init__(
        self,
        nvml: Any,
        handle: Any,
        holds_context: Callable[[], bool | None],
        clock: Callable[[], float],
    ) -> None:
        self.nvml = nvml
        self._handle = handle
        self._holds_context = holds_context
        self._clock = clock
        self._namespaced = in_pid_namespace()
        self._sm_clock = self._about("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM)
        self._memory_clock = self._about("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM)
        self._power = self._about("nvmlDeviceGetPowerUsage")
        self._energy = self._about("nvmlDeviceGetTotalEnergyConsumption")
        # By version: the name without one raises an error of its own where the driver is older.
        self._processes = self._question(
            self._call("nvmlDeviceGetComputeRunningProcesses_v3"),
            self._call("nvmlDeviceGetComputeRunningProcesses_v2"),
        )
        self._temperature = self._question(
            self._call("nvmlDeviceGetTemperatureV", nvml.NVML_TEMPERATURE_GPU),
            self._call("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
        )
        self._reasons = self._question(
            self._call("nvmlDeviceGetCurrentClocksEventReasons"),
            self._call("nvmlDeviceGetCurrentClocksThrottleReasons"),
        )
        self._in_fields = dict(_POLICIES)
        self._fields = self._question(self._field_values)
        self._violations: dict[ThrottlePolicy, _Question[int]] = {}

    def read(self) -> GpuReading:
        """The device's state now."""
        # What fades when work ends is read first, then the counters with the time beside them.
        sm_clock, memory_clock = self._sm_clock.ask(), self._memory_clock.ask()
        reasons, power = self._reasons.ask(), self._power.ask()
        at_s = self._clock()
        energy, throttled = self._energy.ask(), self._throttled()
        return GpuReading(
            at_s=at_s,
            sm_clock_hz=_scaled(sm_clock, _MEGAHERTZ),
            memory_clock_hz=_scaled(memory_clock, _MEGAHERTZ),
            power_w=_scaled(power, _MILLI),
            temperature_c=_scaled(self._temperature.ask(), 1),
            energy_j=_scaled(energy, _MILLI),
            throttled=throttled,
            reasons=None if reasons is None else _in_words(reasons),
            processes=self._others(),
        )

    def process_bytes(self) -> int | None:
        """What this process holds of the device's memory, context included."""
        if self._namespaced:  # the process ids are those of another namespace
            return None
        used = [
            process.usedGpuMemory
            for process in self._processes.ask() or ()
            if process.pid == os.getpid()
        ]
        return int(used[0]) if used and used[0] is not None else None

    def settings(self, *, matched_by: str, through_mig: bool) -> GpuSettings:
        """What holds for a whole run; ``matched_by`` stands in for a UUID that is not told."""
        nvml = self.nvml
        memory = self._about("nvmlDeviceGetMemoryInfo").ask()
        power_limit = self._question(
            self._call("nvmlDeviceGetEnforcedPowerLimit"),
            self._call("nvmlDeviceGetPowerManagementLimit"),
        )
        mode = self._about("nvmlDeviceGetComputeMode").ask()
        mig = self._switch("nvmlDeviceGetMigMode")
        return GpuSettings(
            name=as_text(self._about("nvmlDeviceGetName").ask()) or "unknown",
            uuid=as_text(self._about("nvmlDeviceGetUUID").ask()) or matched_by,
            pci_bus_id=self._question(self._pci_bus_id).ask(),
            driver=as_text(self._question(nvml.nvmlSystemGetDriverVersion).ask()),
            cuda_driver=_cuda_version(self._question(self._cuda_driver).ask()),
            memory_bytes=None if memory is None else int(memory.total),
            ecc=self._switch("nvmlDeviceGetEccMode"),
            mig=True if through_mig else mig,
            persistence=self._switch("nvmlDeviceGetPersistenceMode"),
            compute_mode=None if mode is None else _COMPUTE_MODES.get(mode, f"mode {mode}"),
            power_limit_w=_scaled(power_limit.ask(), _MILLI),
            power_default_w=_scaled(
                self._about("nvmlDeviceGetPowerManagementDefaultLimit").ask(), _MILLI
            ),
            sm_clock_max_hz=_scaled(
                self._about("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_SM).ask(), _MEGAHERTZ
            ),
            memory_clock_max_hz=_scaled(
                self._about("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_MEM).ask(), _MEGAHERTZ
            ),
            processes=self._others(),
        )

    def _question(self, *ways: Callable[[], T]) -> _Question[T]:
        return _Question(self.nvml, *ways)

    def _call(self, function: str, *arguments: int) -> Callable[[], Any]:
        return lambda: getattr(self.nvml, function)(self._handle, *arguments)

    def _about(self, function: str, *arguments: int) -> _Question[Any]:
        return self._question(self._call(function, *arguments))

    def _switch(self, function: str) -> bool | None:
        """A mode that is off or on; where NVML also gives the one after a restart, the present."""
        state = self._about(function).ask()
        if isinstance(state, (list, tuple)):
            state = state[0]
        return None if state is None else bool(state)

    def _pci_bus_id(self) -> str:
        address = self.nvml.nvmlDeviceGetPciInfo(self._handle)
        return pci_address(address.domain, address.bus, address.device)

    def _cuda_driver(self) -> int:
        return int(self.nvml.nvmlSystemGetCudaDriverVersion_v2())

    def _others(self) -> int | None:
        listed = self._processes.ask()
        if listed is None:
            return None
        return others(
            (process.pid for process in listed),
            os.getpid(),
            context=self._holds_context(),
            namespaced=self._namespaced,
        )

    def _throttled(self) -> tuple[Throttled, ...] | None:
        counters = self._field_counters()
        for policy, question in self._violations.items():
            nanoseconds = question.ask()
            if nanoseconds is not None:
                counters[policy] = nanoseconds
        return (
            tuple(
                Throttled(policy=policy, seconds=counters[policy] * _NANO)
                for policy in ThrottlePolicy
                if policy in counters
            )
            or None
        )

    def _field_counters(self) -> dict[ThrottlePolicy, int]:
        """The policies whose counter is a field; of the others the older function is asked."""
        policies = tuple(self._in_fields)
        values = self._fields.ask() if policies else None
        if values is None:
            if not self._fields.open:
                self._ask_singly(policies)
            return {}
        answered = {
            policy: int(getattr(value.value, _VALUE_TYPES[value.valueType]))
            for policy, value in zip(policies, values, strict=True)
            if value.nvmlReturn == self.nvml.NVML_SUCCESS
        }
        self._ask_singly(policy for policy in policies if policy not in answered)
        return answered

    def _field_values(self) -> Sequence[Any]:
        numbers = [getattr(self.nvml, f"NVML_FI_DEV_{name}") for name in self._in_fields.values()]
        values: Sequence[Any] = self.nvml.nvmlDeviceGetFieldValues(self._handle, numbers)
        return values

    def _ask_singly(self, policies: Iterable[ThrottlePolicy]) -> None:
        for policy in policies:
            del self._in_fields[policy]
            self._violations[policy] = self._question(self._violation(policy))

    def _violation(self, policy: ThrottlePolicy) -> Callable[[], int]:
        def ask() -> int:
            number = getattr(self.nvml, f"NVML_{_POLICIES[policy]}")
            status = self.nvml.nvmlDeviceGetViolationStatus(self._handle, number)
            return int(status.violationTime)

        return ask


def pci_address(domain: int, bus: int, device: int) -> str:
    """A PCI address as NVML writes it; a GPU is the first function of its device."""
    return f"{domain:08X}:{bus:02X}:{device:02X}.0"


def is_error(nvml: Any, error: Exception, names: Iterable[str]) -> bool:
    """Whether an error of that module bears one of the names, given without ``NVML_ERROR_``."""
    code = getattr(error, "value", None)
    return any(code == getattr(nvml, f"NVML_ERROR_{name}", object()) for name in names)


def _in_words(mask: int) -> tuple[str, ...]:
    bits = (1 << position for position in range(mask.bit_length()) if mask >> position & 1)
    return tuple(_REASONS.get(bit, f"reason {bit:#x}") for bit in bits if bit != _IDLE)


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value * unit


def as_text(value: str | bytes | None) -> str | None:
    """Older releases of the module give bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _cuda_version(number: int | None) -> str | None:
    return None if number is None else f"{number // 1000}.{number % 1000 // 10}"
