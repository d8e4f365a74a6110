"""What `resprof validate` answers: predictions held against what was measured on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from resprof.records.environment import Environment
from resprof.records.recipe import Recipe
from resprof.records.trace import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseCheck:
    """The most live bytes in one phase, over all steps."""

    phase: Phase
    predicted_bytes: int
    measured_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationRow:
    """One workload: the most live bytes of tensors, without an allocator between.

    ``error`` is the prediction's deviation as a share of what was measured.
    """

    model: str
    recipe: Recipe
    predicted_bytes: int
    measured_bytes: int
    error: float
    within: bool
    phases: tuple[PhaseCheck, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationResult:
    """All workloads; ``tolerance`` is a share."""

    model: None = None
    recipe: None = None
    device: str
    tolerance: float
    rows: tuple[ValidationRow, ...]
    total: None = None
    environment: Environment
