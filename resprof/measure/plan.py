"""What a child process is asked to do: a workload, on which device, and how long to measure it."""

from __future__ import annotations

from dataclasses import dataclass

from resprof.records.environment import DeviceKind
from resprof.records.recipe import Workload
from resprof.records.run import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long to warm up and to measure; times in seconds.

    The number of rounds is fixed beforehand: a rule that looks at the samples and stops when it
    likes them lowers the coverage of the interval. ``round_s`` is the length of a round that the
    limit leaves room for; six rounds are the fewest that give an interval of 95%.
    """

    metrics: tuple[Metric, ...] = (Metric.LATENCY, Metric.THROUGHPUT)
    rounds: int = 6
    round_s: float = 1.0
    warm_up_calls: int = 10
    warm_up_s: float = 3.0
    warm_up_share: float = 0.25
    """The part of the limit after which the warm-up is cut off."""
    time_limit_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the parent hands to the child.

    ``subject`` names, as ``module:function``, what makes a ``Subject`` of the workload: the child
    measures whatever that is and knows no network. ``device`` None is CUDA where there is any.
    """

    workload: Workload
    subject: str
    device: DeviceKind | None
    plan: Plan
