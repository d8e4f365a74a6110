"""Does it fit: a workload's predicted memory, and the largest batch within a budget.

Everything is predicted: nothing here needs a GPU, and a trace that is cached needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from resprof.answers.memory.traces import trace_workload
from resprof.counting.cost import Kind
from resprof.counting.walk import count
from resprof.errors import Note, UsageError
from resprof.memory.allocator import DEFAULT
from resprof.memory.budget import budget, budget_limit
from resprof.memory.calibration import Calibration, shape_text
from resprof.memory.overlay import Overlay, calibrated_overlay, default_overlay
from resprof.memory.prediction import (
    Band,
    Budget,
    BudgetLimit,
    BudgetRow,
    LayerPrediction,
    LiveBytes,
    MemoryPeak,
    StagePrediction,
    TimelinePoint,
    predict,
)
from resprof.memory.rules import AllocatorKind, AllocatorSettings
from resprof.memory.trace import Trace
from resprof.model.architecture import Architecture
from resprof.model.networks import describe
from resprof.model.recipe import Checkpoint, Mode, Optimizer, Precision, Recipe


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


_GRID_PRECISIONS = (Precision.FP32, Precision.AMP_BF16, Precision.BF16)
_SPARE = Note(
    code="spare",
    message="the device has memory to spare: where it is short, cached segments are given back and "
    "less is reserved; resprof budget says what fits",
)
_SEARCHED_FROM = 2
"""A trace for all batch sizes is made from two small ones, of which this is the smaller."""


def predict_memory(
    architecture: Architecture,
    recipe: Recipe,
    *,
    calibration: Calibration | None = None,
    capability: tuple[int, int] | None = None,
    settings: AllocatorSettings = DEFAULT,
) -> tuple[MemoryResult, tuple[Note, ...]]:
    """The memory of one workload on a GPU, and what that assumes."""
    trace = trace_workload(architecture, recipe)
    overlay = _overlay(architecture, recipe, calibration, capability)
    assumptions = (*_assumptions(recipe, trace, calibration), _SPARE)
    found = predict(trace, recipe.batch, overlay, settings, assumptions=assumptions)
    result = MemoryResult(
        model=architecture.id,
        title=describe(architecture),
        recipe=recipe,
        rows=found.rows,
        total=MemoryTotal(
            activation_bytes=found.activation_bytes,
            at_peak_bytes=sum(row.at_peak_bytes for row in found.rows),
        ),
        peak=found.peak,
        band=found.band,
        at_peak=found.at_peak,
        activation_bytes=found.activation_bytes,
        layers=found.layers,
        timeline=found.timeline,
        allocator=found.allocator,
        calibrated_on=found.calibrated_on,
        torch=found.torch,
    )
    return result, found.assumptions


def largest_batch(
    architecture: Architecture,
    recipe: Recipe,
    *,
    total_bytes: int,
    used_bytes: int = 0,
    margin: float = 0.0,
    calibration: Calibration | None = None,
    capability: tuple[int, int] | None = None,
    grid: bool = False,
    kinds: Sequence[AllocatorKind] = tuple(AllocatorKind),
) -> tuple[BudgetResult, tuple[Note, ...]]:
    """The largest batch that fits into a device's memory, and what that assumes.

    ``recipe.batch`` is not looked at; ``kinds`` are the allocators that are asked, the first of
    which gives the answer. With ``grid`` also the largest batches over precision,
    optimiser and checkpointing, for the default allocator.
    """
    overlay = _overlay(architecture, recipe, calibration, capability)
    limit = budget_limit(total_bytes, overlay.context_bytes, used_bytes=used_bytes, margin=margin)
    found = _search(architecture, recipe, overlay, limit, kinds=kinds, calibration=calibration)
    result = BudgetResult(
        model=architecture.id,
        title=describe(architecture),
        recipe=replace(recipe, batch=max(found.max_batch, 1)),
        rows=found.rows,
        max_batch=found.max_batch,
        limit_bytes=found.limit_bytes,
        limit=found.limit,
        peak=found.peak,
        grid=tuple(_grid(architecture, recipe, overlay, limit)) if grid else None,
        calibrated_on=found.calibrated_on,
        torch=found.torch,
    )
    return result, found.assumptions


def _search(
    architecture: Architecture,
    recipe: Recipe,
    overlay: Overlay,
    limit: BudgetLimit,
    *,
    kinds: Sequence[AllocatorKind],
    calibration: Calibration | None = None,
) -> Budget:
    searched = replace(recipe, batch=_SEARCHED_FROM)
    trace = trace_workload(architecture, searched)
    if len(trace.batches) == 1:
        raise UsageError(
            f"the events of {architecture.id} are not the same at every batch size with this "
            "recipe, so no largest one can be searched",
            hint="ask for one batch size: resprof memory --batch N",
        )
    assumptions = _assumptions(recipe, trace, calibration)
    return budget(trace, limit, overlay, kinds=kinds, assumptions=assumptions)


def _grid(
    architecture: Architecture, recipe: Recipe, overlay: Overlay, limit: BudgetLimit
) -> Iterator[GridRow]:
    train = recipe.mode is Mode.TRAIN
    optimizers: Sequence[Optimizer | None] = tuple(Optimizer) if train else (None,)
    checkpoints: Sequence[Checkpoint | None] = tuple(Checkpoint) if train else (None,)
    for precision, checkpoint, optimizer in product(_GRID_PRECISIONS, checkpoints, optimizers):
        changed = replace(recipe, precision=precision, checkpoint=checkpoint, optimizer=optimizer)
        (row,) = _search(architecture, changed, overlay, limit, kinds=(AllocatorKind.DEFAULT,)).rows
        yield GridRow(
            precision=precision,
            optimizer=optimizer,
            checkpoint=checkpoint,
            max_batch=row.max_batch,
            max_batch_multiple_of_8=row.max_batch_multiple_of_8,
            unproven=row.unproven,
        )


def _overlay(
    architecture: Architecture,
    recipe: Recipe,
    calibration: Calibration | None,
    capability: tuple[int, int] | None,
) -> Overlay:
    if calibration is None:
        return default_overlay(capability)
    shapes = {
        placed.name: shape_text(placed.layer, recipe.precision, recipe.memory_format)
        for placed in count(architecture).layers()
        if placed.layer.kind in {Kind.CONV, Kind.BN}
    }
    return calibrated_overlay(calibration, shapes)


def _assumptions(recipe: Recipe, trace: Trace, calibration: Calibration | None) -> tuple[Note, ...]:
    """What the traced steps do and leave out, and whether a calibration is of another torch."""
    version = _release(trace.torch)
    notes = [
        Note(
            code="traced",
            message=f"the operators of torch {version}, traced without a GPU; one batch in flight, "
            "no data loader, no EMA, no DDP",
        )
    ]
    if recipe.mode is Mode.TRAIN:
        notes.append(
            Note(
                code="step",
                message="two steps with cross-entropy loss; gradients are set to None before each",
            )
        )
    if recipe.precision.scaled and recipe.mode is Mode.TRAIN:
        notes.append(Note(code="scaler", message="a GradScaler's three scalars are counted"))
    if calibration is not None and _release(calibration.torch) != version:
        notes.append(
            Note(
                code="calibrated-torch",
                message=f"calibrated with torch {_release(calibration.torch)}, predicted for "
                f"{version}: another release may take other workspaces",
            )
        )
    return tuple(notes)


def _release(torch: str) -> str:
    """Without the build, which makes no difference to the operators."""
    return torch.partition("+")[0]
