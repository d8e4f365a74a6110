"""The task of the process that measures one configuration, and emits its records line by line.

It writes its environment, each round when it is taken, and at last how it ended. Networks measured
in one process would bias each other: caches, allocator and clocks keep what the one before left.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import torch

from resprof.codec import from_plain
from resprof.errors import ResprofError, first_line
from resprof.measure import worker
from resprof.measure.clock import Clock, CpuClock
from resprof.measure.cuda import CudaClock
from resprof.measure.device import choose_device, gpu, is_out_of_memory, set_switches, torch_build
from resprof.measure.host import machine_environment
from resprof.measure.memory import (
    measure_memory,
    reset_resident_peak,
    resident_bytes,
    resident_peak_above,
)
from resprof.measure.nvml import Nvml, open_nvml
from resprof.measure.rounds import Emit, run_rounds
from resprof.measure.run import LaunchEnd, Observation, Order, Outcome, Stop, Tiling, WarmUp
from resprof.measure.run_file import Record, to_line
from resprof.measure.subject import Subject, Work, prepare
from resprof.measure.tiles import Tiled
from resprof.model.environment import DeviceKind


def measure(plain: object, write: worker.Emit) -> None:
    """Measures what the order says; the last record tells how it ended."""
    order = from_plain(Order, plain)

    def emit(record: Record) -> None:
        write(to_line(record))

    try:
        _run(order, emit)
    except ResprofError:
        raise
    except Exception as error:
        full = is_out_of_memory(error)
        outcome = Outcome.OUT_OF_MEMORY if full else Outcome.FAILED
        emit(_ended(order, outcome, first_line(error), None))


def _run(order: Order, emit: Emit) -> None:
    recipe = order.workload.recipe
    device = choose_device(order.device)
    kind = DeviceKind(device.type)
    set_switches(recipe)
    found = gpu(kind)
    with open_nvml(found.uuid, found.pci_bus_id) if found else nullcontext() as nvml:
        emit(
            replace(
                machine_environment(),
                torch=torch_build(),
                gpu=found,
                nvml=nvml.report if nvml else None,
            )
        )
        baseline = resident_bytes()
        subject: Subject = worker.named(order.subject)(order.workload)
        work = prepare(subject, recipe, device)
        clock: Clock = CudaClock(device) if kind is DeviceKind.CUDA else CpuClock()
        known = reset_resident_peak()
        first_call_s, warm_up, stop = _measured(order, work, clock, nvml, emit)
        peak = resident_peak_above(baseline) if known and nvml is None else None
        memory = measure_memory(work, recipe, process_peak_bytes=peak)
        if nvml is not None:
            memory = replace(memory, process_peak_bytes=nvml.process_bytes())
        # After the peaks, and without the gradients of the last step: where a training step
        # fits, a forward pass beside its gradients may not.
        work.steps.clear()
        finite = bool(torch.isfinite(work.steps.forward()).all())
        observed = Observation(
            device=kind,
            first_call_s=first_call_s,
            warm_up=warm_up,
            stop=stop,
            outputs_finite=finite,
            memory=memory,
        )
    emit(_ended(order, Outcome.MEASURED, None, observed))


def _measured(
    order: Order, work: Work, clock: Clock, nvml: Nvml | None, emit: Emit
) -> tuple[float, WarmUp, Stop]:
    """The rounds, with telemetry where the device has any."""
    plan = order.plan
    if nvml is not None and nvml.is_slice:
        # The counter is the card's, the images a slice's.
        order = replace(order, plan=replace(plan, energy_s=0.0))
    return run_rounds(
        work.call,
        clock,
        order,
        emit,
        read=nvml.read if nvml else lambda: None,
        instrumented=None if plan.tiling is Tiling.NONE else Tiled(work, plan.tiling),
    )


def _ended(
    order: Order, outcome: Outcome, message: str | None, observed: Observation | None
) -> LaunchEnd:
    return LaunchEnd(
        key=order.workload.text,
        launch=order.launch,
        outcome=outcome,
        message=message,
        observed=observed,
    )
