"""What a report is made of: everything that was counted, predicted and measured for it."""

from __future__ import annotations

from dataclasses import dataclass

from resprof.answers.bench.results import BenchResult
from resprof.answers.flops.counts import FlopsResult
from resprof.answers.memory.fit import Fit
from resprof.answers.networks import ShowResult
from resprof.answers.roofline.bounds import RooflineResult
from resprof.errors import Note
from resprof.memory.prediction import MemoryResult
from resprof.memory.replay import MemoryTimeline
from resprof.model.environment import Environment
from resprof.model.published import CheckedClaim


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Every network, counted for a forward pass and for a step, and every claim of the paper."""

    networks: tuple[FlopsResult, ...]
    steps: tuple[FlopsResult, ...]
    shapes: tuple[ShowResult, ...]
    claims: tuple[CheckedClaim, ...]


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
