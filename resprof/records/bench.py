"""What `resprof bench` answers: figures made from the raw records of a run file.

Unknown is None. Times in seconds, rates per second, energy in joules.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from resprof.records.environment import DeviceKind
from resprof.records.plan import Metric
from resprof.records.recipe import Engine, OfWorkload, Precision, Recipe
from resprof.records.run import Outcome, Stop
from resprof.records.telemetry import ThrottlePolicy
from resprof.records.trace import Phase

NOT_MEASURED = frozenset({Outcome.FAILED, Outcome.HUNG, Outcome.CUT_SHORT})
"""Endings that leave a question open; running out of memory is an answer."""


class Over(StrEnum):
    """What an interval is over."""

    ROUNDS = "rounds"
    """Within one process."""
    LAUNCHES = "launches"


class Flag(StrEnum):
    """What a reader of a figure has to know."""

    ONE_PROCESS = "one process"
    """The interval is over rounds within one process, not over launches."""
    FEW_LAUNCHES = "few launches"
    """Too few launches for an interval of the confidence asked for."""
    FEW_ROUNDS = "few rounds"
    WIDE = "wide interval"
    """The interval is wider than was asked for when the time was up."""
    NOT_STEADY = "warm-up capped"
    """Call times had not settled when the warm-up's cap was reached."""
    DRIFT = "drift"
    """The rounds rise or fall steadily, by more than noise does."""
    LAUNCH_BOUND = "launch-bound"
    """The host takes about as long to issue a call as the device to run it."""
    THROTTLED = "throttled"
    """The driver lowered clocks for part of the time."""
    SHARED_GPU = "shared GPU"
    """Other processes computed on the device."""
    PERTURBED = "perturbed stages"
    """Instrumented calls take another time than clean ones."""
    NOT_FINITE = "not finite"
    """The network's output holds NaN or infinity."""
    HALVED = "halved"
    """A larger batch was asked for and ran out of memory."""
    CUT_SHORT = "cut short"
    """From a launch that did not end well; what it measured before counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottledShare:
    """The part of the time for which a policy lowered clocks."""

    policy: ThrottlePolicy
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRow:
    """One metric of a configuration.

    ``latency_*`` are seconds per call: the median of the rounds' (or launches') medians; a
    percentile is None where ``samples`` do not support it. ``throughput_images_per_s`` is all
    images over all time. ``latency_ci_s`` and ``throughput_ci`` are (low, high) of an interval for
    the median over ``ci_over`` that covers it with ``ci_coverage``. ``drift`` is the share by
    which rounds change from first to last, ``lag1`` the autocorrelation of neighbouring samples,
    ``issue_share`` the host's time to issue a call over the device's to run it. Energy per image is
    gross, and net of the device's idle power.
    """

    batch: int
    precision: Precision
    engine: Engine
    metric: Metric
    latency_median_s: float | None = None
    latency_ci_s: tuple[float, float] | None = None
    latency_p90_s: float | None = None
    latency_p95_s: float | None = None
    latency_p99_s: float | None = None
    throughput_images_per_s: float | None = None
    throughput_ci: tuple[float, float] | None = None
    ci_coverage: float | None = None
    ci_over: Over | None = None
    launches: int
    rounds: int
    samples: int
    stop: Stop | None = None
    peak_requested_bytes: int | None = None
    peak_allocated_bytes: int | None = None
    peak_reserved_bytes: int | None = None
    process_peak_bytes: int | None = None
    device_used_bytes: int | None = None
    activation_bytes: int | None = None
    energy_per_image_j: float | None = None
    energy_net_per_image_j: float | None = None
    images_per_j: float | None = None
    drift: float | None = None
    lag1: float | None = None
    issue_share: float | None = None
    sm_clock_hz: float | None = None
    throttled: tuple[ThrottledShare, ...] | None = None
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTime:
    """The time of a stage or phase in a call; ``stage`` is None for a whole phase.

    ``time_ci_s`` covers the median with ``ci_coverage``, over launches, or over rounds of a single
    one. ``share`` is its part of the instrumented call. ``macs`` are counted for the batch,
    ``None`` for what has none (loss, optimiser), ``macs_share`` their part of the call's, and
    ``flops_per_s`` is 2 x ``macs`` over the time.
    """

    phase: Phase
    stage: str | None
    time_s: float
    time_ci_s: tuple[float, float] | None
    ci_coverage: float | None = None
    share: float
    macs: int | None
    macs_share: float | None
    flops_per_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsCheck:
    """Instrumented against clean calls, in interleaved rounds; ``deviation`` is a share."""

    clean_s: float
    instrumented_s: float
    deviation: float
    perturbed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StageActivation:
    """Activation memory of a stage, measured, and predicted where there is a prediction."""

    stage: str
    measured_bytes: int
    predicted_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What was predicted for the same workload; allocator peaks on CUDA only."""

    activation_bytes: int
    peak_requested_bytes: int | None
    peak_allocated_bytes: int | None
    peak_reserved_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult(OfWorkload):
    """A configuration's figures, or why there are none; ``rows`` are its metrics.

    ``message`` is the last word of a process that ended badly. ``halved_from`` is the batch that
    was asked for where this one stands in for it.
    """

    model: str
    title: str
    recipe: Recipe
    rows: tuple[BenchRow, ...]
    total: None = None
    key: str
    classes: int
    in_channels: int
    width: float
    device: DeviceKind | None
    outcome: Outcome
    message: str | None
    halved_from: int | None
    first_call_s: float | None
    outputs_finite: bool | None
    parts: tuple[PartTime, ...] = ()
    parts_check: PartsCheck | None = None
    activations: tuple[StageActivation, ...] = ()
    predicted: Predicted | None = None
