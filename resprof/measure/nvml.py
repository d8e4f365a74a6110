"""GPU telemetry through NVML, behind the only door to pynvml.

NVML's index is not CUDA's: a device is found by its UUID or PCI address, or there is no telemetry.
Nothing here ever stops a measurement; what a driver does not tell is None.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from resprof.measure.nvml_device import Device, as_text, holds_cuda_context, is_error, pci_address
from resprof.model.environment import GpuReading, NvmlReport, NvmlState, RoundTelemetry, Throttled

_ABSENT = ("NOT_FOUND", "INVALID_ARGUMENT")
"""What NVML says of a name that is none of its devices'."""
_STATES = {
    "LIBRARY_NOT_FOUND": (
        NvmlState.NO_DRIVER,
        "the NVML library is missing; it comes with the NVIDIA driver",
    ),
    "DRIVER_NOT_LOADED": (NvmlState.NO_DRIVER, "the NVIDIA driver is not loaded"),
    "NO_PERMISSION": (NvmlState.NO_PERMISSION, "this user has no permission to use NVML"),
    "NOT_SUPPORTED": (NvmlState.NOT_SUPPORTED, "the driver does not offer NVML for this device"),
    "LIB_RM_VERSION_MISMATCH": (
        NvmlState.FAILED,
        "NVML's library and the loaded driver are of different versions; a restart fixes that",
    ),
}


def open_nvml(
    uuid: str | None,
    pci_bus_id: str | None = None,
    *,
    load: Callable[[], Any] | None = None,
    holds_context: Callable[[], bool | None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Nvml:
    """Opens telemetry for the CUDA device of that UUID or PCI address; never raises.

    ``load`` gives the module pynvml, ``holds_context`` says whether this process has a context on
    the device; both are passed by tests only.
    """
    try:
        return _open(uuid, pci_bus_id, (load or _load)(), holds_context, clock)
    except ImportError:
        message = "the Python module pynvml is not installed; nvidia-ml-py provides it"
        return Nvml(NvmlReport(state=NvmlState.NOT_INSTALLED, message=message))
    except Exception as error:  # a package that is broken or very old may raise anything
        message = f"NVML failed: {type(error).__name__}: {error}"
        return Nvml(NvmlReport(state=NvmlState.FAILED, message=message))


def _load() -> Any:
    import pynvml

    return pynvml


def _open(
    uuid: str | None,
    pci_bus_id: str | None,
    nvml: Any,
    holds_context: Callable[[], bool | None] | None,
    clock: Callable[[], float],
) -> Nvml:
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return Nvml(_refusal(nvml, error))
    try:
        handle, through_mig = _find(nvml, uuid, pci_bus_id)
    except _NotFound as not_found:
        _shut_down(nvml)
        return Nvml(not_found.report)
    device = Device(nvml, handle, holds_context or holds_cuda_context, clock)
    settings = device.settings(matched_by=uuid or "", through_mig=through_mig)
    return Nvml(NvmlReport(state=NvmlState.AVAILABLE, settings=settings), device)


class Nvml:
    """One device's telemetry; ``report`` says whether there is any, and if not, why."""

    def __init__(self, report: NvmlReport, device: Device | None = None) -> None:
        self.report = report
        self._device = device

    def read(self) -> GpuReading | None:
        """The device's state now; None where there is no telemetry."""
        return None if self._device is None else self._device.read()

    @property
    def is_slice(self) -> bool:
        """Whether CUDA runs on a part of the card, of which NVML tells as a whole."""
        return self.report.settings is not None and bool(self.report.settings.mig)

    def process_bytes(self) -> int | None:
        """What this process holds of the device's memory; None where the driver does not tell."""
        return None if self._device is None else self._device.process_bytes()

    def close(self) -> None:
        """Lets go of NVML; readings are None from then on."""
        device, self._device = self._device, None
        if device is not None:
            _shut_down(device.nvml)

    def __enter__(self) -> Nvml:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def between(before: GpuReading | None, after: GpuReading | None) -> RoundTelemetry | None:
    """What lies between two readings; None without both.

    A counter that fell has started anew in between (the driver was loaded again): the difference
    is unknown. Drivers advance counters in steps of about 0.1 s, so throttled seconds may exceed
    those of a short round, and an energy counter that stood still has not been brought up to date.
    """
    if before is None or after is None:
        return None
    return RoundTelemetry(
        seconds=after.at_s - before.at_s,
        sm_clock_hz=after.sm_clock_hz,
        memory_clock_hz=after.memory_clock_hz,
        power_w=after.power_w,
        temperature_c=after.temperature_c,
        energy_j=_energy(before.energy_j, after.energy_j),
        throttled=_risen(before.throttled, after.throttled),
        reasons=after.reasons,
        processes=after.processes,
    )


def _energy(before: float | None, after: float | None) -> float | None:
    if before is None or after is None or after <= before:
        return None
    return after - before


def _risen(
    before: tuple[Throttled, ...] | None, after: tuple[Throttled, ...] | None
) -> tuple[Throttled, ...] | None:
    start = {counter.policy: counter.seconds for counter in before or ()}
    risen = tuple(
        Throttled(policy=counter.policy, seconds=counter.seconds - start[counter.policy])
        for counter in after or ()
        if counter.policy in start and counter.seconds >= start[counter.policy]
    )
    return risen or None


class _NotFound(Exception):
    def __init__(self, report: NvmlReport) -> None:
        super().__init__(report.message)
        self.report = report


def _find(nvml: Any, uuid: str | None, pci_bus_id: str | None) -> tuple[Any, bool]:
    """The device's handle, and whether it was found as the parent of a MIG device."""
    refused: NvmlReport | None = None
    for ask, name in _names(nvml, uuid, pci_bus_id):
        try:
            handle = ask(name)
        except nvml.NVMLError as error:
            if not is_error(nvml, error, _ABSENT):
                refused = refused or _refusal(nvml, error)
            continue
        return _whole(nvml, handle) if name.startswith("MIG-") else (handle, False)
    if refused is None:
        wanted = " or ".join(name for name in (uuid, pci_bus_id) if name)
        message = f"NVML lists {_listed(nvml)}; " + (
            f"none is called {wanted}" if wanted else "CUDA names none of them"
        )
        refused = NvmlReport(state=NvmlState.NO_MATCH, message=message)
    raise _NotFound(refused)


def _listed(nvml: Any) -> str:
    """The devices that there are, for a message only."""
    try:
        count = nvml.nvmlDeviceGetCount()
        names = [
            as_text(nvml.nvmlDeviceGetName(nvml.nvmlDeviceGetHandleByIndex(index)))
            for index in range(count)
        ]
    except nvml.NVMLError:
        return "devices without their names"
    return ", ".join(name or "" for name in names) or "no device"


def _names(
    nvml: Any, uuid: str | None, pci_bus_id: str | None
) -> Iterable[tuple[Callable[[str], Any], str]]:
    if uuid is not None:
        # CUDA gives the bare number, under MIG that of the instance; NVML tells them apart by a
        # prefix.
        bare = uuid.removeprefix("GPU-").removeprefix("MIG-")
        for name in dict.fromkeys((uuid, f"GPU-{bare}", f"MIG-{bare}")):
            yield nvml.nvmlDeviceGetHandleByUUID, name
    address = normal_pci(pci_bus_id)
    if address is not None:
        yield nvml.nvmlDeviceGetHandleByPciBusId, address


def normal_pci(text: str | None) -> str | None:
    """A PCI address as NVML writes it, whether its domain came with four digits, eight or none."""
    hexadecimal = r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})(?:\.[0-7])?"
    found = re.fullmatch(hexadecimal, (text or "").strip().lower())
    if found is None:
        return None
    domain, bus, device = (int(part or "0", 16) for part in found.groups())
    return pci_address(domain, bus, device)


def _whole(nvml: Any, handle: Any) -> tuple[Any, bool]:
    """The card of a MIG device: power, clocks and counters are the card's."""
    try:
        return nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle), True
    except (nvml.NVMLError, AttributeError):
        return handle, True


def _refusal(nvml: Any, error: Exception) -> NvmlReport:
    for name, (state, message) in _STATES.items():
        if is_error(nvml, error, (name,)):
            return NvmlReport(state=state, message=message)
    return NvmlReport(state=NvmlState.FAILED, message=f"NVML failed: {error}")


def _shut_down(nvml: Any) -> None:
    with suppress(nvml.NVMLError):
        nvml.nvmlShutdown()
