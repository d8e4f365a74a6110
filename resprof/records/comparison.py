"""What `resprof compare` answers: runs held against a baseline, configuration by configuration."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from resprof.records.bench import Flag, Over
from resprof.records.environment import DeviceKind
from resprof.records.published import PublishedResult
from resprof.records.recipe import OfWorkload, Recipe, Workload
from resprof.records.run import Outcome


class Quantity(StrEnum):
    """What is compared, by the name that the figure has in a row of `resprof bench`."""

    LATENCY = "latency_median_s"
    THROUGHPUT = "throughput_images_per_s"
    MEMORY = "peak_allocated_bytes"
    ENERGY = "energy_per_image_j"


class SpeedVerdict(StrEnum):
    """What a comparison allows to say of the candidate."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    """Any difference is smaller than the margin."""
    INCONCLUSIVE = "inconclusive"
    """More or quieter values are needed."""


class Presence(StrEnum):
    """Which of the two runs has tried a configuration."""

    BOTH = "both"
    BASELINE_ONLY = "baseline only"
    CANDIDATE_ONLY = "candidate only"


class Concern(StrEnum):
    """Of what kind a difference between environments is, that which weighs most first."""

    DEVICE = "device"
    LIBRARIES = "driver and libraries"
    SETTINGS = "settings"
    HOST = "host"
    SPECIMEN = "which card"
    """Another card of the same kind: its own silicon, cooling and place."""
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDevice:
    """What ran; figures of two devices are never called faster or slower than each other."""

    kind: DeviceKind
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLabel:
    """A run by the file that the user named, and what tells it from another of its kind.

    ``date`` is that of its last environment, ``load`` the highest one-minute load average at the
    start of a launch, ``launches`` are all that were started.
    """

    name: str
    date: str
    device: RunDevice
    torch: str | None
    driver: str | None
    load: float | None
    launches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentDifference:
    """A field of the environment by its path, and its value on either side."""

    concern: Concern
    field: str
    baseline: object
    candidate: object


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
