"""What the measuring process does beside the rounds, run in this one."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import repeat
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from resprof.answers.bench.launches import SUBJECT
from resprof.answers.bench.subject import subject
from resprof.measure import child
from resprof.measure.clock import Call, CpuClock, Timing
from resprof.measure.nvml import Nvml
from resprof.measure.rounds import run_rounds
from resprof.measure.run import EnergyWindow, LaunchEnd, Order, Outcome, Plan, Round
from resprof.measure.run_file import Record
from resprof.measure.subject import prepare
from resprof.model.environment import GpuReading
from resprof.model.recipe import Workload, train
from resprof.networks.step import Steps
from tests.measure.scripted import ScriptedClock

PLAN = Plan(least_rounds=1, round_s=0.001, round_calls=1, warm_up_calls=1, warm_up_s=0.0)
WORKLOAD = Workload(
    model="cifar-resnet8",
    classes=10,
    in_channels=3,
    width=1.0,
    recipe=train(batch=2, image=(32, 32)),
)
ORDER = Order(
    workload=WORKLOAD,
    subject=SUBJECT,
    device="cpu",
    plan=replace(PLAN, target_ci=None, energy_s=0.0),
)


def test_the_last_forward_pass_stands_beside_no_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a training step just fits, a forward pass beside its gradients does not."""
    gradients: list[bool] = []
    forward = Steps.forward

    def watched(steps: Steps, *arguments: Any) -> Any:
        gradients.append(any(each.grad is not None for each in steps.model.parameters()))
        return forward(steps, *arguments)

    monkeypatch.setattr(Steps, "forward", watched)
    records: list[Record] = []
    child._run(ORDER, records.append)
    assert gradients
    assert not any(gradients)
    (end,) = (each for each in records if isinstance(each, LaunchEnd))
    assert end.outcome is Outcome.MEASURED
    assert end.observed is not None
    assert end.observed.outputs_finite


@pytest.mark.parametrize(("is_slice", "windows"), [(False, 2), (True, 0)])
def test_the_joules_of_a_whole_card_are_not_those_of_a_slice(is_slice: bool, windows: int) -> None:
    nvml = SimpleNamespace(read=reading, is_slice=is_slice)
    order = replace(ORDER, plan=replace(ORDER.plan, energy_s=0.01), idle=True)
    work = prepare(subject(WORKLOAD), WORKLOAD.recipe, torch.device("cpu"))
    records: list[Record] = []
    child._measured(order, work, CpuClock(), cast("Nvml", nvml), records.append)
    assert sum(isinstance(each, EnergyWindow) for each in records) == windows
    assert any(isinstance(each, Round) for each in records)


def reading() -> GpuReading:
    return GpuReading(
        at_s=time.monotonic(),
        sm_clock_hz=None,
        memory_clock_hz=None,
        power_w=None,
        temperature_c=None,
        energy_j=100 * time.monotonic(),
        throttled=None,
        reasons=None,
        processes=None,
    )


def test_energy_is_read_over_as_many_calls_as_go_back_to_back() -> None:
    """However long single calls take."""

    class Slow(ScriptedClock):
        def one(self, call: Call) -> Timing:
            call()
            return Timing(seconds=10 * self._passed(1))

    plan = replace(PLAN, target_ci=None, energy_s=5.0)
    records: list[Record] = []
    order = replace(ORDER, plan=plan)
    run_rounds(lambda: None, Slow(repeat(0.5)), order, records.append, read=reading)
    (window,) = (each for each in records if isinstance(each, EnergyWindow))
    assert window.calls == 10
