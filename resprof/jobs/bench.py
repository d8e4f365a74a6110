"""Measures workloads, one child process each, and joins the rounds to results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from resprof.analysis.statistics import interval_flags, latency, throughput
from resprof.catalog.networks import resolve
from resprof.errors import UsageError
from resprof.measure.environment import machine_environment
from resprof.measure.launch import Ending, run_child
from resprof.measure.plan import Order, Plan
from resprof.records.architecture import Architecture
from resprof.records.environment import DeviceKind, Environment
from resprof.records.recipe import (
    Checkpoint,
    Engine,
    MemoryFormat,
    Mode,
    Precision,
    Recipe,
    Workload,
)
from resprof.records.run import Flag, Outcome, Record, Result, Round, RunFile

_SUBJECT = "resprof.jobs.bench_subject:subject"
"""By name: what it needs loads torch, and only the child process does that."""
Progress = Callable[[int, int, Workload], None]
"""Told before a configuration starts: how many are done, how many there are, which one it is.

Nothing is told while a child measures: drawing would take time from it.
"""

GRACE_S = 60.0
"""What a child may take beside the measurement: starting, building, settling, tracing memory."""


def silent(done: int, total: int, workload: Workload) -> None:
    """Reports no progress."""


def measure(
    workloads: Sequence[Workload],
    *,
    device: DeviceKind | None = None,
    run_file: Path | None = None,
    progress: Progress = silent,
    plan: Plan | None = None,
    time_limit_s: float = 60.0,
    grace_s: float = GRACE_S,
    subject: str = _SUBJECT,
) -> tuple[Result, ...]:
    """Measures the workloads in their order; all are checked before the first one runs.

    ``device`` None is CUDA where there is any. ``time_limit_s`` is per configuration; a child that
    takes ``grace_s`` longer is ended and recorded as hung. Every record is appended to
    ``run_file`` as it comes, so an interrupt loses the round in flight and nothing else.

    Raises ``UsageError`` for a recipe that cannot be measured yet, ``EnvironmentMissing`` where
    the device is not there.
    """
    if not time_limit_s > 0:
        raise UsageError("the time limit is not positive", hint="give seconds, such as 60")
    for workload in workloads:
        _refuse_unsupported(workload)
        architecture_of(workload)
    chosen = replace(plan or Plan(), time_limit_s=time_limit_s)
    results = []
    with RunFile(run_file) if run_file else nullcontext() as file:
        for done, workload in enumerate(workloads):
            progress(done, len(workloads), workload)
            order = Order(workload=workload, subject=subject, device=device, plan=chosen)
            sink = file.append if file else _nowhere
            results.append(_measure_one(order, time_limit_s + grace_s, sink))
    return tuple(results)


def _measure_one(order: Order, limit_s: float, write: Callable[[Record], None]) -> Result:
    rounds: list[Round] = []
    seen: list[Environment] = []

    def sink(record: Record) -> None:
        write(record)
        if isinstance(record, Round):
            rounds.append(record)
        elif isinstance(record, Environment):
            seen.append(record)

    ending = run_child(order, limit_s=limit_s, sink=sink)
    if not seen:  # it died before it could say where it ran
        write(machine_environment())
    result = _joined(order.workload, ending, rounds)
    write(result)
    return result


def _joined(workload: Workload, ending: Ending, rounds: Sequence[Round]) -> Result:
    """The result of a configuration from how its child ended and what it measured before."""
    own = ending.result
    outcome, message = Outcome.HUNG if ending.hung else Outcome.FAILED, ending.message
    if own is not None:
        outcome, message = own.outcome, own.message
    found_latency = latency(rounds)
    found_throughput = throughput(rounds, workload.recipe.batch)
    observed = own.observed if own else None
    flags: tuple[Flag, ...] = ()
    if found_latency or found_throughput:
        flags = interval_flags(
            *([found_latency.interval_s] if found_latency else []),
            *([found_throughput.interval_images_per_s] if found_throughput else []),
        )
        flags += (Flag.ONE_PROCESS,)
    if observed:
        flags += () if observed.warm_up.steady else (Flag.NOT_STEADY,)
        flags += () if observed.outputs_finite else (Flag.NOT_FINITE,)
    device = rounds[0].device if rounds else None
    return Result(
        key=workload.text,
        workload=workload,
        device=observed.device if observed else device,
        outcome=outcome,
        message=message,
        latency=found_latency,
        throughput=found_throughput,
        observed=observed,
        flags=flags,
    )


def workload_of(architecture: Architecture, recipe: Recipe) -> Workload:
    """The architecture and the recipe by name, as a child process is told."""
    return Workload(
        model=architecture.id,
        classes=architecture.classes,
        in_channels=architecture.in_channels,
        width=architecture.width,
        recipe=recipe,
    )


def architecture_of(workload: Workload) -> Architecture:
    """The network of a workload, at its image size."""
    return resolve(
        workload.model,
        image=workload.recipe.image,
        classes=workload.classes,
        in_channels=workload.in_channels,
        width=workload.width,
    )


def _refuse_unsupported(workload: Workload) -> None:
    recipe = workload.recipe
    supported = {
        "precision": recipe.precision is Precision.FP32,
        "memory format": recipe.memory_format is MemoryFormat.CONTIGUOUS,
        "engine": recipe.engine is Engine.EAGER,
        "checkpoint": recipe.checkpoint in {None, Checkpoint.NONE},
        "accumulate": recipe.accumulate in {None, 1},
        "optimizer": (recipe.optimizer is None) is (recipe.mode is Mode.INFER),
    }
    for what, fine in supported.items():
        if not fine:
            raise UsageError(
                f"this {what} cannot be measured yet: {workload.text}",
                hint="measured so far: fp32, contiguous, eager, no checkpointing, accumulate 1",
            )


def _nowhere(record: Record) -> None:
    """Keeps nothing."""
