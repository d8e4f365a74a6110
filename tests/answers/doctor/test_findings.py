"""What is said of a machine: each fact alone, thresholds from both sides, nothing of unknowns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resprof.answers.doctor.findings import (
    BUSY_SHARE,
    LEAST_MEMORY_BYTES,
    STOLEN_SHARE,
    SWAPPED_BYTES,
    Finding,
    Severity,
    findings,
)
from resprof.model.environment import Environment, HostState, NvmlReport, NvmlState
from tests.factories import GPU, ON_GPU, SETTINGS, TORCH, UNKNOWN_HOST

HOST = HostState(
    window_s=0.2,
    busy_share=0.01,
    stolen_share=0.0,
    load=0.1,
    governors=("performance",),
    boost=True,
    cpu_quota_cores=None,
    memory_available_bytes=64 * 2**30,
    swap_used_bytes=0,
    virtual=False,
    thermal_throttles=0,
    nvidia_driver=None,
)
H100 = replace(
    SETTINGS,
    name="NVIDIA H100 80GB HBM3",
    driver="580.159.04",
    memory_bytes=80 * 2**30,
    ecc=None,
    sm_clock_max_hz=1.98e9,
    memory_clock_max_hz=2.619e9,
)
MACHINE = replace(
    ON_GPU,
    machine=replace(ON_GPU.machine, cores=8, memory_bytes=128 * 2**30, load=0.1),
    gpu=replace(GPU, name=H100.name, memory_bytes=80 * 2**30, driver=H100.driver),
    nvml=NvmlReport(state=NvmlState.AVAILABLE, settings=H100),
)
LAPTOP = replace(
    MACHINE,
    torch=replace(TORCH, cuda=None, cudnn=None),
    gpu=None,
    nvml=NvmlReport(state=NvmlState.NO_DRIVER, message="the NVML library is missing"),
)


def with_gpu(**changes: object) -> Environment:
    settings = replace(H100, **changes)  # type: ignore[arg-type]
    return replace(MACHINE, nvml=NvmlReport(state=NvmlState.AVAILABLE, settings=settings))


def only(environment: Environment, host: HostState = HOST) -> Finding:
    (finding,) = findings(environment, host)
    assert "\n" not in finding.message
    assert finding.message.endswith((".", "!"))
    return finding


def test_a_quiet_machine_has_no_findings() -> None:
    assert findings(MACHINE, HOST) == ()
    assert findings(LAPTOP, HOST) == ()


def test_what_is_unknown_is_no_finding() -> None:
    assert findings(LAPTOP, UNKNOWN_HOST) == ()
    nothing = dict.fromkeys(("ecc", "mig", "persistence", "compute_mode", "power_limit_w"))
    assert findings(with_gpu(**nothing), UNKNOWN_HOST) == ()
    assert findings(with_gpu(power_default_w=None, power_limit_w=100.0), UNKNOWN_HOST) == ()
    unknown_cores = replace(MACHINE, machine=replace(MACHINE.machine, cores=None))
    assert findings(unknown_cores, replace(HOST, cpu_quota_cores=1.0)) == ()


def test_without_torch_nothing_can_be_measured() -> None:
    finding = only(replace(LAPTOP, torch=None))
    assert (finding.code, finding.severity) == ("torch-missing", Severity.BLOCKS)
    assert finding.fix == 'python -c "import torch"'


@pytest.mark.parametrize(
    ("report", "driver", "there"),
    [
        (NvmlReport(state=NvmlState.NO_DRIVER), None, False),
        (NvmlReport(state=NvmlState.NOT_INSTALLED), None, False),
        (NvmlReport(state=NvmlState.NOT_INSTALLED), "580.65.06", True),
        (NvmlReport(state=NvmlState.NO_MATCH), None, True),
        # A measurement that was asked for on the CPU.
        (None, "580.65.06", False),
    ],
)
def test_a_driver_without_cuda_in_torch_is_found(
    report: NvmlReport | None, driver: str | None, there: bool
) -> None:
    host = replace(HOST, nvidia_driver=driver)
    found = findings(replace(LAPTOP, nvml=report), host)
    assert [finding.code for finding in found] == ["torch-without-cuda"] * there
    found = findings(replace(LAPTOP, nvml=report, torch=TORCH), host)
    assert [finding.code for finding in found] == ["cuda-unavailable"] * there


def test_more_threads_than_cores_wait_for_each_other() -> None:
    finding = only(replace(MACHINE, torch=replace(TORCH, threads=16)))
    assert finding.severity is Severity.SPOILS
    assert finding.fix == "export OMP_NUM_THREADS=8"
    assert findings(replace(MACHINE, torch=replace(TORCH, threads=1)), HOST) == ()


@pytest.mark.parametrize(
    ("state", "fix"),
    [
        (NvmlState.NOT_INSTALLED, "pip install nvidia-ml-py"),
        (NvmlState.NO_DRIVER, "docker run -e NVIDIA_DRIVER_CAPABILITIES=compute,utility"),
        (NvmlState.NO_PERMISSION, "ls -l /dev/nvidia*"),
        (NvmlState.NOT_SUPPORTED, None),
        (NvmlState.NO_MATCH, "nvidia-smi -L"),
        (NvmlState.FAILED, "nvidia-smi"),
    ],
)
def test_a_gpu_without_telemetry_hides_what_spoils(state: NvmlState, fix: str | None) -> None:
    report = NvmlReport(state=state, message="in its own words")
    finding = only(replace(MACHINE, nvml=report))
    assert finding.severity is Severity.HIDES
    assert finding.code == f"nvml-{state.replace(' ', '-')}"
    assert "in its own words" in finding.message
    assert finding.fix == fix


def test_a_gpu_that_nobody_asked_nvml_about_is_no_finding() -> None:
    assert findings(replace(MACHINE, nvml=None), HOST) == ()


@pytest.mark.parametrize(
    ("environment", "code", "severity", "fix"),
    [
        (with_gpu(processes=1), "gpu-processes", Severity.SPOILS, "nvidia-smi"),
        (with_gpu(processes=3), "gpu-processes", Severity.SPOILS, "nvidia-smi"),
        (with_gpu(processes=None), "gpu-processes-unknown", Severity.HIDES, "nvidia-smi"),
        (
            with_gpu(mig=True),
            "mig",
            Severity.CHANGES,
            "sudo nvidia-smi -i 00000000:41:00.0 -mig 0",
        ),
        (
            with_gpu(power_limit_w=400.0),
            "power-limit",
            Severity.CHANGES,
            "sudo nvidia-smi -i 00000000:41:00.0 -pl 700",
        ),
        (
            with_gpu(persistence=False, pci_bus_id=None),
            "persistence",
            Severity.CHANGES,
            "sudo nvidia-smi -i GPU-1 -pm 1",
        ),
        (
            with_gpu(compute_mode="prohibited"),
            "compute-mode",
            Severity.BLOCKS,
            "sudo nvidia-smi -i 00000000:41:00.0 -c 0",
        ),
        (with_gpu(compute_mode="exclusive process"), "compute-mode", Severity.NOTE, None),
        (with_gpu(ecc=True), "ecc", Severity.NOTE, None),
        (with_gpu(ecc=False), "ecc", Severity.NOTE, None),
    ],
)
def test_each_setting_of_a_gpu(
    environment: Environment, code: str, severity: Severity, fix: str | None
) -> None:
    finding = only(environment)
    assert (finding.code, finding.severity, finding.fix) == (code, severity, fix)


def test_a_power_limit_that_is_rounded_or_raised_is_not_lowered() -> None:
    assert findings(with_gpu(power_limit_w=699.5), HOST) == ()
    assert findings(with_gpu(power_limit_w=750.0), HOST) == ()


@pytest.mark.parametrize(
    ("host", "code", "severity"),
    [
        (replace(HOST, busy_share=BUSY_SHARE + 0.01), "cpu-busy", Severity.SPOILS),
        (replace(HOST, busy_share=None, load=4.5), "cpu-load", Severity.SPOILS),
        (replace(HOST, stolen_share=STOLEN_SHARE + 0.01), "cpu-stolen", Severity.SPOILS),
        (replace(HOST, governors=("performance", "powersave")), "governor", Severity.CHANGES),
        (replace(HOST, boost=False), "boost-off", Severity.CHANGES),
        (replace(HOST, thermal_throttles=1), "cpu-heat", Severity.NOTE),
        (replace(HOST, cpu_quota_cores=1.5), "cpu-quota", Severity.SPOILS),
        (
            replace(HOST, memory_available_bytes=LEAST_MEMORY_BYTES - 1),
            "memory-low",
            Severity.SPOILS,
        ),
        (replace(HOST, swap_used_bytes=SWAPPED_BYTES + 1), "swap", Severity.NOTE),
        (replace(HOST, virtual=True), "virtual-machine", Severity.NOTE),
    ],
)
def test_each_fact_of_the_host(host: HostState, code: str, severity: Severity) -> None:
    for environment in (MACHINE, LAPTOP):
        finding = only(environment, host)
        assert (finding.code, finding.severity) == (code, severity)


@pytest.mark.parametrize(
    "host",
    [
        replace(HOST, busy_share=BUSY_SHARE),
        replace(HOST, busy_share=BUSY_SHARE, load=100.0),
        replace(HOST, busy_share=None, load=4.0),
        replace(HOST, stolen_share=STOLEN_SHARE),
        replace(HOST, cpu_quota_cores=8.0),
        replace(HOST, memory_available_bytes=LEAST_MEMORY_BYTES),
        replace(HOST, swap_used_bytes=SWAPPED_BYTES),
    ],
)
def test_below_a_threshold_nothing_is_said(host: HostState) -> None:
    assert findings(MACHINE, host) == ()


def test_a_quota_of_less_than_a_core_leaves_a_thread() -> None:
    assert only(MACHINE, replace(HOST, cpu_quota_cores=0.5)).fix == "export OMP_NUM_THREADS=1"


def test_the_worst_comes_first() -> None:
    worst = replace(
        with_gpu(
            ecc=True, processes=2, persistence=False, compute_mode="prohibited", power_limit_w=1.0
        )
    )
    found = findings(worst, replace(HOST, virtual=True, busy_share=1.0))
    ranks = [list(Severity).index(finding.severity) for finding in found]
    assert ranks == sorted(ranks)
    assert found[0].severity is Severity.BLOCKS
    assert len(found) == 7


def test_no_fix_is_longer_than_a_terminal_is_wide() -> None:
    every = [
        *findings(
            with_gpu(
                processes=2,
                mig=True,
                persistence=False,
                compute_mode="prohibited",
                power_limit_w=1.0,
            ),
            replace(
                HOST,
                busy_share=1.0,
                governors=("powersave",),
                memory_available_bytes=0,
                cpu_quota_cores=1.0,
            ),
        ),
        *findings(replace(LAPTOP, torch=TORCH), replace(HOST, nvidia_driver="1.0")),
    ]
    for state in NvmlState:
        every += findings(replace(MACHINE, nvml=NvmlReport(state=state)), HOST)
    assert len({finding.code for finding in every}) > 12
    assert max(len(finding.fix or "") + len(finding.code) + 2 for finding in every) <= 80
