"""Does it fit: a workload's predicted memory, and the largest batch within a budget.

Everything is predicted: nothing here needs a GPU, and a trace that is cached needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from resprof.answers.memory.traces import trace_workload
from resprof.counting.cost import Kind
from resprof.counting.walk import count
from resprof.errors import Note, UsageError
from resprof.memory.allocator import MemoryPeak
from resprof.memory.budget import BudgetLimit, BudgetRow, budget_limit, largest_batches
from resprof.memory.calibration import Calibration, shape_text
from resprof.memory.overlay import Overlay, assumptions_of, calibrated_overlay, default_overlay
from resprof.memory.prediction import MemoryResult, predict
from resprof.memory.rules import AllocatorKind
from resprof.memory.trace import Trace
from resprof.model.architecture import Architecture
from resprof.model.devices import Device
from resprof.model.networks import describe
from resprof.model.recipe import Checkpoint, Mode, Optimizer, Precision, Recipe


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

    The first row is the answer; ``recipe.batch`` is its batch, 1 where nothing fits.
    """

    model: str
    title: str
    recipe: Recipe
    rows: tuple[BudgetRow, ...]
    limit: BudgetLimit
    grid: tuple[GridRow, ...] | None
    calibrated_on: str | None
    torch: str

    @property
    def max_batch(self) -> int:
        """The largest batch; 0 where a batch of one does not fit."""
        return self.rows[0].max_batch

    @property
    def peak(self) -> MemoryPeak | None:
        """What that batch takes; None where there is none."""
        return self.rows[0].peak

    @property
    def limit_bytes(self) -> int:
        """What the allocator may take."""
        return self.limit.limit_bytes

    def json_fields(self) -> Mapping[str, object]:
        """With the answer beside the rows."""
        return {
            "model": self.model,
            "title": self.title,
            "recipe": self.recipe,
            "rows": self.rows,
            "total": None,
            "max_batch": self.max_batch,
            "limit_bytes": self.limit_bytes,
            "limit": self.limit,
            "peak": self.peak,
            "grid": self.grid,
            "calibrated_on": self.calibrated_on,
            "torch": self.torch,
        }


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
    kind: AllocatorKind = AllocatorKind.DEFAULT,
) -> tuple[MemoryResult, tuple[Note, ...]]:
    """The memory of one workload on a GPU, and what that assumes."""
    trace = trace_workload(architecture, recipe)
    overlay = _overlay(architecture, recipe, calibration, capability)
    result = predict(
        trace, recipe, overlay, kind, model=architecture.id, title=describe(architecture)
    )
    assumed = _assumptions(recipe, trace, calibration)
    return result, (*assumed, _SPARE, *assumptions_of(overlay, kind))


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
    trace = _trace_for_all_batches(architecture, recipe)
    rows = largest_batches(trace, limit, overlay, kinds=kinds)
    result = BudgetResult(
        model=architecture.id,
        title=describe(architecture),
        recipe=replace(recipe, batch=max(rows[0].max_batch, 1)),
        rows=rows,
        limit=limit,
        grid=tuple(_grid(architecture, recipe, overlay, limit)) if grid else None,
        calibrated_on=overlay.calibrated_on,
        torch=trace.torch,
    )
    modelled = [note for kind in kinds for note in assumptions_of(overlay, kind)]
    assumed = _assumptions(recipe, trace, calibration)
    return result, tuple(dict.fromkeys((*assumed, *modelled)))


def _trace_for_all_batches(architecture: Architecture, recipe: Recipe) -> Trace:
    trace = trace_workload(architecture, replace(recipe, batch=_SEARCHED_FROM))
    if len(trace.batches) == 1:
        raise UsageError(
            f"the events of {architecture.id} are not the same at every batch size with this "
            "recipe, so no largest one can be searched",
            hint="ask for one batch size: resprof memory --batch N",
        )
    return trace


def _grid(
    architecture: Architecture, recipe: Recipe, overlay: Overlay, limit: BudgetLimit
) -> Iterator[GridRow]:
    train = recipe.mode is Mode.TRAIN
    optimizers: Sequence[Optimizer | None] = tuple(Optimizer) if train else (None,)
    checkpoints: Sequence[Checkpoint | None] = tuple(Checkpoint) if train else (None,)
    for precision, checkpoint, optimizer in product(_GRID_PRECISIONS, checkpoints, optimizers):
        changed = replace(recipe, precision=precision, checkpoint=checkpoint, optimizer=optimizer)
        trace = _trace_for_all_batches(architecture, changed)
        (row,) = largest_batches(trace, limit, overlay, kinds=(AllocatorKind.DEFAULT,))
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
