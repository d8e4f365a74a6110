"""What a measuring process is asked to do: a workload, on which device, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from resprof.records.recipe import Workload

ENERGY_S = 5.0
"""A counter that steps ten times a second is off by up to 2% of this at either end."""


class Metric(StrEnum):
    """One batch in flight, or calls back to back; the two are never mixed."""

    LATENCY = "latency"
    THROUGHPUT = "throughput"


class OnOom(StrEnum):
    """What follows a batch that runs out of memory."""

    RECORD = "record"
    HALVE = "halve"
    """Half of it is measured in its place, as often as it takes."""


class Tiling(StrEnum):
    """What instrumented calls are divided into, in rounds of their own beside the clean ones."""

    NONE = "none"
    PHASES = "phases"
    """Forward, backward, optimiser; of a training step only."""
    STAGES = "stages"
    """The rows of Table 1, forward and, in training, backward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long to warm up and to measure; times in seconds, shares of one.

    A round is ``round_s`` long and has ``round_calls`` calls at least, where the limit leaves room:
    rounds of few samples resemble their neighbours. At least ``least_rounds`` are taken of each
    metric, unless ``time_limit_s``, which runs from the end of the first call, is over before: six
    are the fewest that give an interval of 95%. What they scatter by decides how many rounds the
    asked half-width ``target_ci`` (a share of the median) wants; None asks for no more.
    ``energy_s`` is the window over which energy is read, 0 for none.
    """

    metrics: tuple[Metric, ...] = (Metric.LATENCY, Metric.THROUGHPUT)
    tiling: Tiling = Tiling.NONE
    target_ci: float | None = 0.005
    least_rounds: int = 6
    most_rounds: int = 60
    round_s: float = 0.5
    round_calls: int = 5
    warm_up_calls: int = 10
    warm_up_s: float = 3.0
    warm_up_share: float = 0.25
    """The part of the limit after which the warm-up is cut off."""
    time_limit_s: float = 60.0
    energy_s: float = ENERGY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the parent hands to the child.

    ``subject`` names, as ``module:function``, what makes a subject of the workload: the child
    measures whatever that is and knows no network. ``device`` is ``cpu``, ``cuda`` or ``cuda:N``;
    None is CUDA where there is any. ``launch`` counts the processes of a workload from 0;
    ``idle`` asks for a window of the idle device's energy first.
    """

    workload: Workload
    subject: str
    device: str | None
    plan: Plan
    launch: int = 0
    idle: bool = False
