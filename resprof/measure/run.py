"""What a measuring process is asked to do, and the raw samples that it says.

Everything derived (medians, intervals, flags) is made from these records when they are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from resprof.model.environment import DeviceKind, RoundTelemetry
from resprof.model.recipe import Phase, Workload

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


class Stop(StrEnum):
    """Why no further round was measured."""

    TARGET_MET = "target met"
    """The rounds that were planned gave the interval that was asked for."""
    ROUNDS_DONE = "rounds done"
    """No interval was asked for, or the most rounds were taken without reaching it."""
    TIME_LIMIT = "time limit"


class Outcome(StrEnum):
    """What became of a configuration. Out of memory is an answer, not a failure."""

    MEASURED = "measured"
    OUT_OF_MEMORY = "out of memory"
    FAILED = "failed"
    HUNG = "hung"
    """Ended from outside because it did not end by itself."""
    CUT_SHORT = "cut short"
    """Never closed: resprof itself was interrupted or killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchStart:
    """A process begins to measure a workload; ``launch`` counts those of the workload from 0.

    ``load`` is the one-minute load average. ``halved_from`` is the batch that was asked for and
    did not fit, None where this one was asked for.
    """

    key: str
    launch: int
    workload: Workload
    plan: Plan
    date: str
    """UTC, ISO 8601, to the second."""
    load: float | None
    halved_from: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Raw samples of one round, none dropped.

    A sample is the time of ``calls`` calls in seconds: one call each for latency; all calls of the
    round, back to back, for throughput. ``samples_s`` are by the device's clock, ``wall_s`` by the
    host's beside it; ``issue_s`` is how long the host took until the call returned to it. Both are
    None where the device's clock is the host's. ``index`` counts from 0.
    """

    key: str
    launch: int
    device: DeviceKind
    metric: Metric
    index: int
    calls: int
    samples_s: tuple[float, ...]
    wall_s: tuple[float, ...] | None = None
    issue_s: tuple[float, ...] | None = None
    telemetry: RoundTelemetry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A part of a call: a phase, or a stage of a phase. ``stage`` is None for a whole phase."""

    phase: Phase
    stage: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TiledRound:
    """A round of instrumented calls: for each call, the seconds of each tile in their order.

    The tiles of a call add up to the whole call.
    """

    key: str
    launch: int
    device: DeviceKind
    index: int
    tiles: tuple[Tile, ...]
    samples_s: tuple[tuple[float, ...], ...]
    telemetry: RoundTelemetry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyWindow:
    """Calls back to back between two readings of the device's energy counter.

    ``calls`` 0 is a window in which nothing ran: the device's idle power, its context alive.
    """

    key: str
    launch: int
    calls: int
    seconds: float
    energy_j: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """What ran before the first round; ``steady`` says whether call times had settled."""

    samples_s: tuple[float, ...]
    steady: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMemory:
    """Activation memory of a row of Table 1, or of the ``loss``."""

    stage: str
    activation_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """Memory of one call; None is unknown.

    On CUDA ``peak_requested_bytes`` and ``peak_allocated_bytes`` are the caching allocator's over
    one call (a graph's since its capture), ``peak_reserved_bytes`` what it has ever held.
    ``process_peak_bytes`` is what NVML says this process holds of the device afterwards, when its
    segments still stand, and ``device_used_bytes`` what is in use on the whole device, by whomever.
    On the CPU ``peak_allocated_bytes`` is the most that torch's allocator held at once, parameters
    and the temporaries of kernels included, and ``process_peak_bytes`` the process's peak resident
    size above what it had before the network was built.
    ``activation_bytes`` are those kept for backward, live at the end of forward, without
    parameters and input; in inference the largest live set. In training the stages add up to it,
    each storage counted in the stage that made it; in inference each stage has its own
    largest live set.
    """

    peak_requested_bytes: int | None = None
    peak_allocated_bytes: int | None = None
    peak_reserved_bytes: int | None = None
    process_peak_bytes: int | None = None
    device_used_bytes: int | None = None
    activation_bytes: int | None = None
    stages: tuple[StageMemory, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a process says of its configuration when the rounds are done."""

    device: DeviceKind
    first_call_s: float
    warm_up: WarmUp
    stop: Stop
    outputs_finite: bool
    memory: MemoryUse


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchEnd:
    """A process has ended; ``observed`` is None unless it got to its end.

    ``message`` is its last word, None where it ended well.
    """

    key: str
    launch: int
    outcome: Outcome
    message: str | None
    observed: Observation | None
