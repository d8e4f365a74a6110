"""Measures workloads launch by launch, one process after another, into a run file.

Launches go round: the first of every workload, then the second of every workload. Slow changes of
the machine then reach all of them alike, and whenever it ends there is something of each.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from resprof.answers.bench.results import BenchResult, results_of, with_prediction
from resprof.answers.bench.runs import measured_run
from resprof.answers.doctor.findings import Finding, Severity, findings
from resprof.answers.environment import differences, holds_for
from resprof.errors import UsageError, impossible, named_after, printable_path
from resprof.measure.host import host_state, load_average, machine_environment
from resprof.measure.launch import run_child
from resprof.measure.probe import probe_environment
from resprof.measure.run import LaunchEnd, LaunchStart, Metric, OnOom, Order, Outcome, Plan, Tiling
from resprof.measure.run_file import Record, RunFile
from resprof.model.environment import Environment
from resprof.model.networks import architecture_of
from resprof.model.recipe import Engine, Mode, Workload


def plan_for(workload: Workload, plan: Plan) -> Plan:
    """The plan as far as the workload allows: what has no phases is not divided into them."""
    recipe = workload.recipe
    phases = recipe.mode is Mode.TRAIN and recipe.engine is not Engine.GRAPH
    latency = Metric.LATENCY in plan.metrics
    if plan.tiling is Tiling.NONE and phases and latency:
        plan = replace(plan, tiling=Tiling.PHASES)
    return plan if Metric.THROUGHPUT in plan.metrics else replace(plan, energy_s=0.0)


def refuse_impossible(
    workload: Workload, plan: Plan, device: str | None, environment: Environment | None
) -> None:
    """Raises ``UsageError`` for what no device, or not the one at hand, can run.

    ``device`` is what was asked for, ``environment`` what was found, None if nobody has looked.
    """
    architecture_of(workload)
    recipe = workload.recipe
    if (recipe.optimizer is None) is not (recipe.mode is Mode.INFER):
        raise UsageError("training needs an optimizer, and inference takes none", hint="see --mode")
    if plan.tiling is Tiling.STAGES:
        if recipe.engine is not Engine.EAGER:
            raise UsageError(
                f"--engine {recipe.engine} cannot time stages: operators are fused or replayed "
                "as one",
                hint="leave out --stages, or use --engine eager",
            )
        if Metric.LATENCY not in plan.metrics:
            raise UsageError(
                "--stages splits a latency, and latency is not measured",
                hint="add latency to --metric",
            )
    if recipe.engine is Engine.GRAPH and recipe.mode is Mode.TRAIN and recipe.precision.scaled:
        raise UsageError(
            f"the gradient scaler of {recipe.precision} reads from the device, which a CUDA "
            "graph does not allow",
            hint="choose --precision amp-bf16, or --engine eager",
        )
    on_cpu = device == "cpu" or (environment is not None and environment.gpu is None)
    if on_cpu:
        _refuse_on_cpu(workload)


def _refuse_on_cpu(workload: Workload) -> None:
    recipe = workload.recipe
    only_cuda = {
        f"--engine {Engine.GRAPH}": recipe.engine is Engine.GRAPH,
        f"--precision {recipe.precision}": recipe.precision.only_cuda,
        "--cudnn-benchmark": recipe.cudnn_benchmark,
    }
    for option, asked in only_cuda.items():
        if asked:
            raise UsageError(
                f"{option} does not apply on a CPU", hint="leave it out, or add --device cuda"
            )


SUBJECT = "resprof.answers.bench.subject:subject"
"""By name: what it needs loads torch, and only the child process does that."""
GRACE_S = 60.0
"""What a child may take beside the measurement: starting, building, settling, tracing memory."""
_COMPILE_S = 600.0
"""What torch.compile may take in the first call, which no time limit holds for."""
_LATE = 2
"""A child counts as hung after this many times its limit: a call in progress is not cut short."""

Progress = Callable[[int, int, Workload], None]
"""Called before a launch with how many are done, how many there are, and its workload.

It is not called while a child measures: drawing would take time from it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchOptions:
    """How to measure. ``device`` is ``cpu``, ``cuda`` or ``cuda:N``; None is CUDA where it is."""

    device: str | None = None
    plan: Plan = field(default_factory=Plan)
    launches: int = 1
    on_oom: OnOom = OnOom.RECORD
    grace_s: float = GRACE_S
    subject: str = SUBJECT


def silent(done: int, total: int, workload: Workload) -> None:
    """Reports no progress."""


def measure(
    workloads: Sequence[Workload],
    file: RunFile | None,
    options: LaunchOptions,
    *,
    environment: Environment | None = None,
    progress: Progress = silent,
) -> tuple[Record, ...]:
    """Measures what the open ``file`` lacks of the workloads; returns all its records.

    Every record is appended as it comes, so an interrupt loses the round in flight and nothing
    else. ``environment`` is that of the device, from a look at it beforehand.

    Raises ``UsageError`` for a recipe that cannot be run, or a file from another environment,
    before anything runs; ``EnvironmentMissing`` where the device is not there or the disk is full.
    """
    for workload in workloads:
        refuse_impossible(workload, options.plan, options.device, environment)
    kept = file.kept if file else ()
    if environment is not None:
        _refuse_elsewhere(kept, environment)
    session = _Session(workloads, kept, file, options)
    session.run(environment or machine_environment(), progress)
    return tuple(session.records)


def _refuse_elsewhere(kept: Sequence[Record], environment: Environment) -> None:
    """Figures of two environments must not stand as one configuration's."""
    before = [record for record in kept if isinstance(record, Environment)]
    for each in differences(before[-1], environment)[:1] if before else ():
        raise UsageError(
            f"the run file comes from another environment: {each.field} was {each.baseline} "
            f"there and is {each.candidate} here",
            hint="choose another file with --run",
        )


class _Session:
    """What has been recorded, and what it lacks of the workloads.

    A launch of this session counts as taken however it ended; of an earlier one, those that were
    measured.
    """

    def __init__(
        self,
        workloads: Sequence[Workload],
        kept: Sequence[Record],
        file: RunFile | None,
        options: LaunchOptions,
    ) -> None:
        self.records: list[Record] = []
        self._asked = tuple(dict.fromkeys(workloads))
        self._file = file
        self._options = options
        self._environment: Environment | None = None
        self._taken: Counter[str] = Counter()
        self._started: Counter[str] = Counter()
        self._full: set[str] = set()
        for record in kept:
            self._account_for(record)
            if isinstance(record, LaunchEnd) and record.outcome is Outcome.MEASURED:
                self._taken[record.key] += 1

    def run(self, environment: Environment, progress: Progress) -> None:
        """Launches until nothing is lacking; ``environment`` is as good as known beforehand."""
        done = 0
        while lacking := self._lacking():
            if self._environment is None:
                self._write(environment)
            workload = max(lacking, key=lacking.__getitem__)  # the first of those that lack most
            progress(done, done + sum(lacking.values()), workload)
            self._taken[workload.text] += 1
            self._launch(workload, idle=done == 0)
            done += 1

    def _lacking(self) -> dict[Workload, int]:
        """How many launches each workload lacks, those without any left out."""
        wanted = dict.fromkeys(map(self._standing_for, self._asked), self._options.launches)
        lacking = {each: launches - self._taken[each.text] for each, launches in wanted.items()}
        return {
            each: launches
            for each, launches in lacking.items()
            if launches > 0 and each.text not in self._full
        }

    def _standing_for(self, asked: Workload) -> Workload:
        """The workload, or the half of it that has not been seen to run out of memory."""
        if self._options.on_oom is OnOom.HALVE:
            while asked.text in self._full and asked.recipe.batch > 1:
                asked = with_batch(asked, asked.recipe.batch // 2)
        return asked

    def _halved_from(self, workload: Workload) -> int | None:
        """The batch that was asked for first of those that this one stands for."""
        if workload in self._asked:
            return None
        stood = (each for each in self._asked if self._standing_for(each) == workload)
        return next(stood).recipe.batch

    def _launch(self, workload: Workload, *, idle: bool) -> None:
        plan = plan_for(workload, self._options.plan)
        start = LaunchStart(
            key=workload.text,
            launch=self._started[workload.text],
            workload=workload,
            plan=plan,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            load=load_average(),
            halved_from=self._halved_from(workload),
        )
        order = Order(
            workload=workload,
            subject=self._options.subject,
            device=self._options.device,
            plan=plan,
            launch=start.launch,
            idle=idle,
        )
        compiling = _COMPILE_S if workload.recipe.engine is Engine.COMPILE else 0.0
        extra = compiling + 2 * plan.energy_s + self._options.grace_s
        limit = _LATE * plan.time_limit_s + extra
        self._write(start)
        self._write(run_child(order, limit_s=limit, sink=self._write))

    def _write(self, record: Record) -> None:
        """Keeps a record; an environment once for all launches that it holds for."""
        known = self._environment
        if isinstance(record, Environment) and known is not None and holds_for(known, record):
            return
        if self._file is not None:
            self._file.append(record)
        self._account_for(record)

    def _account_for(self, record: Record) -> None:
        self.records.append(record)
        match record:
            case Environment():
                self._environment = record
            case LaunchStart():
                self._started[record.key] = record.launch + 1
            case LaunchEnd(outcome=Outcome.OUT_OF_MEMORY):
                self._full.add(record.key)


def with_batch(workload: Workload, batch: int) -> Workload:
    """The same with another batch."""
    return replace(workload, recipe=replace(workload.recipe, batch=batch))


RUNS = Path("reports/runs")
"""Where a run file lies that nobody named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benched:
    """The figures and what they rest on; ``environment`` is that of the last samples."""

    file: Path
    environment: Environment
    findings: tuple[Finding, ...]
    results: tuple[BenchResult, ...]


def bench(
    workloads: Sequence[Workload],
    file: Path,
    options: LaunchOptions,
    *,
    resume: bool = False,
    predict: bool = True,
    warn: Callable[[Sequence[Finding]], None] = lambda _: None,
    progress: Progress = silent,
) -> Benched:
    """Measures what the run file lacks and answers for all that was asked.

    With ``predict`` what can be predicted stands beside, which may load torch. ``warn`` is called
    before the first launch with what would spoil a measurement here.

    Raises ``UsageError`` for what cannot be run or written, ``EnvironmentMissing`` where the
    device is not there or the disk is full.
    """
    for workload in workloads:
        refuse_impossible(workload, options.plan, options.device, None)
    with RunFile(file, resume=resume) as opened:
        _refuse_damaged(file, opened.kept)
        host = host_state()  # before the probe, which keeps the cores busy itself
        environment = probe_environment(options.device)
        spoilers = (*_unlocked(opened), *findings(environment, host))
        warn(spoilers)
        records = measure(workloads, opened, options, environment=environment, progress=progress)
    asked = set(workloads)
    results = [result for result in results_of(records) if _is_asked(result, asked)]
    return Benched(
        file=file,
        environment=[environment, *(r for r in records if isinstance(r, Environment))][-1],
        findings=spoilers,
        results=tuple(map(with_prediction, results) if predict else results),
    )


def _unlocked(file: RunFile) -> Iterator[Finding]:
    if file.unlocked is not None:
        yield Finding(
            code="run-file-lock",
            severity=Severity.SPOILS,
            message=f"The run file cannot be locked ({file.unlocked}): a second resprof could "
            "write to it at the same time.",
        )


def _refuse_damaged(file: Path, kept: Sequence[Record]) -> None:
    """Nothing is added to a run that nobody could use."""
    if any(isinstance(record, LaunchStart) for record in kept):
        try:
            measured_run(kept)
        except UsageError as error:
            raise named_after(file, error, hint="name another file with --run") from None


def _is_asked(result: BenchResult, workloads: set[Workload]) -> bool:
    """Whether it answers for one of them, or for one that ran out of memory."""
    batch = result.configuration.start.halved_from or result.recipe.batch
    return not workloads.isdisjoint({result.workload, with_batch(result.workload, batch)})


@contextmanager
def new_run_file(
    folder: Path = RUNS, *, otherwise: str = "name a file with --run"
) -> Iterator[Path]:
    """A file of the current time that nobody else has, gone again if nothing came into it.

    Raises ``UsageError`` with the hint ``otherwise`` for a folder that cannot be written to.
    """
    try:
        file = _touched(folder)
    except OSError as error:
        what = f"cannot write in {printable_path(folder)}"
        raise impossible(what, error, hint=otherwise) from None
    try:
        yield file
    finally:
        with suppress(OSError):
            if file.stat().st_size == 0:
                file.unlink()


def _touched(folder: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        file = folder / (f"{stamp}.jsonl" if number == 1 else f"{stamp}-{number}.jsonl")
        with suppress(FileExistsError):
            file.touch(exist_ok=False)  # two runs of one second must not share a file
            return file
    raise AssertionError("numbers do not end")
