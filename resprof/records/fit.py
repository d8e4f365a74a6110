"""What `resprof memory` and `resprof budget` answer."""

from __future__ import annotations

from dataclasses import dataclass

from resprof.records.memory import (
    AllocatorSettings,
    Band,
    BudgetLimit,
    BudgetRow,
    LayerPrediction,
    LiveBytes,
    MemoryPeak,
    StagePrediction,
    TimelinePoint,
)
from resprof.records.recipe import Checkpoint, Optimizer, Precision, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryTotal:
    """The sum of the rows; in inference activations are the largest live set, not a sum."""

    activation_bytes: int
    at_peak_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryResult:
    """The predicted memory of one workload; ``rows`` are stages."""

    model: str
    title: str
    recipe: Recipe
    rows: tuple[StagePrediction, ...]
    total: MemoryTotal
    peak: MemoryPeak
    band: Band
    at_peak: tuple[LiveBytes, ...]
    activation_bytes: int
    layers: tuple[LayerPrediction, ...]
    timeline: tuple[TimelinePoint, ...]
    allocator: AllocatorSettings
    calibrated_on: str | None
    torch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRow:
    """The largest batch of one recipe of a grid; 0 where a batch of one does not fit."""

    precision: Precision
    optimizer: Optimizer | None
    checkpoint: Checkpoint | None
    max_batch: int
    max_batch_multiple_of_8: int
    unproven: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetResult:
    """The largest batch of one network within a budget; ``rows`` are kinds of allocator.

    ``recipe.batch`` is the answer, 1 where nothing fits.
    """

    model: str
    title: str
    recipe: Recipe
    rows: tuple[BudgetRow, ...]
    total: None = None
    max_batch: int
    limit_bytes: int
    limit: BudgetLimit
    peak: MemoryPeak | None
    grid: tuple[GridRow, ...] | None
    calibrated_on: str | None
    torch: str
