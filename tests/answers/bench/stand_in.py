"""What tests of a bench share: workloads, a stand-in for the child, who is still running."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resprof.answers.bench import launches
from resprof.measure.launch import run_child
from resprof.measure.run import (
    EnergyWindow,
    LaunchEnd,
    LaunchStart,
    Order,
    Outcome,
    Plan,
    Tile,
    TiledRound,
)
from resprof.measure.run_file import Record
from resprof.model.environment import (
    DeviceKind,
    Environment,
    HostState,
    RoundTelemetry,
    Throttled,
    ThrottlePolicy,
)
from resprof.model.recipe import Phase, Workload
from tests.answers.bench.stand_in_child import end_of
from tests.factories import GPU, UNKNOWN_HOST, environment_of, of, rounds_of

if TYPE_CHECKING:
    import pytest

CHILD = Path(__file__).with_name("stand_in_child.py")
PLAN = Plan(time_limit_s=0.1, energy_s=0.0)
WHOLE = "environment(); rounds(6); measured()"
"""What a child says where nothing is in its way."""


def workload(batch: int = 2, model: str = "cifar-resnet8") -> Workload:
    """A very small network."""
    return of(batch, model)


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
    return UNKNOWN_HOST


def put_in_place(monkeypatch: pytest.MonkeyPatch, child: ScriptedChild) -> None:
    """Lets commands find the child, and a look at the machine that fits it."""
    monkeypatch.setattr(launches, "run_child", child)
    monkeypatch.setattr(launches, "probe_environment", look)
    monkeypatch.setattr(launches, "host_state", quiet)


def on_a_gpu(child: ScriptedChild, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets it say what a child on a GPU would say."""
    here = replace(environment_of(), gpu=GPU)
    monkeypatch.setattr(launches, "probe_environment", lambda device: here)
    child.environment = lambda order: here
    child.rounds = gpu_rounds


def gpu_rounds(workload: Workload, launch: int) -> list[Record]:
    """Rounds with all that a GPU tells beside them, and with tiles and energy."""
    telemetry = RoundTelemetry(
        seconds=1.0,
        sm_clock_hz=1.5e9,
        memory_clock_hz=2e9,
        power_w=600.0,
        temperature_c=60.0,
        energy_j=600.0,
        throttled=(Throttled(policy=ThrottlePolicy.POWER, seconds=0.25),),
        reasons=("power",),
        processes=1,
    )
    clean = [
        replace(
            each,
            device=DeviceKind.CUDA,
            wall_s=each.samples_s,
            issue_s=tuple(0.9 * sample for sample in each.samples_s),
            telemetry=telemetry,
        )
        for each in rounds_of(workload, launch, 6)
    ]
    of_key: dict[str, Any] = {"key": workload.text, "launch": launch}
    stages = ("conv1", "conv2_x", "conv3_x", "conv4_x", "fc")
    tiles = tuple(Tile(phase=Phase.FORWARD, stage=stage) for stage in stages)
    tiled = [
        TiledRound(
            **of_key,
            device=DeviceKind.CUDA,
            index=index,
            tiles=tiles,
            samples_s=((0.001, 0.002, 0.003, 0.004, 0.0001),),
        )
        for index in range(6)
    ]
    windows = [
        EnergyWindow(**of_key, calls=calls, seconds=5.0, energy_j=joules)
        for calls, joules in ((0, 500.0), (1000, 3000.0))
    ]
    return [*clean, *tiled, *windows]
