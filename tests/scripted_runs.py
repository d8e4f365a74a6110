"""Whole runs as records, with the times that a test is about, on devices that there may not be."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from resprof.answers.bench.results import results_of
from resprof.answers.bench.runs import measured_run
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
from resprof.model.environment import DeviceKind, Environment
from resprof.model.recipe import Workload
from tests.answers.test_environments import FULL
from tests.run_records import WORKLOAD
from tests.stats.simulation import durations, simulate

ON_CPU = replace(FULL, gpu=None, nvml=None)
ON_GPU = FULL


def with_gpu(name: str) -> Environment:
    """The environment with a GPU of that name."""
    assert FULL.gpu is not None
    return replace(FULL, gpu=replace(FULL.gpu, name=name))


def with_torch(version: str, environment: Environment = ON_CPU) -> Environment:
    """The environment with another torch."""
    assert environment.torch is not None
    return replace(environment, torch=replace(environment.torch, version=version))


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


def noisy(seed: int, *, mean_s: float, noise: float, between: float = 0.0) -> Launched:
    """A launch taken by the measuring loop on a scripted clock, its mean off by ``between``."""
    mean_s *= 1 + between * random.Random(f"between {seed}").gauss()
    found = simulate(durations(seed, noise=noise, mean_s=mean_s))
    return Launched(
        latencies_s=found.medians_s, throughputs_s=tuple(1 / rate for rate in found.rates)
    )


def records_of(
    workload: Workload, launches: Sequence[Launched], kind: DeviceKind
) -> Iterator[Record]:
    """Every launch of a workload, one after another."""
    for number, launched in enumerate(launches):
        yield LaunchStart(
            key=workload.text,
            launch=number,
            workload=workload,
            plan=Plan(target_ci=None, metrics=launched.metrics),
            date="2026-01-01T00:00:00+00:00",
            load=0.25,
        )
        yield from _rounds(workload, number, launched, kind)
        if launched.energy_per_call_j is not None:
            yield EnergyWindow(
                key=workload.text,
                launch=number,
                calls=100,
                seconds=5.0,
                energy_j=100 * launched.energy_per_call_j,
            )
        yield _end(workload, number, launched, kind)


def _rounds(
    workload: Workload, number: int, launched: Launched, kind: DeviceKind
) -> Iterator[Round]:
    for metric, times, calls in (
        (Metric.LATENCY, launched.latencies_s, 1),
        (Metric.THROUGHPUT, launched.throughputs_s, 10),
    ):
        for index, seconds in enumerate(times):
            yield Round(
                key=workload.text,
                launch=number,
                device=kind,
                metric=metric,
                index=index,
                calls=calls,
                samples_s=(calls * seconds,),
            )


def _end(workload: Workload, number: int, launched: Launched, kind: DeviceKind) -> LaunchEnd:
    observed = Observation(
        device=kind,
        first_call_s=0.5,
        warm_up=WarmUp(samples_s=(0.01,), steady=True),
        stop=Stop.ROUNDS_DONE,
        outputs_finite=True,
        memory=MemoryUse(peak_allocated_bytes=launched.peak_bytes, stages=launched.stages),
    )
    well = launched.outcome is Outcome.MEASURED
    return LaunchEnd(
        key=workload.text,
        launch=number,
        outcome=launched.outcome,
        message=None if well else "it did not go well",
        observed=observed if well else None,
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
