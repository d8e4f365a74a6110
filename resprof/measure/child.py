"""The process that measures one configuration: an order on stdin, records on stdout, line by line.

``python -m resprof.measure.child``. It writes its environment, each round when it is taken, and at
last a result whose statistics are left to the parent. Networks measured in one process would bias
each other: caches, allocator and clocks keep what the one before left.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import TextIO

import torch

from resprof.errors import ResprofError
from resprof.measure.clock import Clock, CpuClock
from resprof.measure.cuda import CudaClock
from resprof.measure.device import (
    choose_device,
    gpu,
    is_out_of_memory,
    set_switches,
    torch_build,
)
from resprof.measure.environment import machine_environment
from resprof.measure.memory import (
    measure_memory,
    reset_resident_peak,
    resident_bytes,
    resident_peak_above,
)
from resprof.measure.plan import Order
from resprof.measure.rounds import Taken, run_rounds
from resprof.measure.subject import SEED, Subject, prepare
from resprof.records.decode import from_plain
from resprof.records.environment import DeviceKind
from resprof.records.recipe import Mode, Workload
from resprof.records.run import (
    Observation,
    Outcome,
    Record,
    Result,
    Round,
    to_line,
)

Emit = Callable[[Record], None]


def main() -> int:
    """Runs the order on stdin; the exit code is that of the error, 0 without one."""
    out = _private_stdout()

    def emit(record: Record) -> None:
        out.write(to_line(record))
        out.flush()

    order = from_plain(Order, json.load(sys.stdin))
    try:
        _run(order, emit)
    except ResprofError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        emit(_result(order, None, Outcome.OUT_OF_MEMORY, _first_line(error), None))
    return 0


def _private_stdout() -> TextIO:
    """Keeps stdout for records: what a library prints goes to stderr."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def _run(order: Order, emit: Emit) -> None:
    recipe, key = order.workload.recipe, order.workload.text
    kind = choose_device(order.device)
    device = torch.device(kind.value)
    set_switches(recipe)
    emit(replace(machine_environment(), torch=torch_build(), gpu=gpu(kind)))

    baseline = resident_bytes()
    torch.manual_seed(SEED)
    subject = _load(order.subject)(order.workload)
    work = prepare(subject, recipe, device)
    clock: Clock = CudaClock(device) if kind is DeviceKind.CUDA else CpuClock()

    def keep(taken: Taken) -> None:
        emit(
            Round(
                key=key,
                device=kind,
                metric=taken.metric,
                index=taken.index,
                calls=taken.calls,
                samples_s=taken.samples_s,
                wall_s=taken.wall_s,
            )
        )

    with torch.inference_mode() if recipe.mode is Mode.INFER else nullcontext():
        known = reset_resident_peak()
        course = run_rounds(work.call, clock, order.plan, keep)
        process_peak = resident_peak_above(baseline) if known else None
        observation = Observation(
            device=kind,
            first_call_s=course.first_call_s,
            warm_up=course.warm_up,
            stop=course.stop,
            outputs_finite=bool(torch.isfinite(work.call()).all()),
            memory=measure_memory(work, subject.stages, process_peak_bytes=process_peak),
        )
    emit(_result(order, kind, Outcome.MEASURED, None, observation))


def _load(name: str) -> Callable[[Workload], Subject]:
    module, _, function = name.partition(":")
    found: Callable[[Workload], Subject] = getattr(importlib.import_module(module), function)
    return found


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _result(
    order: Order,
    kind: DeviceKind | None,
    outcome: Outcome,
    message: str | None,
    observed: Observation | None,
) -> Result:
    return Result(
        key=order.workload.text,
        workload=order.workload,
        device=kind,
        outcome=outcome,
        message=message,
        latency=None,
        throughput=None,
        observed=observed,
        flags=(),
    )


if __name__ == "__main__":
    sys.exit(main())
