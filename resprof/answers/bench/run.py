"""A look at the machine, the launches, and figures with predictions beside."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from resprof.answers.bench.launches import (
    LaunchOptions,
    Progress,
    measure,
    refuse_impossible,
    silent,
    with_batch,
)
from resprof.answers.bench.results import (
    BenchResult,
    Macs,
    Predicted,
    bench_result,
    with_graph_gains,
)
from resprof.answers.bench.runs import Configuration, configurations, measured_run
from resprof.answers.doctor.findings import Finding, Severity, findings
from resprof.counting.walk import count
from resprof.errors import ResprofError, UsageError, named_after, printable_path
from resprof.measure.host import host_state
from resprof.measure.probe import probe_environment
from resprof.measure.run import LaunchStart, Tile
from resprof.measure.run_file import Record, RunFile
from resprof.memory.prediction import OUTSIDE, MemoryResult
from resprof.model.architecture import LOSS, Architecture
from resprof.model.environment import DeviceKind, Environment
from resprof.model.networks import architecture_of, describe
from resprof.model.recipe import Engine, Mode, Phase, Workload


def results_of(records: Iterable[Record]) -> tuple[BenchResult, ...]:
    """A result for each workload of a run, in the order in which they were first started."""
    return with_graph_gains([_result(each) for each in configurations(records)])


def _result(configuration: Configuration) -> BenchResult:
    workload = configuration.start.workload
    architecture = architecture_of(workload)
    macs = macs_by_tile(architecture, workload.recipe.mode)
    return bench_result(configuration, title=describe(architecture), macs=macs)


def macs_by_tile(architecture: Architecture, mode: Mode) -> Macs:
    """Multiply-adds for one image, of each stage and of the whole phase.

    What a checkpointed block computes again is not counted: a network needs no more than this.
    """
    cost = count(architecture)
    stages = cost.stages()
    macs = {Tile(phase=Phase.FORWARD, stage=each.stage): each.cost.macs for each in stages}
    macs[Tile(phase=Phase.FORWARD)] = cost.total.macs
    if mode is Mode.TRAIN:
        for each in stages:
            macs[Tile(phase=Phase.BACKWARD, stage=each.stage)] = each.cost.backward_macs
        macs[Tile(phase=Phase.BACKWARD)] = cost.total.backward_macs
    return macs


def with_prediction(result: BenchResult) -> BenchResult:
    """The result with what is predicted for its workload; as it is where nothing can be.

    What a GPU's allocator takes is no prediction for a CPU, activation memory is the same.
    """
    from resprof.answers.memory.prediction import predict_memory

    recipe = result.recipe
    if recipe.engine is not Engine.EAGER:
        return result
    try:
        found, _ = predict_memory(architecture_of(result.workload), recipe)
    except ResprofError:
        return result
    return _beside(result, found)


def _beside(result: BenchResult, found: MemoryResult) -> BenchResult:
    on_cuda = result.device is DeviceKind.CUDA
    by_stage = {row.stage: row.activation_bytes for row in found.rows}
    # What a prediction has outside of the stages and is kept for backward is the loss's.
    by_stage[LOSS] = by_stage.get(OUTSIDE, 0)
    return replace(
        result,
        predicted=Predicted(
            activation_bytes=found.activation_bytes,
            peak_requested_bytes=found.peak.requested_bytes if on_cuda else None,
            peak_allocated_bytes=found.peak.allocated_bytes if on_cuda else None,
            peak_reserved_bytes=found.peak.reserved_bytes if on_cuda else None,
        ),
        activations=tuple(
            replace(each, predicted_bytes=by_stage.get(each.stage)) for each in result.activations
        ),
    )


RUNS = Path("reports/runs")
"""Where a run file lies that nobody named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benched:
    """The figures and what they rest on; ``environment`` is that of the last samples."""

    file: Path
    environment: Environment
    found: tuple[Finding, ...]
    results: tuple[BenchResult, ...]


def bench(
    workloads: Sequence[Workload],
    file: Path,
    options: LaunchOptions,
    *,
    resume: bool = False,
    predict: bool = True,
    tell: Callable[[Sequence[Finding]], None] = lambda _: None,
    progress: Progress = silent,
) -> Benched:
    """Measures what the run file lacks and answers for all that was asked.

    With ``predict`` what can be predicted stands beside, which may load torch. ``tell`` hears
    before the first launch what would spoil a measurement here.

    Raises ``UsageError`` for what cannot be run or written, ``EnvironmentMissing`` where the
    device is not there or the disk is full.
    """
    for workload in workloads:
        refuse_impossible(workload, options.plan, options.device, None)
    with RunFile(file, resume=resume) as opened:
        _refuse_damaged(file, opened.kept)
        host = host_state()  # before the probe, which keeps the cores busy itself
        environment = probe_environment(options.device)
        found = (*_unlocked(opened), *findings(environment, host))
        tell(found)
        records = measure(workloads, opened, options, environment=environment, progress=progress)
    asked = set(workloads)
    results = [result for result in results_of(records) if _is_asked(result, asked)]
    return Benched(
        file=file,
        environment=[environment, *(r for r in records if isinstance(r, Environment))][-1],
        found=found,
        results=tuple(map(with_prediction, results) if predict else results),
    )


def _unlocked(file: RunFile) -> Iterator[Finding]:
    if file.unlocked is not None:
        yield Finding(
            code="run-file-lock",
            severity=Severity.SPOILS,
            message=f"The run file cannot be locked ({file.unlocked}): nothing keeps a second "
            "resprof from writing to it.",
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
    batch = result.halved_from or result.recipe.batch
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
        raise UsageError(
            f"cannot write in {printable_path(folder)}: {error.strerror}", hint=otherwise
        ) from None
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
