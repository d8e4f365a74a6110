"""Environments, workloads, records and whole runs, built in one place; a test varies them.

Nothing here loads torch: what stands for a process that measures takes its records from here too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from resprof.answers.bench.results import BenchRow, bench_row, results_of
from resprof.answers.bench.runs import Configuration, configurations, measured_run
from resprof.answers.compare.comparison import ReadRun
from resprof.measure.run import (
    EnergyWindow,
    LaunchEnd,
    LaunchStart,
    MemoryUse,
    Metric,
    Observation,
    Outcome,
    Plan,
    Round,
    StageMemory,
    Stop,
    WarmUp,
)
from resprof.measure.run_file import Record, to_line
from resprof.model.environment import (
    DeviceKind,
    Environment,
    Gpu,
    GpuSettings,
    HostState,
    Machine,
    NvmlReport,
    NvmlState,
    RoundTelemetry,
    Throttled,
    TorchBuild,
)
from resprof.model.recipe import Workload, infer

# Machines.

TORCH = TorchBuild(
    version="2.99",
    cuda="13.0",
    cudnn=91000,
    cpu_capability="AVX2",
    threads=2,
    interop_threads=2,
    tf32_matmul=False,
    tf32_conv=False,
    cudnn_benchmark=False,
)
GPU = Gpu(
    name="a GPU",
    uuid="GPU-1",
    capability="9.0",
    memory_bytes=2**36,
    driver="550.1",
    pci_bus_id="00000000:41:00.0",
)
SETTINGS = GpuSettings(
    name="a GPU",
    uuid="GPU-1",
    pci_bus_id="00000000:41:00.0",
    driver="550.1",
    cuda_driver="13.0",
    memory_bytes=2**36,
    ecc=True,
    mig=False,
    persistence=True,
    compute_mode="default",
    power_limit_w=700.0,
    power_default_w=700.0,
    sm_clock_max_hz=2e9,
    memory_clock_max_hz=2e9,
    processes=0,
)
ON_GPU = Environment(
    date="2026-01-01T00:00:00+00:00",
    resprof="1.0",
    python="CPython 3.11",
    machine=Machine(
        architecture="x86_64",
        cpu_model="a processor",
        cores=2,
        memory_bytes=2**34,
        system="a system",
        kernel="a kernel",
        load=0.5,
    ),
    torch=TORCH,
    gpu=GPU,
    nvml=NvmlReport(state=NvmlState.AVAILABLE, settings=SETTINGS),
)
ON_CPU = replace(ON_GPU, gpu=None, nvml=None)
UNKNOWN_HOST = HostState(
    window_s=0.0,
    busy_share=None,
    stolen_share=None,
    load=None,
    governors=None,
    boost=None,
    cpu_quota_cores=None,
    memory_available_bytes=None,
    swap_used_bytes=None,
    virtual=None,
    thermal_throttles=None,
    nvidia_driver=None,
)
"""A host of which nothing is known gives no warning."""


def environment_of(version: str = "2.99", date: str = ON_CPU.date) -> Environment:
    """The one without a GPU, with that torch and of that date."""
    return with_torch(version, replace(ON_CPU, date=date))


def with_gpu(name: str) -> Environment:
    """The environment with a GPU of that name."""
    return replace(ON_GPU, gpu=replace(GPU, name=name))


def with_torch(version: str, environment: Environment = ON_CPU) -> Environment:
    """The environment with another torch."""
    assert environment.torch is not None
    return replace(environment, torch=replace(environment.torch, version=version))


# Records, as a child would write them.

BATCH = 4
WORKLOAD = Workload(
    model="cifar-resnet8",
    classes=10,
    in_channels=3,
    width=1.0,
    recipe=infer(batch=BATCH, image=(32, 32)),
)


def start(
    workload: Workload = WORKLOAD,
    launch: int = 0,
    *,
    plan: Plan | None = None,
    halved_from: int | None = None,
    load: float | None = None,
) -> LaunchStart:
    return LaunchStart(
        key=workload.text,
        launch=launch,
        workload=workload,
        plan=plan or Plan(target_ci=None),
        date="2026-01-01T00:00:00+00:00",
        load=load,
        halved_from=halved_from,
    )


def latency(
    index: int,
    samples: Sequence[float],
    *,
    workload: Workload = WORKLOAD,
    launch: int = 0,
    issue: Sequence[float] | None = None,
    telemetry: RoundTelemetry | None = None,
    device: DeviceKind = DeviceKind.CPU,
) -> Round:
    return Round(
        key=workload.text,
        launch=launch,
        device=DeviceKind.CUDA if issue else device,
        metric=Metric.LATENCY,
        index=index,
        calls=1,
        samples_s=tuple(samples),
        wall_s=tuple(samples) if issue else None,
        issue_s=tuple(issue) if issue else None,
        telemetry=telemetry,
    )


def throughput(
    index: int,
    calls: int,
    seconds: float,
    *,
    workload: Workload = WORKLOAD,
    launch: int = 0,
    telemetry: RoundTelemetry | None = None,
    device: DeviceKind = DeviceKind.CPU,
) -> Round:
    return Round(
        key=workload.text,
        launch=launch,
        device=device,
        metric=Metric.THROUGHPUT,
        index=index,
        calls=calls,
        samples_s=(seconds,),
        telemetry=telemetry,
    )


def rounds_of(workload: Workload, launch: int, number: int, first: int = 0) -> list[Round]:
    """Rounds of both metrics; a call takes as many ms as the batch has images, and the launch."""
    call_s = 0.001 * (workload.recipe.batch + launch)
    return [
        each
        for index in range(first, first + number)
        for each in (
            latency(index, (call_s,) * 3, workload=workload, launch=launch),
            throughput(index, 10, 10 * call_s, workload=workload, launch=launch),
        )
    ]


def energy(
    calls: int, seconds: float, joules: float, *, key: str = WORKLOAD.text, launch: int = 0
) -> EnergyWindow:
    return EnergyWindow(key=key, launch=launch, calls=calls, seconds=seconds, energy_j=joules)


def end(
    workload: Workload = WORKLOAD,
    launch: int = 0,
    *,
    outcome: Outcome = Outcome.MEASURED,
    message: str | None = None,
    stop: Stop = Stop.ROUNDS_DONE,
    steady: bool = True,
    finite: bool = True,
    first_call_s: float = 0.5,
    memory: MemoryUse | None = None,
    device: DeviceKind = DeviceKind.CPU,
) -> LaunchEnd:
    observed = Observation(
        device=device,
        first_call_s=first_call_s,
        warm_up=WarmUp(samples_s=(0.1,), steady=steady),
        stop=stop,
        outputs_finite=finite,
        memory=memory or MemoryUse(),
    )
    return LaunchEnd(
        key=workload.text,
        launch=launch,
        outcome=outcome,
        message=message,
        observed=observed if outcome is Outcome.MEASURED else None,
    )


def telemetry(
    *,
    seconds: float = 1.0,
    throttled: Sequence[Throttled] | None = None,
    processes: int | None = None,
    sm_clock_hz: float | None = None,
) -> RoundTelemetry:
    return RoundTelemetry(
        seconds=seconds,
        sm_clock_hz=sm_clock_hz,
        memory_clock_hz=None,
        power_w=None,
        temperature_c=None,
        energy_j=None,
        throttled=None if throttled is None else tuple(throttled),
        reasons=None,
        processes=processes,
    )


def configuration(*records: Record) -> Configuration:
    """The only one of the records."""
    (found,) = configurations(records)
    return found


def launch_of(*rounds: Record, plan: Plan | None = None) -> Configuration:
    """One launch that ended well."""
    return configuration(start(plan=plan), *rounds, end())


def row(found: Configuration, metric: Metric = Metric.LATENCY) -> BenchRow:
    """The row of a metric, with no flag that is the whole configuration's."""
    return bench_row(found, metric, ())


# Whole runs.


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """What a launch comes to: seconds per call and, back to back, per call of each round."""

    latencies_s: tuple[float, ...]
    throughputs_s: tuple[float, ...] = ()
    peak_bytes: int | None = 2**20
    energy_per_call_j: float | None = None
    stages: tuple[StageMemory, ...] = ()
    outcome: Outcome = Outcome.MEASURED
    metrics: tuple[Metric, ...] = tuple(Metric)


def steady(call_s: float, rounds: int = 6, spread: float = 0.001, **more: object) -> Launched:
    """A launch whose rounds lie evenly around a time, within that share of it."""
    values = tuple(
        call_s * (1 + spread * (2 * place / (rounds - 1) - 1)) for place in range(rounds)
    )
    return Launched(latencies_s=values, throughputs_s=values, **more)  # type: ignore[arg-type]


def records_of(
    workload: Workload, launches: Sequence[Launched], kind: DeviceKind
) -> Iterator[Record]:
    """Every launch of a workload, one after another."""
    for number, launched in enumerate(launches):
        yield start(
            workload, number, plan=Plan(target_ci=None, metrics=launched.metrics), load=0.25
        )
        for index, seconds in enumerate(launched.latencies_s):
            yield latency(index, (seconds,), workload=workload, launch=number, device=kind)
        for index, seconds in enumerate(launched.throughputs_s):
            yield throughput(index, 10, 10 * seconds, workload=workload, launch=number, device=kind)
        if launched.energy_per_call_j is not None:
            joules = 100 * launched.energy_per_call_j
            yield energy(100, 5.0, joules, key=workload.text, launch=number)
        yield end(
            workload,
            number,
            outcome=launched.outcome,
            message=None if launched.outcome is Outcome.MEASURED else "it did not go well",
            memory=MemoryUse(peak_allocated_bytes=launched.peak_bytes, stages=launched.stages),
            device=kind,
        )


def run_of(
    *configurations: tuple[Workload, Sequence[Launched]], environment: Environment = ON_CPU
) -> tuple[Record, ...]:
    """A run of those configurations."""
    kind = DeviceKind.CPU if environment.gpu is None else DeviceKind.CUDA
    return (
        environment,
        *(
            record
            for each, launches in configurations
            for record in records_of(each, launches, kind)
        ),
    )


def simple(*call_s: float, environment: Environment = ON_CPU, **more: object) -> tuple[Record, ...]:
    """A run of one configuration with a launch for each time."""
    launches = [steady(each, **more) for each in call_s]  # type: ignore[arg-type]
    return run_of((WORKLOAD, launches), environment=environment)


def of(batch: int, model: str = "cifar-resnet8", workload: Workload = WORKLOAD) -> Workload:
    """The workload with another batch or network."""
    return replace(workload, model=model, recipe=replace(workload.recipe, batch=batch))


def as_read(records: Sequence[Record], name: str = "run.jsonl") -> ReadRun:
    """The run as reading it from a file of that name would give it."""
    run = measured_run(records)
    return ReadRun(label=run.label(name), run=run, results=results_of(records))


def written(file: Path, records: Sequence[Record]) -> Path:
    """The file, which holds those records."""
    file.write_text("".join(map(to_line, records)), encoding="utf-8")
    return file
