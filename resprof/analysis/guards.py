"""What about a machine would spoil a measurement, from what is known of it before the first sample.

A fact that is unknown gives no finding, save where not knowing is one.
"""

from __future__ import annotations

from collections.abc import Iterator

from resprof.analysis.gpu_guards import gpu_findings
from resprof.records.doctor import Finding, Severity
from resprof.records.environment import Environment, TorchBuild
from resprof.records.host import HostState
from resprof.records.telemetry import NvmlReport, NvmlState
from resprof.units import format_bytes, format_percent

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

_SEE_TORCH = 'python -c "import torch"'
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
            message="torch could not be loaded by this Python.",
            fix=_SEE_TORCH,
        )
        return
    if environment.gpu is None and _driver_is_there(environment.nvml, host):
        yield _cuda_missing(build)
    cores = environment.machine.cores
    if cores is not None and build.threads > cores:
        yield Finding(
            code="threads",
            severity=Severity.SPOILS,
            message=f"torch runs {build.threads} threads on {_cores(cores)}; they wait in turns.",
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
                "pytorch.org/get-started names the builds that have it."
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
                f"A control group grants {host.cpu_quota_cores:g} of {_cores(cores)}: threads that "
                "use them up are halted until its next period."
            ),
            fix=f"export OMP_NUM_THREADS={max(int(host.cpu_quota_cores), 1)}",
        )
    if host.virtual:
        yield Finding(
            code="virtual-machine",
            severity=Severity.NOTE,
            message="This is a virtual machine: what its neighbours do is out of sight.",
        )


def _cpu_time(cores: int | None, host: HostState) -> Iterator[Finding]:
    if host.busy_share is not None:
        if host.busy_share > BUSY_SHARE:
            yield Finding(
                code="cpu-busy",
                severity=Severity.SPOILS,
                message=(
                    f"The cores were {format_percent(host.busy_share, 0)} busy before anything was "
                    "measured. End what runs, or wait for it."
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
                f"The hypervisor gave {format_percent(host.stolen_share, 0)} of the cores' time to "
                "others. Only a machine with cores of its own helps."
            ),
        )


def _cpu_clock(host: HostState) -> Iterator[Finding]:
    others = [name for name in host.governors or () if name != "performance"]
    if others:
        yield Finding(
            code="governor",
            severity=Severity.CHANGES,
            message=(
                f"The CPU's frequency governor is {' and '.join(others)}: clocks follow the load "
                "and the battery."
            ),
            fix="sudo cpupower frequency-set -g performance",
        )
    if host.boost is False:
        yield Finding(
            code="boost-off",
            severity=Severity.CHANGES,
            message="The CPU's boost clocks are switched off: steady, and slower than it can be.",
        )
    if host.thermal_throttles:
        yield Finding(
            code="cpu-heat",
            severity=Severity.NOTE,
            message=(
                f"Heat has lowered the CPU's clock {host.thermal_throttles:,} times since the "
                "system started."
            ),
        )


def _memory(host: HostState) -> Iterator[Finding]:
    free = host.memory_available_bytes
    if free is not None and free < LEAST_MEMORY_BYTES:
        yield Finding(
            code="memory-low",
            severity=Severity.SPOILS,
            message=f"Only {format_bytes(free)} of memory are free: pages are fetched again.",
            fix="top -o %MEM",
        )
    if host.swap_used_bytes is not None and host.swap_used_bytes > SWAPPED_BYTES:
        yield Finding(
            code="swap",
            severity=Severity.NOTE,
            message=(
                f"{format_bytes(host.swap_used_bytes)} are swapped out: whoever touches them first "
                "waits for the disk."
            ),
        )


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"
