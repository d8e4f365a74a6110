"""A configuration in two runs: ratios with their intervals, and verdicts where there can be one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from resprof.answers.bench.results import BenchResult, BenchRow, Flag, Over, series_of
from resprof.answers.bench.runs import Configuration, MeasuredConfiguration, RunDevice, RunLabel
from resprof.answers.environment import EnvironmentDifference, by_concern
from resprof.measure.run import Metric, Outcome
from resprof.model.environment import DeviceKind, Environment
from resprof.model.published import PublishedResult
from resprof.model.recipe import OfWorkload, Recipe, Workload
from resprof.render.table import Column, Form, Origin
from resprof.stats.comparison import Comparison, SpeedVerdict, compare


class Quantity(StrEnum):
    """What is compared, by the name that the figure has in a row of `resprof bench`."""

    LATENCY = "latency_median_s"
    THROUGHPUT = "throughput_images_per_s"
    MEMORY = "peak_allocated_bytes"
    ENERGY = "energy_per_image_j"


class Presence(StrEnum):
    """Which of the two runs has tried a configuration."""

    BOTH = "both"
    BASELINE_ONLY = "baseline only"
    CANDIDATE_ONLY = "candidate only"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedSide:
    """A figure as one run has it, in the quantity's unit; None is unknown.

    ``ci`` is that run's own interval, (low, high). ``rounds`` are those of all ``launches``.
    """

    value: float | None
    ci: tuple[float, float] | None = None
    launches: int
    rounds: int
    outcome: Outcome
    flags: tuple[Flag, ...] = ()


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
    baseline: ComparedSide | None
    candidate: ComparedSide | None
    ratio: float | None = None
    ci: tuple[float, float] | None = None
    ci_coverage: float | None = None
    over: Over | None = None
    verdict: SpeedVerdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedResult(OfWorkload):
    """A configuration in a candidate and in the baseline.

    ``comparable`` is False between devices. ``margin`` is the share from which a difference is
    called one. ``differences`` are those of the environments in which the two were measured.
    """

    model: str
    title: str
    recipe: Recipe
    rows: tuple[ComparedRow, ...]
    total: None = None
    key: str
    classes: int
    in_channels: int
    width: float
    baseline: RunLabel
    candidate: RunLabel
    presence: Presence
    comparable: bool
    margin: float
    differences: tuple[EnvironmentDifference, ...]

    def row(self, quantity: Quantity) -> ComparedRow | None:
        """The row of that quantity, None where neither run has it."""
        return next((row for row in self.rows if row.quantity is quantity), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupDifference:
    """One way in which a published setup differs from the measured one; None is unknown."""

    what: str
    published: str | None
    measured: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """A published result that is near, and all in which its setup is not the measured one."""

    published: PublishedResult
    differs: tuple[SetupDifference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedBeside:
    """A measured configuration and what others have published near it: no verdict on either."""

    model: str
    recipe: Recipe
    rows: tuple[PublishedRow, ...]
    total: None = None
    key: str
    workload: Workload
    run: RunLabel
    latency_median_s: float | None
    throughput_images_per_s: float | None


NAMES = {
    Quantity.LATENCY: "Latency",
    Quantity.THROUGHPUT: "Throughput in images/s",
    Quantity.MEMORY: "Peak memory",
    Quantity.ENERGY: "Energy in J/image",
}
TIMED = (Quantity.LATENCY, Quantity.THROUGHPUT)
_FORMS = {
    Quantity.LATENCY: Form.SECONDS,
    Quantity.THROUGHPUT: Form.NUMBER,
    Quantity.MEMORY: Form.BYTES,
    Quantity.ENERGY: Form.NUMBER,
}


def figure_column(key: str, title: str, quantity: Quantity, priority: int) -> Column:
    """A column of measured figures of that quantity."""
    return Column(
        key=key, title=title, form=_FORMS[quantity], origin=Origin.MEASURED, priority=priority
    )


def device_text(device: RunDevice) -> str:
    """The device with its kind: ``the GPU NVIDIA A100-SXM4-80GB``."""
    return f"the {'GPU' if device.kind is DeviceKind.CUDA else 'CPU'} {device.name}"


def run_titles(runs: Sequence[RunLabel]) -> tuple[str, ...]:
    """What heads the column of each run: its device, and its file where two have the same."""
    devices = [run.device for run in runs]
    return tuple(
        run.device.name if devices.count(run.device) == 1 else f"{run.device.name} ({run.name})"
        for run in runs
    )


def lack_text(side: ComparedSide | None) -> str | None:
    """Why a run has no figure, or one of a process that ended badly; None where all is well."""
    if side is None:
        return "not tried"
    if side.outcome is not Outcome.MEASURED:
        return side.outcome.value
    return "not measured" if side.value is None else None


Tried = tuple[MeasuredConfiguration, BenchResult]
"""A configuration's samples and the figures made from them."""

_METRIC = {Quantity.LATENCY: Metric.LATENCY, Quantity.THROUGHPUT: Metric.THROUGHPUT}


def compared(
    baseline: tuple[RunLabel, Environment, Sequence[Tried]],
    candidate: tuple[RunLabel, Environment, Sequence[Tried]],
    *,
    margin: float,
) -> tuple[ComparedResult, ...]:
    """Every configuration of either run: the baseline's in its order, then what it lacks.

    A workload is the key, so a run of another version that words it differently still joins.
    """
    before, after = (
        {tried[1].workload: tried for tried in tries} for _, _, tries in (baseline, candidate)
    )
    comparable = baseline[0].device == candidate[0].device
    between_runs = by_concern(baseline[1], candidate[1])
    found = []
    for workload in dict.fromkeys((*before, *after)):
        early, late = before.get(workload), after.get(workload)
        found.append(
            _result(
                early,
                late,
                labels=(baseline[0], candidate[0]),
                comparable=comparable,
                margin=margin,
                differences=(
                    by_concern(early[0].environment, late[0].environment)
                    if early and late
                    else between_runs
                ),
            )
        )
    return tuple(found)


def _result(
    early: Tried | None,
    late: Tried | None,
    *,
    labels: tuple[RunLabel, RunLabel],
    comparable: bool,
    margin: float,
    differences: tuple[EnvironmentDifference, ...],
) -> ComparedResult:
    tried = early or late
    if tried is None:
        raise ValueError("neither run has tried it")
    result = tried[1]
    presence = Presence.BOTH
    if early is None or late is None:
        presence = Presence.CANDIDATE_ONLY if early is None else Presence.BASELINE_ONLY
    return ComparedResult(
        model=result.model,
        title=result.title,
        recipe=result.recipe,
        rows=tuple(_rows(early, late, margin=margin if comparable else None)),
        key=result.key,
        classes=result.classes,
        in_channels=result.in_channels,
        width=result.width,
        baseline=labels[0],
        candidate=labels[1],
        presence=presence,
        comparable=comparable,
        margin=margin,
        differences=differences,
    )


def _rows(
    early: Tried | None, late: Tried | None, *, margin: float | None
) -> Iterator[ComparedRow]:
    """A row for each quantity that a side has; without a margin none is compared."""
    for quantity in Quantity:
        before, after = _side(early, quantity), _side(late, quantity)
        row = ComparedRow(quantity=quantity, baseline=before, candidate=after)
        if margin is not None and early and late and _known(before) and _known(after):
            row = _judged(row, early[0].configuration, late[0].configuration, margin)
        if _known(before) or _known(after) or _asked(early, quantity) or _asked(late, quantity):
            yield row


def _asked(tried: Tried | None, quantity: Quantity) -> bool:
    """Whether a run was to time it; memory and energy nobody asks for by name."""
    return tried is not None and quantity in _METRIC and _row_of(tried[1], quantity) is not None


def _known(side: ComparedSide | None) -> bool:
    return side is not None and side.value is not None


def _side(tried: Tried | None, quantity: Quantity) -> ComparedSide | None:
    if tried is None:
        return None
    result = tried[1]
    row = _row_of(result, quantity)
    return ComparedSide(
        value=getattr(row, quantity.value) if row else None,
        ci=_interval(row, quantity) if row else None,
        launches=row.launches if row else 0,
        rounds=row.rounds if row else 0,
        outcome=result.outcome,
        flags=row.flags if row else (),
    )


def _row_of(result: BenchResult, quantity: Quantity) -> BenchRow | None:
    """Memory stands in every row, energy beside throughput."""
    metric = _METRIC.get(quantity)
    if quantity is Quantity.ENERGY:
        metric = Metric.THROUGHPUT
    return next((row for row in result.rows if metric in {None, row.metric}), None)


def _interval(row: BenchRow, quantity: Quantity) -> tuple[float, float] | None:
    match quantity:
        case Quantity.LATENCY:
            return row.latency_ci_s
        case Quantity.THROUGHPUT:
            return row.throughput_ci
        case _:
            return None


def _judged(
    row: ComparedRow, before: Configuration, after: Configuration, margin: float
) -> ComparedRow:
    match row.quantity:
        case Quantity.LATENCY | Quantity.THROUGHPUT:
            return _timed(row, before, after, margin)
        case Quantity.ENERGY:
            return _metered(row, before, after)
        case _:
            return _exact(row)


def _timed(
    row: ComparedRow, before: Configuration, after: Configuration, margin: float
) -> ComparedRow:
    metric = _METRIC[row.quantity]
    early, late = series_of(before, metric), series_of(after, metric)
    if early is None or late is None:
        return row
    over = Over.LAUNCHES if early.over is late.over is Over.LAUNCHES else Over.ROUNDS
    sides = [
        each.of_launches
        if over is Over.LAUNCHES
        else tuple(value for rounds in each.of_rounds for value in rounds)
        for each in (early, late)
    ]
    found = compare(*sides, margin=margin, higher_is_faster=metric is Metric.THROUGHPUT)
    return replace(_with(row, found, over), verdict=found.verdict)


def _metered(row: ComparedRow, before: Configuration, after: Configuration) -> ComparedRow:
    """Energy has one window a launch: from one launch a side there is a ratio and no interval."""
    early, late = _energies(before), _energies(after)
    if min(len(early), len(late)) > 1 and min(*early, *late) > 0:
        return _with(row, compare(early, late, higher_is_faster=False), Over.LAUNCHES)
    return _exact(row)


def _energies(configuration: Configuration) -> list[float]:
    """Joules per image of each launch that has read them."""
    found = []
    for launch in configuration.launches:
        windows = [each for each in launch.energy if each.calls > 0]
        images = configuration.images * sum(each.calls for each in windows)
        if images:
            found.append(sum(each.energy_j for each in windows) / images)
    return found


def _exact(row: ComparedRow) -> ComparedRow:
    before = row.baseline.value if row.baseline else None
    after = row.candidate.value if row.candidate else None
    if not before or after is None:
        return row
    return replace(row, ratio=after / before)


def _with(row: ComparedRow, found: Comparison, over: Over) -> ComparedRow:
    return replace(
        row,
        ratio=found.ratio,
        ci=(found.low, found.high) if found.coverage else None,
        ci_coverage=found.coverage,
        over=over,
    )
