"""What every predicted table says of itself: the recipe, the calibration, the assumptions."""

from __future__ import annotations

from collections.abc import Sequence

from resprof.records.answer import Note
from resprof.records.recipe import Checkpoint, Mode, Recipe
from resprof.records.table import Column, Form, Origin, Table


def recipe_text(recipe: Recipe, *, batch: bool = True) -> str:
    """The whole recipe in one line."""
    height, width = recipe.image
    parts = ["training step" if recipe.mode is Mode.TRAIN else "inference"]
    if batch:
        parts.append(f"batch {recipe.batch}")
    parts += [f"{height}x{width}", recipe.precision.value, recipe.memory_format.value]
    if recipe.mode is Mode.TRAIN:
        parts += [
            f"{recipe.optimizer} ({recipe.optimizer_impl})",
            f"accumulate {recipe.accumulate}",
            f"checkpoint {recipe.checkpoint}",
        ]
    parts.append(recipe.engine.value)
    if recipe.cudnn_benchmark:
        parts.append("cudnn.benchmark")
    return ", ".join(parts)


def training_text(recipe: Recipe) -> str | None:
    """What a training step does beside forward and backward; None in inference."""
    if recipe.mode is not Mode.TRAIN:
        return None
    parts = [f"{recipe.optimizer} ({recipe.optimizer_impl})"]
    if (recipe.accumulate or 1) > 1:
        parts.append(f"accumulate {recipe.accumulate}")
    if recipe.checkpoint not in {None, Checkpoint.NONE}:
        parts.append(f"checkpoint {recipe.checkpoint}")
    return ", ".join(parts)


def calibration_text(device: str | None) -> str:
    """On which device what only a GPU takes was measured, if on any."""
    return f"calibrated on {device}" if device else "uncalibrated"


def assumptions_table(assumptions: Sequence[Note]) -> Table:
    """What the prediction takes for granted."""
    return Table(
        name="assumptions",
        title="What this assumes",
        columns=(
            Column(key="code", title="about"),
            Column(key="message", title="assumption", form=Form.PROSE),
        ),
        rows=tuple((note.code, note.message) for note in assumptions),
    )


def bytes_column(key: str, title: str, priority: int) -> Column:
    """A column of predicted bytes."""
    return Column(key=key, title=title, form=Form.BYTES, origin=Origin.PREDICTED, priority=priority)
