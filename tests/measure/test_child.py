"""What the measuring process does beside the rounds, run in this one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from resprof.jobs.launches import SUBJECT
from resprof.measure import child
from resprof.measure.rounds import Taken
from resprof.measure.sink import RoundSink
from resprof.records.environment import DeviceKind
from resprof.records.plan import Metric, Order, Plan
from resprof.records.recipe import Workload, train
from resprof.records.run import LaunchEnd, Outcome
from resprof.records.run_file import Record
from resprof.steps.steps import Steps

if TYPE_CHECKING:
    import pytest

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


def test_energy_is_read_over_as_many_calls_as_go_back_to_back() -> None:
    sink = RoundSink(ORDER, DeviceKind.CPU, None, lambda: None, lambda _: None)

    def taken(metric: Metric, calls: int, *samples_s: float) -> Taken:
        return Taken(
            metric=metric, index=0, calls=calls, samples_s=samples_s, wall_s=None, issue_s=None
        )

    sink.keep(taken(Metric.THROUGHPUT, 10, 5.0))
    sink.keep(taken(Metric.LATENCY, 1, 1.0, 1.0))
    assert sink.call_s == 0.5
