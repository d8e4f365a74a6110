"""The quantities of a measurement that are compared and gated: one row says all there is of each.

Values of rounds and of launches are made here from raw samples, for intervals and for comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING

from resprof.measure.run import Metric, Round
from resprof.model.environment import DeviceKind
from resprof.render.table import Form

if TYPE_CHECKING:
    from resprof.answers.bench.results import BenchResult
    from resprof.answers.bench.runs import Configuration


class Over(StrEnum):
    """What an interval is over."""

    ROUNDS = "rounds"
    """Within one process."""
    LAUNCHES = "launches"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The values of a quantity in its unit, one for each launch, and of the rounds of each."""

    of_rounds: tuple[tuple[float, ...], ...]
    of_launches: tuple[float, ...]

    @property
    def over(self) -> Over:
        """What an interval is over."""
        return Over.LAUNCHES if len(self.of_launches) > 1 else Over.ROUNDS

    @property
    def values(self) -> tuple[float, ...]:
        """What an interval is made of."""
        return self.of_launches if self.over is Over.LAUNCHES else self.of_rounds[0]


def latency_series(configuration: Configuration) -> Series:
    """Seconds per call: the median of a round, and of a launch's rounds."""
    of_rounds = tuple(
        tuple(median(each.samples_s) / each.calls for each in rounds)
        for rounds in configuration.rounds(Metric.LATENCY)
    )
    return Series(of_rounds=of_rounds, of_launches=tuple(map(median, of_rounds)))


def throughput_series(configuration: Configuration) -> Series:
    """Images per second: all images over all time."""
    per_launch = configuration.rounds(Metric.THROUGHPUT)
    images = configuration.images
    return Series(
        of_rounds=tuple(tuple(rate([each], images) for each in rounds) for rounds in per_launch),
        of_launches=tuple(rate(rounds, images) for rounds in per_launch),
    )


def energy_series(configuration: Configuration) -> Series:
    """Joules per image of each launch that has read them; a launch has one window."""
    per_launch = []
    for launch in configuration.launches:
        images = configuration.images * sum(each.calls for each in launch.energy)
        if images:
            per_launch.append(sum(each.energy_j for each in launch.energy) / images)
    return Series(of_rounds=(), of_launches=tuple(per_launch))


SERIES = {Metric.LATENCY: latency_series, Metric.THROUGHPUT: throughput_series}
"""The values of each metric."""


def rate(rounds: Sequence[Round], images: int) -> float:
    """All images over all time, which a mean of the rounds' rates is not."""
    calls = sum(each.calls * len(each.samples_s) for each in rounds)
    return images * calls / sum(sum(each.samples_s) for each in rounds)


class Judgement(StrEnum):
    """How two values of a quantity are compared."""

    VERDICT = "verdict"
    """By an interval over rounds or launches, with a verdict."""
    INTERVAL = "interval"
    """By an interval over launches where there are several, without a verdict."""
    EXACT = "exact"
    """A ratio without an interval: any change is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """What is compared and gated.

    ``key`` is the name in JSON and CSV, with the unit; ``short`` begins the names of what is
    derived from it there; ``title`` heads a table and ``noun`` stands in a sentence. ``question``
    is what ``--fail-on`` calls a change for the worse, None where it cannot ask for it.
    ``metric`` is the one that it is measured by, None for any. ``value`` and ``interval`` are
    those of a result, ``series`` the values behind them. ``note`` says what the figures are.
    """

    key: str
    short: str
    title: str
    noun: str
    form: Form
    metric: Metric | None
    judgement: Judgement
    more_is_better: bool = False
    question: str | None
    value: Callable[[BenchResult], float | None]
    interval: Callable[[BenchResult], tuple[float, float] | None] = lambda _: None
    series: Callable[[Configuration], Series] | None = None
    note: Callable[[DeviceKind], str | None] = lambda _: None

    @property
    def timed(self) -> bool:
        """Whether a comparison of it ends in a verdict."""
        return self.judgement is Judgement.VERDICT


_ALLOCATED = "The caching allocator's peak, exact: any change is one."
_LIVE = "The most that torch's CPU allocator held at once, exact: any change is one."
_METERED = (
    "Gross, from the device's energy counter. An interval is over launches; from one launch a side "
    "there is none."
)

LATENCY = Quantity(
    key="latency_median_s",
    short="latency",
    title="Latency",
    noun="latency",
    form=Form.SECONDS,
    metric=Metric.LATENCY,
    judgement=Judgement.VERDICT,
    question="slower",
    value=lambda result: result.figure("latency_median_s"),
    interval=lambda result: result.figure("latency_ci_s"),
    series=latency_series,
)
THROUGHPUT = Quantity(
    key="throughput_images_per_s",
    short="throughput",
    title="Throughput in images/s",
    noun="images/s",
    form=Form.NUMBER,
    metric=Metric.THROUGHPUT,
    judgement=Judgement.VERDICT,
    more_is_better=True,
    question="slower",
    value=lambda result: result.figure("throughput_images_per_s"),
    interval=lambda result: result.figure("throughput_ci"),
    series=throughput_series,
)
MEMORY = Quantity(
    key="peak_allocated_bytes",
    short="memory",
    title="Peak memory",
    noun="peak memory",
    form=Form.BYTES,
    metric=None,
    judgement=Judgement.EXACT,
    question="memory",
    value=lambda result: result.memory.peak_allocated_bytes,
    note=lambda kind: _ALLOCATED if kind is DeviceKind.CUDA else _LIVE,
)
ENERGY = Quantity(
    key="energy_per_image_j",
    short="energy",
    title="Energy in J/image",
    noun="J/image",
    form=Form.NUMBER,
    metric=Metric.THROUGHPUT,
    judgement=Judgement.INTERVAL,
    question="energy",
    value=lambda result: result.figure("energy_per_image_j"),
    series=energy_series,
    note=lambda _: _METERED,
)
QUANTITIES = (LATENCY, THROUGHPUT, MEMORY, ENERGY)
