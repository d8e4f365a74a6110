"""What tests of a bench share: workloads, a stand-in for the child, who is still running."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from resprof.answers.bench import launches
from resprof.measure.launch import run_child
from resprof.measure.run import LaunchEnd, LaunchStart, Order, Outcome, Plan
from resprof.measure.run_file import Record
from resprof.model.environment import Environment, HostState
from resprof.model.recipe import Workload, infer
from tests.answers.bench.stand_in_child import end_of, environment_of, rounds_of

if TYPE_CHECKING:
    import pytest

CHILD = Path(__file__).with_name("stand_in_child.py")
PLAN = Plan(time_limit_s=0.1, energy_s=0.0)
WHOLE = "environment(); rounds(6); measured()"
"""What a child says where nothing is in its way."""


def workload(batch: int = 2, model: str = "cifar-resnet8") -> Workload:
    """A very small network."""
    recipe = infer(batch=batch, image=(32, 32))
    return Workload(model=model, classes=10, in_channels=3, width=1.0, recipe=recipe)


def command(script: str) -> tuple[str, ...]:
    """The command line of a child that does what the script says."""
    return (sys.executable, str(CHILD), script)


def let_children_do(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Puts the stand-in in the place of the real child."""
    monkeypatch.setattr(launches, "run_child", partial(run_child, command=command(script)))


@dataclass
class ScriptedChild:
    """A child within this process: what becomes of an order is a function's answer."""

    becomes: Callable[[Order], Outcome] = lambda _: Outcome.MEASURED
    environment: Callable[[Order], Environment | None] = lambda _: environment_of()
    rounds: Callable[[Workload, int], Sequence[Record]] = lambda each, n: rounds_of(each, n, 6)
    orders: list[Order] = field(default_factory=list)
    limits_s: list[float] = field(default_factory=list)

    def __call__(
        self, order: Order, *, limit_s: float, sink: Callable[[Record], None]
    ) -> LaunchEnd:
        self.orders.append(order)
        self.limits_s.append(limit_s)
        environment, outcome = self.environment(order), self.becomes(order)
        if environment is not None:
            sink(environment)
        if outcome is not Outcome.OUT_OF_MEMORY:
            for each in self.rounds(order.workload, order.launch):
                sink(each)
        return end_of(order.workload, order.launch, outcome)

    @property
    def ran(self) -> list[tuple[int, int]]:
        """Batch and number of each launch."""
        return [(order.workload.recipe.batch, order.launch) for order in self.orders]


def taken(records: Iterable[Record]) -> list[tuple[int, int, Outcome | None]]:
    """Batch, number and end of each launch in the order of their starts; None was never closed."""
    known = tuple(records)
    ends = {(r.key, r.launch): r.outcome for r in known if isinstance(r, LaunchEnd)}
    return [
        (r.workload.recipe.batch, r.launch, ends.get((r.key, r.launch)))
        for r in known
        if isinstance(r, LaunchStart)
    ]


def is_running(pid: int) -> bool:
    """Whether the process is there and no mere entry of one that has ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def ends_soon(pid: int, seconds: float = 10.0) -> bool:
    """Whether the process has ended by then."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not is_running(pid):
            return True
        time.sleep(0.02)
    return False


def look(device: str | None) -> Environment:
    """What the stand-in will say as well."""
    return environment_of()


def quiet() -> HostState:
    """A host of which nothing is known gives no warning."""
    return HostState(
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
