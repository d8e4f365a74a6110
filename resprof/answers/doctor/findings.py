"""What about a machine would spoil a measurement, from what is known of it before the first sample.

A fact that is unknown gives no finding, save where not knowing is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from resprof.errors import SEE_TORCH
from resprof.measure.host import host_state
from resprof.measure.probe import probe
from resprof.model.environment import (
    Environment,
    GpuSettings,
    HostState,
    NvmlReport,
    NvmlState,
    TorchBuild,
)
from resprof.units import format_bytes, format_percent


class Severity(StrEnum):
    """What a finding does to a measurement, the worst first, with the effect in words."""

    effect: str

    def __new__(cls, value: str, effect: str) -> Severity:
        """A severity is its value, and knows its effect."""
        severity = str.__new__(cls, value)
        severity._value_ = value
        severity.effect = effect
        return severity

    BLOCKS = ("blocks", "nothing can be measured, or nothing on the GPU")
    SPOILS = ("spoils", "samples scatter or drift")
    CHANGES = (
        "changes",
        ("results are steady, but differ from those of a machine with other settings"),
    )
    HIDES = ("hides", "noise may go unnoticed")
    NOTE = ("note", "worth knowing when you compare results")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about this machine; ``code`` is stable, for programs.

    ``fix`` is what a user can type, None where there is nothing to type.
    """

    code: str
    severity: Severity
    message: str
    fix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorResult:
    """The findings, the worst first; ``failure`` says why torch or the GPU could not be asked."""

    rows: tuple[Finding, ...]
    host: HostState
    failure: str | None


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
    for check in _CHECKS:
        finding = check(nvml.settings)
        if finding is not None:
            yield finding


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
    NvmlState.NO_DRIVER: "CUDA works, so the container is missing the driver's tools. ",
    NvmlState.NO_PERMISSION: "Check the permissions of its device files. ",
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
                "The driver does not list other processes on the GPU, as is usual in a "
                "container. Check from the host."
            ),
            fix="nvidia-smi",
        )
    if not gpu.processes:
        return None
    who = (
        "Another process is computing"
        if gpu.processes == 1
        else f"{gpu.processes} other processes are computing"
    )
    return Finding(
        code="gpu-processes",
        severity=Severity.SPOILS,
        message=f"{who} on the GPU. Stop what you can, or use another device.",
        fix="nvidia-smi",
    )


def _mig(gpu: GpuSettings) -> Finding | None:
    if not gpu.mig:
        return None
    return Finding(
        code="mig",
        severity=Severity.CHANGES,
        message=(
            "MIG is on: a slice of the card is measured, but power, clocks and counters are "
            "those of the whole card, including the work of other slices."
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
        message=f"The power limit is {limit:.0f} W; the card's default is {default:.0f} W.",
        fix=_smi(gpu, f"-pl {default:.0f}"),
    )


def _persistence(gpu: GpuSettings) -> Finding | None:
    if gpu.persistence is not False:
        return None
    return Finding(
        code="persistence",
        severity=Severity.CHANGES,
        message=(
            "Persistence mode is off: whenever no process uses the GPU, the driver forgets the "
            "limits and clocks that were set, and the next first call is slower."
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
        message=f"The GPU's compute mode is {gpu.compute_mode}: it allows one process at a time.",
    )


def _ecc(gpu: GpuSettings) -> Finding | None:
    if gpu.ecc is None:
        return None
    return Finding(
        code="ecc",
        severity=Severity.NOTE,
        message=(
            f"ECC is {('on' if gpu.ecc else 'off')}: on cards with GDDR memory it costs "
            "bandwidth and capacity, so compare only runs with the same setting."
        ),
    )


_CHECKS: tuple[Callable[[GpuSettings], Finding | None], ...] = (
    _processes,
    _mig,
    _power_limit,
    _persistence,
    _compute_mode,
    _ecc,
)


def _smi(gpu: GpuSettings, change: str) -> str:
    return f"sudo nvidia-smi -i {gpu.pci_bus_id or gpu.uuid} {change}"


BUSY_SHARE = 0.1
"""With a tenth of the cores' time taken, work still finds an idle core; with more it may not."""
STOLEN_SHARE = 0.02
"""A hypervisor that takes less hides in the scatter that a virtual machine has anyway."""
LOAD_PER_CORE = 0.5
"""Stands in for the busy share where that is unknown; half the cores may merely wait for a disk."""
LEAST_MEMORY_BYTES = 2 * 2**30
"""torch with CUDA takes more than 1 GiB before the first tensor; below, the kernel reclaims."""
SWAPPED_BYTES = 256 * 2**20
"""Less is what any system swaps out of services that sleep."""

_SEE_CUDA = "python -c \"import torch; torch.zeros(1, device='cuda')\""


def findings(environment: Environment, host: HostState) -> tuple[Finding, ...]:
    """Everything found, the worst first."""
    found = [*_torch(environment, host), *gpu_findings(environment), *_host(environment, host)]
    rank = list(Severity)
    return tuple(sorted(found, key=lambda finding: rank.index(finding.severity)))


def _torch(environment: Environment, host: HostState) -> Iterator[Finding]:
    build = environment.torch
    if build is None:
        yield Finding(
            code="torch-missing",
            severity=Severity.BLOCKS,
            message="This Python could not import torch.",
            fix=SEE_TORCH,
        )
        return
    if environment.gpu is None and _driver_is_there(environment.nvml, host):
        yield _cuda_missing(build)
    cores = environment.machine.cores
    if cores is not None and build.threads > cores:
        yield Finding(
            code="threads",
            severity=Severity.SPOILS,
            message=f"torch runs {build.threads} threads on {_cores(cores)}, so they wait for "
            "each other.",
            fix=f"export OMP_NUM_THREADS={cores}",
        )


def _driver_is_there(nvml: NvmlReport | None, host: HostState) -> bool:
    """Whether a GPU could be had; None for NVML is a measurement that asks for none."""
    return nvml is not None and (
        host.nvidia_driver is not None or nvml.state in {NvmlState.AVAILABLE, NvmlState.NO_MATCH}
    )


def _cuda_missing(build: TorchBuild) -> Finding:
    if build.cuda is None:
        return Finding(
            code="torch-without-cuda",
            severity=Severity.BLOCKS,
            message=(
                f"An NVIDIA driver is loaded, but torch {build.version} was built without CUDA. "
                "See pytorch.org/get-started for a build with CUDA."
            ),
        )
    return Finding(
        code="cuda-unavailable",
        severity=Severity.BLOCKS,
        message=(
            f"An NVIDIA driver is loaded, but torch {build.version} for CUDA {build.cuda} sees no "
            "device: the driver may be too old for it, or CUDA_VISIBLE_DEVICES may hide it."
        ),
        fix=_SEE_CUDA,
    )


def _host(environment: Environment, host: HostState) -> Iterator[Finding]:
    cores = environment.machine.cores
    yield from _cpu_time(cores, host)
    yield from _cpu_clock(host)
    yield from _memory(host)
    if host.cpu_quota_cores is not None and cores is not None and host.cpu_quota_cores < cores:
        yield Finding(
            code="cpu-quota",
            severity=Severity.SPOILS,
            message=(
                f"A control group limits this process to {host.cpu_quota_cores:g} of "
                f"{_cores(cores)}: threads that exceed the quota are paused until the next "
                "period."
            ),
            fix=f"export OMP_NUM_THREADS={max(int(host.cpu_quota_cores), 1)}",
        )
    if host.virtual:
        yield Finding(
            code="virtual-machine",
            severity=Severity.NOTE,
            message="This is a virtual machine: load from other guests is invisible here.",
        )


def _cpu_time(cores: int | None, host: HostState) -> Iterator[Finding]:
    if host.busy_share is not None:
        if host.busy_share > BUSY_SHARE:
            yield Finding(
                code="cpu-busy",
                severity=Severity.SPOILS,
                message=(
                    f"The cores were {format_percent(host.busy_share, 0)} busy before anything "
                    "was measured. Stop what is running, or wait until it finishes."
                ),
                fix="top",
            )
    elif host.load is not None and cores and host.load / cores > LOAD_PER_CORE:
        yield Finding(
            code="cpu-load",
            severity=Severity.SPOILS,
            message=f"The load average is {host.load:g} on {_cores(cores)}.",
            fix="top",
        )
    if host.stolen_share is not None and host.stolen_share > STOLEN_SHARE:
        yield Finding(
            code="cpu-stolen",
            severity=Severity.SPOILS,
            message=(
                f"The hypervisor gave {format_percent(host.stolen_share, 0)} of the cores' time "
                "to other guests. Only dedicated cores help."
            ),
        )


def _cpu_clock(host: HostState) -> Iterator[Finding]:
    others = [name for name in host.governors or () if name != "performance"]
    if others:
        yield Finding(
            code="governor",
            severity=Severity.CHANGES,
            message=(
                f"The CPU's frequency governor is {' and '.join(others)}: clocks vary with load "
                "and power saving."
            ),
            fix="sudo cpupower frequency-set -g performance",
        )
    if host.boost is False:
        yield Finding(
            code="boost-off",
            severity=Severity.CHANGES,
            message="The CPU's boost clocks are off: results are steady, but slower than the CPU "
            "can be.",
        )
    if host.thermal_throttles:
        yield Finding(
            code="cpu-heat",
            severity=Severity.NOTE,
            message=(
                f"The CPU has throttled {host.thermal_throttles:,} times because of heat since "
                "the system started."
            ),
        )


def _memory(host: HostState) -> Iterator[Finding]:
    free = host.memory_available_bytes
    if free is not None and free < LEAST_MEMORY_BYTES:
        yield Finding(
            code="memory-low",
            severity=Severity.SPOILS,
            message=f"Only {format_bytes(free)} of memory is free, so the system may evict pages "
            "and read them again.",
            fix="top -o %MEM",
        )
    if host.swap_used_bytes is not None and host.swap_used_bytes > SWAPPED_BYTES:
        yield Finding(
            code="swap",
            severity=Severity.NOTE,
            message=(
                f"{format_bytes(host.swap_used_bytes)} is swapped out: its first use waits for "
                "the disk."
            ),
        )


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"


def examine() -> tuple[Environment, DoctorResult]:
    """The environment that a measurement would have, and what was found; takes seconds."""
    # First, while nothing of ours runs.
    host = host_state()
    probed = probe(None)
    result = DoctorResult(
        rows=findings(probed.environment, host), host=host, failure=probed.failure
    )
    return probed.environment, result
