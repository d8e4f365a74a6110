"""What disturbed a measurement, and from where on it is said. Nothing is discarded for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median

from resprof.records.bench import Flag, ThrottledShare
from resprof.records.run import Round
from resprof.records.telemetry import RoundTelemetry, ThrottlePolicy
from resprof.statistics.series import drift

LAUNCH_BOUND_SHARE = 0.8
"""Of the device's time, the host's time to issue a call: trtexec warns from here on."""
GRAPH_GAIN = 1.10
"""Eager over CUDA graph: what the graph saves is the host's part."""
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
