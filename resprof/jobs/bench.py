"""How fast does it run: a look at the machine, the launches, figures with predictions beside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from resprof.analysis.guards import findings
from resprof.analysis.measured_runs import measured_run
from resprof.errors import UsageError, named_after, printable_path
from resprof.jobs.bench_results import results_of, with_prediction
from resprof.jobs.launches import LaunchOptions, Progress, measure, silent, with_batch
from resprof.jobs.refusals import refuse_impossible
from resprof.measure.host import host_state
from resprof.measure.probe import probe_environment
from resprof.records.bench import BenchResult
from resprof.records.doctor import Finding
from resprof.records.environment import Environment
from resprof.records.recipe import Workload
from resprof.records.run import LaunchStart
from resprof.records.run_file import Record, RunFile

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
        found = findings(environment, host)
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
    for number in count(1):
        file = folder / (f"{stamp}.jsonl" if number == 1 else f"{stamp}-{number}.jsonl")
        with suppress(FileExistsError):
            file.touch(exist_ok=False)  # two runs of one second must not share a file
            return file
    raise AssertionError("numbers do not end")
