"""How do runs compare: run files read again, each configuration held against the baseline's.

Nothing is measured and no torch is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from resprof.answers.bench.figures import Flag, Over
from resprof.answers.bench.quantities import QUANTITIES, Judgement, Quantity
from resprof.answers.bench.results import BenchResult, BenchRow, results_of
from resprof.answers.bench.runs import MeasuredRun, RunDevice, RunLabel, measured_run
from resprof.answers.environment import (
    EnvironmentDifference,
    differences,
    ranked_differences,
)
from resprof.answers.workloads import result_fields
from resprof.errors import UsageError, named_after, printable_path
from resprof.measure.run import Outcome
from resprof.measure.run_file import read_run
from resprof.model.environment import DeviceKind, Environment
from resprof.model.recipe import Recipe, Workload
from resprof.stats.comparison import MARGIN, Comparison, SpeedVerdict, compare


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRun:
    """A run file and the figures made from its samples."""

    label: RunLabel
    run: MeasuredRun
    results: tuple[BenchResult, ...]

    @property
    def environment(self) -> Environment:
        """That of the last samples."""
        return self.run.environment

    @property
    def changes(self) -> tuple[EnvironmentDifference, ...]:
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
    return ReadRun(label=run.label(str(file)), run=run, results=results)


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
                else f"{printable_path(file)} is given twice",
                hint="give each run once",
            )
        seen[mark] = file


def refuse_overwriting(output: Path | None, files: Iterable[Path]) -> None:
    """Raises ``UsageError`` where the result would replace one of the runs."""
    mark = None if output is None else _mark(output)
    if output is not None and mark is not None and mark in {_mark(file) for file in files}:
        raise UsageError(
            f"{printable_path(output)} is one of the runs; writing to it would destroy its samples",
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


class Presence(StrEnum):
    """Which of the two runs has tried a configuration."""

    BOTH = "both"
    BASELINE_ONLY = "baseline only"
    CANDIDATE_ONLY = "candidate only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A quantity as one run has it."""

    quantity: Quantity
    result: BenchResult

    @property
    def value(self) -> float | None:
        """In the quantity's unit; None is unknown."""
        return self.quantity.value(self.result)

    @property
    def ci(self) -> tuple[float, float] | None:
        """The run's own interval, (low, high)."""
        return self.quantity.interval(self.result)

    @property
    def launches(self) -> int:
        """How many processes it is from."""
        return self._row.launches if self._row else 0

    @property
    def rounds(self) -> int:
        """Those of all launches."""
        return self._row.rounds if self._row else 0

    @property
    def outcome(self) -> Outcome:
        """What became of the configuration."""
        return self.result.outcome

    @property
    def flags(self) -> tuple[Flag, ...]:
        """What a reader of the figure has to know."""
        return self._row.flags if self._row else ()

    def json_fields(self) -> Mapping[str, object]:
        """All that is known of it, without the result that it is from."""
        names = ("value", "ci", "launches", "rounds", "outcome", "flags")
        return {name: getattr(self, name) for name in names}

    @property
    def _row(self) -> BenchRow | None:
        return self.result.row(self.quantity.metric)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRow:
    """One quantity of a configuration; a side is None where the run has not tried it.

    ``ratio`` is candidate over baseline. Of times and rates it is the median of the ratios of all
    pairs of values, one of each side, and ``ci`` (low, high) an interval for it that covers it with
    ``ci_coverage``; the values are those of launches or of rounds, as ``over`` says. Of memory it
    is exact. ``verdict`` is None for what is neither a time nor a rate, and between devices, where
    there is no ratio either.
    """

    quantity: Quantity
    baseline: Figure | None
    candidate: Figure | None
    ratio: float | None = None
    ci: tuple[float, float] | None = None
    ci_coverage: float | None = None
    over: Over | None = None
    verdict: SpeedVerdict | None = None

    @property
    def values(self) -> tuple[float | None, float | None]:
        """The baseline's and the candidate's; None is unknown."""
        return (
            self.baseline.value if self.baseline else None,
            self.candidate.value if self.candidate else None,
        )

    def json_fields(self) -> Mapping[str, object]:
        """The fields, with the quantity by its key."""
        fields = {name: getattr(self, name) for name in ComparedRow.__dataclass_fields__}
        return fields | {"quantity": self.quantity.key}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedResult:
    """A configuration in a candidate and in the baseline.

    ``before`` is what the baseline has of it, ``after`` what the candidate has; not both are None.
    ``margin`` is the share from which a difference is called one. ``differences`` are those of the
    environments in which the two were measured.
    """

    baseline: RunLabel
    candidate: RunLabel
    before: BenchResult | None
    after: BenchResult | None
    rows: tuple[ComparedRow, ...]
    margin: float
    differences: tuple[EnvironmentDifference, ...]

    @property
    def workload(self) -> Workload:
        """What was run."""
        return self._tried.workload

    @property
    def recipe(self) -> Recipe:
        """How the network was run."""
        return self.workload.recipe

    @property
    def presence(self) -> Presence:
        """Which of the two runs has tried it."""
        if self.before is None or self.after is None:
            return Presence.CANDIDATE_ONLY if self.before is None else Presence.BASELINE_ONLY
        return Presence.BOTH

    @property
    def comparable(self) -> bool:
        """False between devices."""
        return self.baseline.device == self.candidate.device

    @property
    def _tried(self) -> BenchResult:
        result = self.before or self.after
        if result is None:
            raise ValueError("neither run tried it")
        return result

    def row(self, quantity: Quantity) -> ComparedRow | None:
        """The row of that quantity, None where neither run has it."""
        return next((row for row in self.rows if row.quantity is quantity), None)

    def json_fields(self) -> Mapping[str, object]:
        """Flat: with the workload's fields."""
        tried = self._tried
        return {
            **result_fields(tried.workload, key=tried.key, title=tried.title, rows=self.rows),
            "baseline": self.baseline,
            "candidate": self.candidate,
            "presence": self.presence,
            "comparable": self.comparable,
            "margin": self.margin,
            "differences": self.differences,
        }


def device_text(device: RunDevice) -> str:
    """The device with its kind: ``the GPU NVIDIA A100-SXM4-80GB``."""
    return f"the {'GPU' if device.kind is DeviceKind.CUDA else 'CPU'} {device.name}"


def lack_text(figure: Figure | None) -> str | None:
    """Why a run has no figure, or one of a process that ended badly; None where all is well."""
    if figure is None:
        return "not tried"
    if figure.outcome is not Outcome.MEASURED:
        return figure.outcome.value
    return "not measured" if figure.value is None else None


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
    return tuple(
        result
        for candidate in candidates
        for result in _compared(baseline, candidate, margin=margin)
    )


def _compared(baseline: ReadRun, candidate: ReadRun, *, margin: float) -> Iterator[ComparedResult]:
    """Every configuration of either run: the baseline's in its order, then what it lacks.

    A workload is the key, so a run of another version that words it differently still joins.
    """
    before, after = ({each.workload: each for each in run.results} for run in (baseline, candidate))
    comparable = baseline.label.device == candidate.label.device
    for workload in dict.fromkeys((*before, *after)):
        early, late = before.get(workload), after.get(workload)
        environments = baseline.environment, candidate.environment
        if early and late:
            environments = (
                early.configuration.environment or baseline.environment,
                late.configuration.environment or candidate.environment,
            )
        yield ComparedResult(
            baseline=baseline.label,
            candidate=candidate.label,
            before=early,
            after=late,
            rows=tuple(_rows(early, late, margin=margin if comparable else None)),
            margin=margin,
            differences=ranked_differences(*environments),
        )


def _rows(
    early: BenchResult | None, late: BenchResult | None, *, margin: float | None
) -> Iterator[ComparedRow]:
    """A row for each quantity that a side has; without a margin none is compared."""
    for quantity in QUANTITIES:
        before, after = (
            Figure(quantity=quantity, result=result) if result else None for result in (early, late)
        )
        row = ComparedRow(quantity=quantity, baseline=before, candidate=after)
        known = [value is not None for value in row.values]
        if margin is not None and early and late and all(known):
            row = _judged(row, early, late, margin)
        if any(known) or _was_asked(early, quantity) or _was_asked(late, quantity):
            yield row


def _was_asked(result: BenchResult | None, quantity: Quantity) -> bool:
    """Whether a run was to time it; memory and energy nobody asks for by name."""
    return result is not None and quantity.timed and result.row(quantity.metric) is not None


def _judged(
    row: ComparedRow, before: BenchResult, after: BenchResult, margin: float
) -> ComparedRow:
    quantity = row.quantity
    if quantity.series is None:
        return _exact(row)
    early, late = (quantity.series(each.configuration) for each in (before, after))
    if quantity.judgement is Judgement.VERDICT:
        over = Over.LAUNCHES if early.over is late.over is Over.LAUNCHES else Over.ROUNDS
        sides = [
            each.of_launches
            if over is Over.LAUNCHES
            else tuple(value for rounds in each.of_rounds for value in rounds)
            for each in (early, late)
        ]
        found = compare(*sides, margin=margin, higher_is_faster=quantity.more_is_better)
        return replace(_with(row, found, over), verdict=found.verdict)
    sides = [early.of_launches, late.of_launches]
    if min(map(len, sides)) > 1 and min(map(min, sides)) > 0:
        found = compare(*sides, higher_is_faster=quantity.more_is_better)
        return _with(row, found, Over.LAUNCHES)
    return _exact(row)


def _exact(row: ComparedRow) -> ComparedRow:
    before, after = row.values
    return replace(row, ratio=after / before) if before and after is not None else row


def _with(row: ComparedRow, found: Comparison, over: Over) -> ComparedRow:
    return replace(
        row,
        ratio=found.ratio,
        ci=(found.low, found.high) if found.coverage else None,
        ci_coverage=found.coverage,
        over=over,
    )
