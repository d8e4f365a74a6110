"""What about a GPU would spoil a measurement, from its settings as NVML tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from resprof.records.doctor import Finding, Severity
from resprof.records.environment import Environment
from resprof.records.telemetry import GpuSettings, NvmlReport, NvmlState

POWER_SLACK_W = 1.0
"""Drivers round limits to whole watts."""


def gpu_findings(environment: Environment) -> Iterator[Finding]:
    """None where no GPU was chosen, or where nobody asked NVML."""
    nvml = environment.nvml
    if environment.gpu is None or nvml is None:
        return
    if nvml.settings is None:
        yield _no_telemetry(nvml)
        return
    for look in _LOOKS:
        found = look(nvml.settings)
        if found is not None:
            yield found


def _no_telemetry(nvml: NvmlReport) -> Finding:
    return Finding(
        code=f"nvml-{nvml.state.replace(' ', '-')}",
        severity=Severity.HIDES,
        message=(
            f"No telemetry: {nvml.message or nvml.state}. {_MORE.get(nvml.state, '')}"
            "Clocks, power, throttling and other processes stay unknown."
        ),
        fix=_NVML_FIXES.get(nvml.state),
    )


_MORE = {
    NvmlState.NO_DRIVER: "CUDA works, so a container lacks the driver's tools. ",
    NvmlState.NO_PERMISSION: "The rights of its device files may say why. ",
}
_NVML_FIXES = {
    NvmlState.NOT_INSTALLED: "pip install nvidia-ml-py",
    NvmlState.NO_DRIVER: "docker run -e NVIDIA_DRIVER_CAPABILITIES=compute,utility",
    NvmlState.NO_PERMISSION: "ls -l /dev/nvidia*",
    NvmlState.NO_MATCH: "nvidia-smi -L",
    NvmlState.FAILED: "nvidia-smi",
}


def _processes(gpu: GpuSettings) -> Finding | None:
    if gpu.processes is None:
        return Finding(
            code="gpu-processes-unknown",
            severity=Severity.HIDES,
            message=(
                "The driver does not tell who else computes on the GPU, as in a container. Look "
                "from outside."
            ),
            fix="nvidia-smi",
        )
    if not gpu.processes:
        return None
    who = (
        "Another process computes"
        if gpu.processes == 1
        else f"{gpu.processes} other processes compute"
    )
    return Finding(
        code="gpu-processes",
        severity=Severity.SPOILS,
        message=f"{who} on the GPU. End what can be ended, or take another device.",
        fix="nvidia-smi",
    )


def _mig(gpu: GpuSettings) -> Finding | None:
    if not gpu.mig:
        return None
    return Finding(
        code="mig",
        severity=Severity.CHANGES,
        message=(
            "MIG is on: a slice of the card is measured, while power, clocks and counters are the "
            "whole card's, other slices' work among them."
        ),
        fix=_smi(gpu, "-mig 0"),
    )


def _power_limit(gpu: GpuSettings) -> Finding | None:
    limit, default = gpu.power_limit_w, gpu.power_default_w
    if limit is None or default is None or limit >= default - POWER_SLACK_W:
        return None
    return Finding(
        code="power-limit",
        severity=Severity.CHANGES,
        message=f"The power limit is {limit:.0f} W, the card's own is {default:.0f} W.",
        fix=_smi(gpu, f"-pl {default:.0f}"),
    )


def _persistence(gpu: GpuSettings) -> Finding | None:
    if gpu.persistence is not False:
        return None
    return Finding(
        code="persistence",
        severity=Severity.CHANGES,
        message=(
            "Persistence mode is off: whenever nothing uses the GPU the driver forgets limits and "
            "clocks that were set, and the next first call is slower."
        ),
        fix=_smi(gpu, "-pm 1"),
    )


def _compute_mode(gpu: GpuSettings) -> Finding | None:
    if gpu.compute_mode is None or gpu.compute_mode == "default":
        return None
    if gpu.compute_mode == "prohibited":
        return Finding(
            code="compute-mode",
            severity=Severity.BLOCKS,
            message="The GPU's compute mode is prohibited: no process may compute on it.",
            fix=_smi(gpu, "-c 0"),
        )
    return Finding(
        code="compute-mode",
        severity=Severity.NOTE,
        message=f"The GPU's compute mode is {gpu.compute_mode}: it takes one process at a time.",
    )


def _ecc(gpu: GpuSettings) -> Finding | None:
    if gpu.ecc is None:
        return None
    return Finding(
        code="ecc",
        severity=Severity.NOTE,
        message=(
            f"ECC is {'on' if gpu.ecc else 'off'}: on cards with GDDR memory it takes bandwidth "
            "and capacity, so compare with the same setting."
        ),
    )


_LOOKS: tuple[Callable[[GpuSettings], Finding | None], ...] = (
    _processes,
    _mig,
    _power_limit,
    _persistence,
    _compute_mode,
    _ecc,
)


def _smi(gpu: GpuSettings, change: str) -> str:
    return f"sudo nvidia-smi -i {gpu.pci_bus_id or gpu.uuid} {change}"
