"""A run file's records by workload and launch, as a run that can be compared, or why it cannot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from resprof.answers.environment import device_name
from resprof.errors import UsageError, printable
from resprof.measure.run import (
    EnergyWindow,
    LaunchEnd,
    LaunchStart,
    MemoryUse,
    Metric,
    Observation,
    Outcome,
    Round,
    TiledRound,
)
from resprof.measure.run_file import Record
from resprof.model.environment import DeviceKind, Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDevice:
    """What ran; figures of two devices are never called faster or slower than each other."""

    kind: DeviceKind
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLabel:
    """A run by the file that the user named, and what tells it from another of its kind.

    ``date`` is that of its last environment, ``load`` the highest one-minute load average at the
    start of a launch, ``launches`` are all that were started.
    """

    name: str
    date: str
    device: RunDevice
    torch: str | None
    driver: str | None
    load: float | None
    launches: int


@dataclass(slots=True, kw_only=True)
class Launch:
    """The records of one process; ``energy`` is that of calls, not of the idle device.

    ``environment`` is the last that it came to say itself, None where nobody said any.
    """

    start: LaunchStart
    environment: Environment | None = None
    rounds: list[Round] = field(default_factory=list)
    tiled: list[TiledRound] = field(default_factory=list)
    energy: list[EnergyWindow] = field(default_factory=list)
    end: LaunchEnd | None = None

    @property
    def outcome(self) -> Outcome:
        """How it ended; one that nobody closed was cut short."""
        return self.end.outcome if self.end else Outcome.CUT_SHORT

    def rounds_of(self, metric: Metric) -> list[Round]:
        """The rounds of a metric."""
        return [each for each in self.rounds if each.metric is metric]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A workload and the launches of it that count, in their order.

    Those that ended well; where none did, the last that measured something. ``message`` is the
    last word of a process that ended badly. ``idle_w`` is the device's power with nothing to do,
    None where it was not measured. ``environment`` is that of the last launch that counts, or of
    the last that was tried where none does.
    """

    start: LaunchStart
    launches: tuple[Launch, ...]
    outcome: Outcome
    message: str | None
    idle_w: float | None
    environment: Environment | None

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

    def rounds(self, metric: Metric) -> list[list[Round]]:
        """The rounds of a metric by launch, launches without any left out."""
        return [rounds for each in self.launches if (rounds := each.rounds_of(metric))]

    @property
    def observed(self) -> tuple[Observation, ...]:
        """What the processes said of themselves."""
        ends = (launch.end for launch in self.launches)
        return tuple(end.observed for end in ends if end and end.observed)

    @property
    def memory(self) -> MemoryUse:
        """The memory of one call, in the first process that got to its end."""
        return next((each.memory for each in self.observed), MemoryUse())


def configurations(records: Iterable[Record]) -> tuple[Configuration, ...]:
    """The workloads of a run in the order in which they were first started."""
    launches, idle_w = _launches(records)
    by_key: dict[str, list[Launch]] = {}
    for launch in launches:
        by_key.setdefault(launch.start.key, []).append(launch)
    return tuple(_configuration(each, idle_w) for each in by_key.values())


def _launches(records: Iterable[Record]) -> tuple[tuple[Launch, ...], float | None]:
    """The launches in the order in which they were first started, and the device's idle power."""
    launches: dict[tuple[str, int], Launch] = {}
    environment, idle_w = None, None
    for record in records:
        if isinstance(record, Environment):
            environment = record
        elif isinstance(record, LaunchStart):
            launches[record.key, record.launch] = Launch(start=record, environment=environment)
        else:
            if isinstance(record, EnergyWindow) and record.calls == 0:
                idle_w = record.energy_j / record.seconds
            if (launch := launches.get((record.key, record.launch))) is not None:
                launch.environment = environment
                _add(launch, record)
    return tuple(launches.values()), idle_w


def _add(launch: Launch, record: Round | TiledRound | EnergyWindow | LaunchEnd) -> None:
    match record:
        case Round():
            launch.rounds.append(record)
        case TiledRound():
            launch.tiled.append(record)
        case EnergyWindow() if record.calls:
            launch.energy.append(record)
        case LaunchEnd():
            launch.end = record


def _configuration(launches: Sequence[Launch], idle_w: float | None) -> Configuration:
    whole = tuple(each for each in launches if each.outcome is Outcome.MEASURED)
    some = tuple(each for each in launches if each.rounds)
    last = launches[-1]
    counting = whole or some[-1:]
    return Configuration(
        start=last.start,
        launches=counting,
        outcome=Outcome.MEASURED if whole else last.outcome,
        message=None if whole or last.end is None else last.end.message,
        idle_w=idle_w,
        environment=(counting or launches)[-1].environment,
    )


_SHORTEST_S, _LONGEST_S = 1e-12, 1e12
"""No call takes less or more; beyond, sums and rates overflow."""
_MOST_CALLS = 10**12
_DAMAGED = "resprof bench does not write such a file; measure again"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRun:
    """What a run holds; ``environments`` are all that its launches were taken in, each once."""

    device: RunDevice
    starts: tuple[LaunchStart, ...]
    environments: tuple[Environment, ...]
    configurations: tuple[Configuration, ...]

    @property
    def environment(self) -> Environment:
        """That of the last samples."""
        return self.environments[-1]

    def label(self, name: str) -> RunLabel:
        """The run as its figures are labelled."""
        environment = self.environment
        torch, gpu = environment.torch, environment.gpu
        return RunLabel(
            name=name,
            date=environment.date,
            device=self.device,
            torch=torch.version if torch else None,
            driver=gpu.driver if gpu else None,
            load=max((each.load for each in self.starts if each.load is not None), default=None),
            launches=len(self.starts),
        )


def measured_run(records: Sequence[Record]) -> MeasuredRun:
    """Sorts the records of a run.

    Raises ``UsageError`` for a run in which nothing was tried, for records that precede their
    environment or belong to no launch, for what is there twice, for times that are none, and for
    a run of two devices.
    """
    starts = tuple(record for record in records if isinstance(record, LaunchStart))
    if not starts:
        raise UsageError("nothing was measured in this run", hint="measure with: resprof bench")
    _refuse_strays(records)
    _refuse_twice(records)
    for record in records:
        _refuse_impossible(record)
    found = configurations(records)
    _refuse_namesakes(found)
    launches, _ = _launches(records)
    return MeasuredRun(
        device=_device(launches),
        starts=starts,
        environments=_environments(launches),
        configurations=found,
    )


def device_of(environment: Environment) -> RunDevice:
    """The GPU where there is one, or else the CPU."""
    kind = DeviceKind.CPU if environment.gpu is None else DeviceKind.CUDA
    return RunDevice(kind=kind, name=device_name(environment))


def _refuse_strays(records: Iterable[Record]) -> None:
    """Every launch has its environment before it, and its start before all else that is its."""
    started: set[tuple[str, int]] = set()
    has_environment = False
    for record in records:
        if isinstance(record, Environment):
            has_environment = True
            continue
        if not has_environment:
            raise UsageError(
                "samples come before the environment that they were taken in", hint=_DAMAGED
            )
        if isinstance(record, LaunchStart):
            started.add((record.key, record.launch))
        elif (record.key, record.launch) not in started:
            raise UsageError(
                f"a record belongs to launch {record.launch} of {printable(record.key)}, which "
                "never started",
                hint=_DAMAGED,
            )


def _refuse_twice(records: Iterable[Record]) -> None:
    """Several launches of a workload are no duplicates; a launch or a round that recurs is one."""
    seen: set[tuple[object, ...]] = set()
    for record in records:
        match record:
            case LaunchStart() | LaunchEnd():
                mark: tuple[object, ...] = (type(record), record.key, record.launch)
            case Round():
                mark = (Round, record.key, record.launch, record.metric, record.index)
            case TiledRound():
                mark = (TiledRound, record.key, record.launch, record.index)
            case _:
                continue
        if mark in seen:
            raise UsageError(
                f"launch {mark[2]} of {printable(str(mark[1]))} appears twice",
                hint="use one file per run: two runs in one file cannot be separated",
            )
        seen.add(mark)


def _refuse_namesakes(found: Iterable[Configuration]) -> None:
    workloads: set[object] = set()
    for each in found:
        if each.start.workload in workloads:
            raise UsageError(
                f"configuration {printable(each.start.workload.text)} appears under two names",
                hint=_DAMAGED,
            )
        workloads.add(each.start.workload)


def _refuse_impossible(record: Record) -> None:
    match record:
        case Round():
            possible = 1 <= record.calls <= _MOST_CALLS and _are_times(record.samples_s)
        case TiledRound():
            possible = bool(record.samples_s) and all(
                len(call) == len(record.tiles) and _are_times(call) for call in record.samples_s
            )
        case EnergyWindow():
            energy = 0 <= record.energy_j <= _LONGEST_S
            possible = 0 <= record.calls <= _MOST_CALLS and _are_times([record.seconds]) and energy
        case _:
            return
    if not possible:
        raise UsageError(
            f"a time of {printable(record.key)} is out of range, or has no calls", hint=_DAMAGED
        )


def _are_times(seconds: Sequence[float]) -> bool:
    """Whether there are times and each is possible; NaN is not."""
    return bool(seconds) and all(_SHORTEST_S <= each <= _LONGEST_S for each in seconds)


def _environments(launches: Sequence[Launch]) -> tuple[Environment, ...]:
    """Those in which a round was taken; without any the last, of which less may be known."""
    sampled = [each for each in launches if each.rounds or each.tiled] or launches[-1:]
    return tuple(dict.fromkeys(each.environment for each in sampled if each.environment))


def _device(launches: Sequence[Launch]) -> RunDevice:
    """The one device of a run; a launch that measured nothing may not have come to name it."""
    devices: dict[RunDevice, None] = {}
    for launch in launches:
        if launch.environment is None:
            continue
        kinds = {each.device for each in launch.rounds} | {each.device for each in launch.tiled}
        for kind in kinds:
            device = device_of(launch.environment)
            if device.kind is not kind:
                raise UsageError(
                    f"a round was measured on {kind}, but its environment describes {device.kind}",
                    hint=_DAMAGED,
                )
            devices[device] = None
    if len(devices) > 1:
        first, second, *_ = devices
        raise UsageError(
            f"the run has measurements of two devices, {printable(first.name)} and "
            f"{printable(second.name)}",
            hint="use one run file per device",
        )
    return next(iter(devices), None) or device_of(_environments(launches)[-1])
