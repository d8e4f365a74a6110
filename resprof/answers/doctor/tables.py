"""The tables of `resprof doctor`: the machine, what was found, what to type."""

from __future__ import annotations

from collections.abc import Iterator

from resprof.answers.doctor.findings import DoctorResult, Severity
from resprof.model.environment import (
    Environment,
    GpuSettings,
    HostState,
    Machine,
    NvmlReport,
    NvmlState,
    TorchBuild,
)
from resprof.render.answer import Answer
from resprof.render.table import Column, Form, Table, tabulate
from resprof.units import UNKNOWN, format_bytes, format_percent

_CODE = Column(key="code", title="finding")
_SEVERITY = Column(key="severity", title="effect")
_MESSAGE = Column(key="message", title="description", form=Form.PROSE)
_FIX = Column(key="fix", title="command", form=Form.CODE)


def doctor_tables(environment: Environment, result: DoctorResult) -> list[Table]:
    """The machine, what was found, and what to type where anything helps."""
    found = [row.severity for row in result.rows]
    mended = [row for row in result.rows if row.fix]
    tables = [_machine_table(environment, result)]
    if result.rows:
        effects = (f"{each}: {each.effect}" for each in Severity if each in found)
        tables.append(
            tabulate(
                (_CODE, _SEVERITY, _MESSAGE),
                result.rows,
                name="found",
                title="What makes benchmarks noisy here",
                subtitle="; ".join(effects),
            )
        )
    if mended:
        tables.append(tabulate((_CODE, _FIX), mended, name="fixes", title="How to fix it"))
    return tables


def findings_table(result: DoctorResult) -> Table:
    """A row for each finding with all that is known of it, for programs."""
    return tabulate(
        (_CODE, _SEVERITY, _MESSAGE, _FIX),
        result.rows,
        name="findings",
        title="What makes benchmarks noisy here",
    )


def _machine_table(environment: Environment, result: DoctorResult) -> Table:
    return tabulate(
        (
            Column(key="about", title="about", value=lambda fact: fact[0]),
            Column(key="value", title="value", form=Form.PROSE, value=lambda fact: fact[1]),
        ),
        _facts(environment, result),
        name="machine",
        title="This machine",
        subtitle=f"{environment.date}, resprof {environment.resprof or UNKNOWN}",
        notes=() if result.rows else ("Found nothing that makes benchmarks noisy.",),
    )


def _facts(environment: Environment, result: DoctorResult) -> Iterator[tuple[str, str]]:
    machine, host, gpu = environment.machine, result.host, environment.gpu
    yield "CPU", _cpu(machine)
    yield "CPU now", _cpu_now(host)
    yield "memory", _memory(machine, host)
    yield "system", f"{machine.system}, {machine.kernel}{_virtual(host)}"
    yield "Python", environment.python
    yield "torch", _torch(environment.torch, result.failure)
    if gpu is not None:
        yield (
            "GPU",
            f"{gpu.name}, {format_bytes(gpu.memory_bytes)}, compute capability {gpu.capability}",
        )
    else:
        yield (
            "GPU",
            ("unknown, because torch is missing")
            if environment.torch is None
            else "none visible to torch",
        )
    if environment.torch is not None and result.failure is not None:
        yield "GPU check", result.failure
    settings = None if environment.nvml is None else environment.nvml.settings
    yield "driver", _driver(settings) or host.nvidia_driver or "no NVIDIA driver loaded"
    yield "telemetry", _telemetry(environment.nvml)
    if settings is not None:
        yield "GPU now", ", ".join(_settings(settings))


def _cpu(machine: Machine) -> str:
    cores = machine.cores
    count = "unknown cores" if cores is None else "1 core" if cores == 1 else f"{cores} cores"
    return f"{machine.cpu_model or 'unknown model'}, {count}, {machine.architecture}"


def _cpu_now(host: HostState) -> str:
    parts = [] if host.busy_share is None else [f"{format_percent(host.busy_share, 0)} busy"]
    if host.stolen_share:
        parts.append(f"{format_percent(host.stolen_share, 0)} stolen")
    if host.load is not None:
        parts.append(f"load {host.load:g}")
    parts.append(f"governor {' and '.join(host.governors) if host.governors else 'unknown'}")
    parts.append(f"boost {_switch(host.boost)}")
    if host.cpu_quota_cores is not None:
        parts.append(f"quota {host.cpu_quota_cores:g} cores")
    return ", ".join(parts)


def _memory(machine: Machine, host: HostState) -> str:
    parts = [] if machine.memory_bytes is None else [format_bytes(machine.memory_bytes)]
    if host.memory_available_bytes is not None:
        parts.append(f"{format_bytes(host.memory_available_bytes)} available")
    if host.swap_used_bytes:
        parts.append(f"{format_bytes(host.swap_used_bytes)} swapped out")
    return ", ".join(parts) or "unknown"


def _virtual(host: HostState) -> str:
    return ", a virtual machine" if host.virtual else ""


def _torch(build: TorchBuild | None, failure: str | None) -> str:
    if build is None:
        return f"not loaded: {failure}" if failure else "not loaded"
    cudnn = "" if build.cudnn is None else f", cuDNN {_cudnn(build.cudnn)}"
    cuda = f"CUDA {build.cuda}{cudnn}" if build.cuda else "built without CUDA"
    threads = "1 thread" if build.threads == 1 else f"{build.threads} threads"
    return f"{build.version}, {cuda}, {build.cpu_capability}, {threads}"


def _cudnn(number: int) -> str:
    """The version in a number such as 91100 or, before 9, 8902."""
    major, rest = divmod(number, 10_000 if number >= 90_000 else 1_000)
    return f"{major}.{rest // 100}.{rest % 100}"


def _driver(gpu: GpuSettings | None) -> str | None:
    if gpu is None or gpu.driver is None:
        return None
    return f"{gpu.driver}, up to CUDA {gpu.cuda_driver}" if gpu.cuda_driver else gpu.driver


def _telemetry(report: NvmlReport | None) -> str:
    if report is None:
        return "not asked"
    if report.state is NvmlState.AVAILABLE:
        return "available"
    return f"{report.state}: {report.message}" if report.message else report.state.value


def _settings(gpu: GpuSettings) -> Iterator[str]:
    if gpu.power_limit_w is not None:
        of = "" if gpu.power_default_w is None else f" of {gpu.power_default_w:.0f} W"
        yield f"power limit {gpu.power_limit_w:.0f} W{of}"
    if gpu.sm_clock_max_hz is not None:
        yield f"SM clock up to {gpu.sm_clock_max_hz / 1e6:.0f} MHz"
    yield f"persistence {_switch(gpu.persistence)}"
    yield f"ECC {_switch(gpu.ecc)}"
    yield f"MIG {_switch(gpu.mig)}"
    yield f"compute mode {gpu.compute_mode or 'unknown'}"
    yield (
        "other processes unknown"
        if gpu.processes is None
        else f"{gpu.processes} other processes"
        if gpu.processes != 1
        else "1 other process"
    )


def _switch(on: bool | None) -> str:
    return "unknown" if on is None else "on" if on else "off"


def doctor_answer(environment: Environment, result: DoctorResult) -> Answer[DoctorResult]:
    """The machine, and what was found on it."""
    return Answer(
        command="doctor",
        results=(result,),
        environment=environment,
        tables=lambda: doctor_tables(environment, result),
        sheets=lambda: [findings_table(result)],
    )
