"""Sorts the raw records of a run by workload and launch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from resprof.records.plan import Metric
from resprof.records.run import (
    EnergyWindow,
    LaunchEnd,
    LaunchStart,
    Observation,
    Outcome,
    Round,
    TiledRound,
)
from resprof.records.run_file import Record


@dataclass(slots=True, kw_only=True)
class Launch:
    """The records of one process; ``energy`` is that of calls, not of the idle device."""

    start: LaunchStart
    rounds: list[Round] = field(default_factory=list)
    tiled: list[TiledRound] = field(default_factory=list)
    energy: list[EnergyWindow] = field(default_factory=list)
    end: LaunchEnd | None = None

    @property
    def outcome(self) -> Outcome:
        """How it ended; one that nobody closed was cut short."""
        return self.end.outcome if self.end else Outcome.CUT_SHORT

    def of(self, metric: Metric) -> list[Round]:
        """The rounds of a metric."""
        return [each for each in self.rounds if each.metric is metric]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A workload and the launches of it that count, in their order.

    Those that ended well; where none did, the last that measured something. ``idle_w`` is the
    device's power with nothing to do, None where it was not measured.
    """

    start: LaunchStart
    launches: tuple[Launch, ...]
    outcome: Outcome
    message: str | None
    idle_w: float | None

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What any of its launches was to measure: a run may be resumed with other metrics."""
        plans = [launch.start.plan for launch in self.launches] or [self.start.plan]
        return tuple(dict.fromkeys(metric for plan in plans for metric in plan.metrics))

    @property
    def images(self) -> int:
        """Images of one call."""
        recipe = self.start.workload.recipe
        return recipe.batch * (recipe.accumulate or 1)

    @property
    def observed(self) -> tuple[Observation, ...]:
        """What the processes said of themselves."""
        ends = (launch.end for launch in self.launches)
        return tuple(end.observed for end in ends if end and end.observed)


def configurations(records: Iterable[Record]) -> tuple[Configuration, ...]:
    """The workloads of a run in the order in which they were first started."""
    launches: dict[str, dict[int, Launch]] = {}
    idle_w = None
    for record in records:
        if isinstance(record, LaunchStart):
            launches.setdefault(record.key, {})[record.launch] = Launch(start=record)
        elif isinstance(record, EnergyWindow) and record.calls == 0:
            idle_w = record.energy_j / record.seconds
        elif isinstance(record, (Round, TiledRound, EnergyWindow, LaunchEnd)):
            launch = launches.get(record.key, {}).get(record.launch)
            if launch is not None:
                _add(launch, record)
    return tuple(_configuration(tuple(each.values()), idle_w) for each in launches.values())


def _add(launch: Launch, record: Round | TiledRound | EnergyWindow | LaunchEnd) -> None:
    match record:
        case Round():
            launch.rounds.append(record)
        case TiledRound():
            launch.tiled.append(record)
        case EnergyWindow():
            launch.energy.append(record)
        case LaunchEnd():
            launch.end = record


def _configuration(launches: tuple[Launch, ...], idle_w: float | None) -> Configuration:
    whole = tuple(each for each in launches if each.outcome is Outcome.MEASURED)
    some = tuple(each for each in launches if each.rounds)
    last = launches[-1]
    return Configuration(
        start=last.start,
        launches=whole or some[-1:],
        outcome=Outcome.MEASURED if whole else last.outcome,
        message=None if whole or last.end is None else last.end.message,
        idle_w=idle_w,
    )
