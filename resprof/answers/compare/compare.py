"""How do runs compare: run files read again, held against a baseline and against what is published.

Nothing is measured and no torch is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from resprof.answers.bench.results import BenchResult
from resprof.answers.bench.run import results_of
from resprof.answers.bench.runs import MeasuredConfiguration, MeasuredRun, RunLabel, measured_run
from resprof.answers.compare.comparison import ComparedResult, PublishedBeside, compared
from resprof.answers.compare.published import near_published
from resprof.answers.environment import Difference, differences
from resprof.errors import UsageError, named_after, printable_path
from resprof.measure.run_file import read_run
from resprof.model.environment import Environment
from resprof.model.published import results as published_results
from resprof.stats.comparison import MARGIN


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRun:
    """A run file and the figures made from its samples."""

    file: Path
    label: RunLabel
    run: MeasuredRun
    results: tuple[BenchResult, ...]

    @property
    def environment(self) -> Environment:
        """That of the last samples."""
        return self.run.environment

    @property
    def changes(self) -> tuple[Difference, ...]:
        """In what the run's own environments differ, which one measurement should not."""
        first, *later = self.run.environments
        found = {each.field: each for other in later for each in differences(first, other)}
        return tuple(found.values())


def read(file: Path) -> ReadRun:
    """Reads a run file; ``UsageError``, which names it, where it cannot be compared."""
    try:
        records = read_run(file)
        run = measured_run(records)
        results = results_of(records)
    except UsageError as error:
        raise named_after(file, error) from None
    return ReadRun(file=file, label=run.label(str(file)), run=run, results=results)


def refuse_same(files: Sequence[Path]) -> None:
    """Raises ``UsageError`` for a file that is named twice, by whatever path."""
    seen: dict[tuple[int, int], Path] = {}
    for file in files:
        if (mark := _mark(file)) is None:
            continue
        if mark in seen:
            raise UsageError(
                f"{printable_path(file)} and {printable_path(seen[mark])} are the same file"
                if file != seen[mark]
                else f"{printable_path(file)} is named twice",
                hint="name each run once",
            )
        seen[mark] = file


def refuse_overwriting(output: Path | None, files: Iterable[Path]) -> None:
    """Raises ``UsageError`` where the result would replace one of the runs."""
    mark = None if output is None else _mark(output)
    if output is not None and mark is not None and mark in {_mark(file) for file in files}:
        raise UsageError(
            f"{printable_path(output)} is one of the runs: its samples would be lost",
            hint="name another file with -o",
        )


def is_same(one: Path, other: Path) -> bool:
    """Whether both name one file that is there."""
    return _mark(one) is not None and _mark(one) == _mark(other)


def _mark(file: Path) -> tuple[int, int] | None:
    """What tells a file from all others, whatever it is called; None where there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def compare_files(
    baseline: Path, candidate: Path, *, margin: float | None = None
) -> tuple[ComparedResult, ...]:
    """One run file against another; ``UsageError`` where they are the same or cannot be read."""
    refuse_same((baseline, candidate))
    chosen = MARGIN if margin is None else margin
    return compare_runs(read(baseline), (read(candidate),), margin=chosen)


def compare_runs(
    baseline: ReadRun, candidates: Iterable[ReadRun], *, margin: float = MARGIN
) -> tuple[ComparedResult, ...]:
    """Each candidate against the baseline, configuration by configuration.

    ``margin`` is the share from which a time or a rate is called faster or slower.
    """
    before = _tried(baseline)
    return tuple(
        result
        for candidate in candidates
        for result in compared(before, _tried(candidate), margin=margin)
    )


def _tried(
    read_run: ReadRun,
) -> tuple[RunLabel, Environment, Sequence[tuple[MeasuredConfiguration, BenchResult]]]:
    """Samples with their figures: both are in the order in which workloads were first started."""
    return (
        read_run.label,
        read_run.environment,
        tuple(zip(read_run.run.measured, read_run.results, strict=True)),
    )


def beside_published(runs: Iterable[ReadRun]) -> tuple[PublishedBeside, ...]:
    """What others have published near the configurations of each run."""
    return tuple(
        beside
        for each in runs
        for beside in near_published(
            each.results, published_results(), run=each.label, environment=each.environment
        )
    )
