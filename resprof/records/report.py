"""What a report is made of: everything that was counted, predicted and measured for it."""

from __future__ import annotations

from dataclasses import dataclass

from resprof.records.answer import Note
from resprof.records.bench import BenchResult
from resprof.records.claim import CheckedClaim
from resprof.records.environment import Environment
from resprof.records.fit import MemoryResult
from resprof.records.flops import FlopsResult
from resprof.records.memory_course import MemoryCourse
from resprof.records.networks import ShowResult
from resprof.records.recipe import Recipe
from resprof.records.roofline import RooflineResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Every network, counted for a forward pass and for a step, and every claim of the paper."""

    networks: tuple[FlopsResult, ...]
    steps: tuple[FlopsResult, ...]
    shapes: tuple[ShowResult, ...]
    claims: tuple[CheckedClaim, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The largest batch of a recipe on a device of the catalog.

    ``margin`` is the share of its memory that is kept free. ``max_batch`` is 0 where not even one
    image fits and None where the device does not compute in the recipe's precision.
    ``process_bytes`` is what that batch takes, ``needed_bytes`` the same without what is only
    cached. Beyond ``max_proven_batch`` a tensor has 2^31 elements or more.
    """

    model: str
    recipe: Recipe
    device: str
    device_name: str
    memory_bytes: int
    margin: float
    max_batch: int | None = None
    max_batch_multiple_of_8: int | None = None
    max_proven_batch: int | None = None
    process_bytes: int | None = None
    needed_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What was predicted, with the operators of which torch, and what that takes for granted.

    ``memory`` is each network by each recipe at one batch size; ``curves`` the same at rising
    ones, recipe by recipe.
    """

    torch: str
    fits: tuple[Fit, ...]
    memory: tuple[MemoryResult, ...]
    curves: tuple[tuple[MemoryResult, ...], ...]
    courses: tuple[MemoryCourse, ...]
    rooflines: tuple[RooflineResult, ...]
    assumptions: tuple[Note, ...]
    roofline_notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedStep:
    """A training step whose time is known by stage, and what it costs."""

    result: BenchResult
    counts: FlopsResult


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredDevice:
    """A run on a device; ``folder`` is its name as a folder's."""

    folder: str
    environment: Environment
    results: tuple[BenchResult, ...]
    staged: tuple[StagedStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """All of it; ``measured`` has this machine's run first, ``predicted`` is None without torch."""

    counted: Counted
    predicted: Predicted | None
    measured: tuple[MeasuredDevice, ...]
