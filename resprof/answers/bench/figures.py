"""Figures made from raw samples: their values, and what disturbs them. A flag is one row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING

from resprof.measure.run import Metric, Round
from resprof.model.environment import RoundTelemetry, ThrottlePolicy
from resprof.stats.intervals import CONFIDENCE, Interval, relative_half_width
from resprof.stats.series import drift

if TYPE_CHECKING:
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


class Flag(StrEnum):
    """What a reader of a figure has to know, with what it means and what helps."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Flag:
        """A flag is its value, and knows its meaning."""
        flag = str.__new__(cls, value)
        flag._value_ = value
        flag.meaning = meaning
        return flag

    ONE_PROCESS = (
        "one process",
        (
            "the interval covers rounds within one process, and another launch may fall outside "
            "it; --launches 6 gives an interval over launches."
        ),
    )
    FEW_LAUNCHES = (
        "few launches",
        (
            "fewer than six launches cannot give a 95% interval; the coverage column shows the "
            "level reached. --launches 6 --resume adds the missing ones."
        ),
    )
    FEW_ROUNDS = (
        "few rounds",
        "fewer than six rounds cannot give a 95% interval; raise --time-limit.",
    )
    WIDE = (
        "wide interval",
        (
            "the interval is wider than --target-ci; raise --time-limit, or run resprof doctor "
            "to find out what disturbs this machine."
        ),
    )
    NOT_STEADY = (
        "warm-up capped",
        "call times had not settled after a quarter of the time limit; raise --time-limit.",
    )
    DRIFT = (
        "drift",
        (
            "the rounds drift by 1% or more: the device is warming up or throttling, or "
            "something leaks."
        ),
    )
    LAUNCH_BOUND = (
        "launch-bound",
        (
            "launch overhead: issuing a call takes the host about as long as running it takes "
            "the device, so the device waits; try --engine graph."
        ),
    )
    THROTTLED = (
        "throttled",
        "the driver lowered the clocks for 1% of the time or more; the reasons are in --json.",
    )
    SHARED_GPU = (
        "shared GPU",
        "other processes were using the device.",
    )
    PERTURBED = (
        "perturbed stages",
        (
            "timing the stages changed the time of a call by more than 1%; trust the stages' "
            "shares, not their times."
        ),
    )
    NOT_FINITE = (
        "not finite",
        "the network's output contains NaN or infinity, and times can depend on values.",
    )
    HALVED = (
        "halved",
        "the requested batch ran out of memory, so it was halved until it fit.",
    )
    CUT_SHORT = (
        "cut short",
        "the process ended early; what it had measured by then is used.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottledShare:
    """The part of the time for which a policy lowered clocks."""

    policy: ThrottlePolicy
    share: float


LAUNCH_BOUND_SHARE = 0.8
"""Of the device's time, the host's time to issue a call: trtexec warns from here on."""
THROTTLED_SHARE = 0.01
"""Of the time: less than this changes no figure by more than an interval is wide."""
DRIFT_SHARE = 0.01
"""From the first round to the last: less is within what a comparison calls the same."""
_NO_THROTTLING = {ThrottlePolicy.LOW_UTILIZATION}
"""The device waits for work, which is the host's fault."""


def issue_share(rounds: Sequence[Round]) -> float | None:
    """The host's time to issue a call over the device's to run it; None where they are one."""
    issued = [value for each in rounds for value in each.issue_s or ()]
    samples = [value for each in rounds if each.issue_s for value in each.samples_s]
    return median(issued) / median(samples) if issued else None


def worst_drift(series: Iterable[Sequence[float]]) -> tuple[float | None, bool]:
    """The largest change from first to last value among launches, and whether one is no chance.

    A change counts where it is significant and at least ``DRIFT_SHARE``.
    """
    found = [each for values in series if (each := drift(values)) is not None]
    if not found:
        return None, False
    worst = max(found, key=lambda each: abs(each.share))
    return worst.share, any(each.significant and abs(each.share) >= DRIFT_SHARE for each in found)


def throttled(telemetry: Iterable[RoundTelemetry | None]) -> tuple[ThrottledShare, ...] | None:
    """The part of the rounds' time for which each policy lowered clocks; None if unknown."""
    seconds = 0.0
    lowered: dict[ThrottlePolicy, float] = defaultdict(float)
    for each in telemetry:
        if each is not None and each.throttled is not None:
            seconds += each.seconds
            for policy in each.throttled:
                lowered[policy.policy] += policy.seconds
    if not seconds:
        return None
    return tuple(
        # Counters move in steps of a tenth of a second, so a short round can count too much.
        ThrottledShare(policy=policy, share=min(1.0, lowered[policy] / seconds))
        for policy in ThrottlePolicy
        if policy in lowered
    )


def is_throttled(shares: Sequence[ThrottledShare] | None) -> bool:
    """Whether clocks were lowered for long enough to say so."""
    return any(
        each.share >= THROTTLED_SHARE for each in shares or () if each.policy not in _NO_THROTTLING
    )


def sm_clock(telemetry: Iterable[RoundTelemetry | None]) -> float | None:
    """The median of the clocks after the rounds, in Hz."""
    clocks = [each.sm_clock_hz for each in telemetry if each and each.sm_clock_hz is not None]
    return median(clocks) if clocks else None


def device_flags(rounds: Sequence[Round], shares: Sequence[ThrottledShare] | None) -> list[Flag]:
    """What telemetry and issue times say against a figure."""
    share = issue_share(rounds)
    flags = {
        Flag.LAUNCH_BOUND: share is not None and share >= LAUNCH_BOUND_SHARE,
        Flag.THROTTLED: is_throttled(shares),
        Flag.SHARED_GPU: any(each.telemetry and each.telemetry.processes for each in rounds),
    }
    return [flag for flag, holds in flags.items() if holds]


def interval_flags(series: Series, interval: Interval | None, target: float | None) -> list[Flag]:
    """What the number of values and the width of their interval say against a figure."""
    several = series.over is Over.LAUNCHES
    flags = [] if several else [Flag.ONE_PROCESS]
    if interval is None or interval.coverage < CONFIDENCE:
        flags.append(Flag.FEW_LAUNCHES if several else Flag.FEW_ROUNDS)
    if target is not None and interval is not None:
        wide = relative_half_width(interval, median(series.values)) > target
        flags += [Flag.WIDE] if wide else []
    return flags
