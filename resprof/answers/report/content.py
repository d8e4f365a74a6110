"""What a report is made of: everything that was counted, predicted and measured for it."""

from __future__ import annotations

from dataclasses import dataclass

from resprof.answers.bench.results import BenchResult
from resprof.answers.flops.counts import FlopsResult
from resprof.answers.networks import ShowResult
from resprof.answers.roofline.bounds import RooflineResult
from resprof.errors import Note
from resprof.memory.allocator import MemoryPeak
from resprof.memory.budget import BudgetRow
from resprof.memory.prediction import MemoryResult
from resprof.memory.replay import MemoryTimeline
from resprof.model.devices import Device
from resprof.model.environment import Environment
from resprof.model.published import CheckedClaim
from resprof.model.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Every network, counted for a forward pass and for a step, and every claim of the paper."""

    networks: tuple[FlopsResult, ...]
    steps: tuple[FlopsResult, ...]
    shapes: tuple[ShowResult, ...]
    claims: tuple[CheckedClaim, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The largest batch of a recipe on a device of the catalog, with the default allocator.

    ``margin`` is the share of its memory that is kept free. ``answer`` is None where the device
    does not compute in the recipe's precision.
    """

    model: str
    recipe: Recipe
    device: Device
    margin: float
    answer: BudgetRow | None

    @property
    def max_batch(self) -> int | None:
        """The largest batch, 0 where not even one image fits; None where there is no answer."""
        return self.answer.max_batch if self.answer else None

    @property
    def peak(self) -> MemoryPeak | None:
        """What that batch takes; None where there is none."""
        return self.answer.peak if self.answer else None


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
    timelines: tuple[MemoryTimeline, ...]
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
