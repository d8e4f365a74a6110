"""What is compared and gated of a measurement, a row for each quantity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from resprof.answers.bench.figures import (
    Series,
    energy_series,
    latency_series,
    throughput_series,
)
from resprof.answers.bench.results import BenchResult
from resprof.answers.bench.runs import Configuration
from resprof.measure.run import Metric
from resprof.model.environment import DeviceKind
from resprof.render.table import Form


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


_ALLOCATED = "The caching allocator's peak. It is exact: any difference is real."
_LIVE = "The peak of torch's CPU allocator. It is exact: any difference is real."
_METERED = (
    "Gross energy from the device's counter. Intervals are over launches; with one launch per "
    "side there is none."
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
