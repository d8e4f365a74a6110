"""Records of a run as a child would write them, with the figures that a test is about."""

from __future__ import annotations

from collections.abc import Sequence

from resprof.answers.bench.results import BenchRow, bench_row
from resprof.answers.bench.runs import Configuration, configurations
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
    Stop,
    WarmUp,
)
from resprof.measure.run_file import Record
from resprof.model.environment import DeviceKind, RoundTelemetry, Throttled
from resprof.model.recipe import Workload, infer

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
) -> LaunchStart:
    return LaunchStart(
        key=workload.text,
        launch=launch,
        workload=workload,
        plan=plan or Plan(target_ci=None),
        date="2026-01-01T00:00:00+00:00",
        load=None,
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
) -> Round:
    return Round(
        key=workload.text,
        launch=launch,
        device=DeviceKind.CUDA if issue else DeviceKind.CPU,
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
) -> Round:
    return Round(
        key=workload.text,
        launch=launch,
        device=DeviceKind.CPU,
        metric=Metric.THROUGHPUT,
        index=index,
        calls=calls,
        samples_s=(seconds,),
        telemetry=telemetry,
    )


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
) -> LaunchEnd:
    observed = Observation(
        device=DeviceKind.CPU,
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
