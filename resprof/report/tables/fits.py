"""What fits where: the largest batch of each network on each device, predicted."""

from __future__ import annotations

from collections.abc import Sequence

from resprof.records.recipe import Mode, Recipe
from resprof.records.report import Fit
from resprof.records.table import Column, Form, Origin, Table
from resprof.report.tables.recipe import bytes_column
from resprof.units import format_bytes, format_count, format_percent

_PREDICTED = Origin.PREDICTED
_TITLE = "The largest batch that fits, predicted"


def recipe_words(recipe: Recipe) -> str:
    """What tells the recipes of this table apart."""
    return f"{'training' if recipe.mode is Mode.TRAIN else 'inference'}, {recipe.precision}"


def fits_matrix(fits: Sequence[Fit], torch: str) -> Table:
    """A row for each network and recipe, a column for each device."""
    devices = dict.fromkeys((fit.device, fit.device_name) for fit in fits)
    cells = {(fit.model, fit.recipe, fit.device): fit.max_batch for fit in fits}
    rows = dict.fromkeys((fit.model, fit.recipe) for fit in fits)
    return Table(
        name="fits",
        title=_TITLE,
        subtitle=_subtitle(fits, torch),
        columns=(
            Column(key="model", title="model"),
            Column(key="recipe", title="recipe"),
            *(
                Column(key=f"{device}_max_batch", title=name, form=Form.COUNT, origin=_PREDICTED)
                for device, name in devices
            ),
        ),
        rows=tuple(
            (
                model,
                recipe_words(recipe),
                *(cells.get((model, recipe, device)) for device, _ in devices),
            )
            for model, recipe in rows
        ),
        notes=_notes(fits),
    )


def fits_table(fits: Sequence[Fit], torch: str) -> Table:
    """The same with a row for each device and all that is known of the answer."""
    return Table(
        name="fits",
        title=_TITLE,
        subtitle=_subtitle(fits, torch),
        columns=(
            Column(key="model", title="model"),
            Column(key="mode", title="mode"),
            Column(key="precision", title="precision"),
            Column(key="image", title="image", form=Form.SHAPE),
            Column(key="device", title="device"),
            Column(
                key="device_memory_bytes",
                title="memory",
                form=Form.BYTES,
                origin=Origin.PUBLISHED,
            ),
            _count("max_batch", "largest"),
            _count("max_batch_multiple_of_8", "multiple of 8"),
            _count("max_proven_batch", "below 2^31"),
            bytes_column("process_bytes", "process", 1),
        ),
        rows=tuple(
            (
                fit.model,
                fit.recipe.mode.value,
                fit.recipe.precision.value,
                fit.recipe.image,
                fit.device,
                fit.memory_bytes,
                fit.max_batch,
                fit.max_batch_multiple_of_8,
                fit.max_proven_batch,
                fit.process_bytes,
            )
            for fit in fits
        ),
        notes=_notes(fits),
    )


def _subtitle(fits: Sequence[Fit], torch: str) -> str:
    trained = next((fit.recipe for fit in fits if fit.recipe.mode is Mode.TRAIN), None)
    step = f"; training with {trained.optimizer} ({trained.optimizer_impl})" if trained else ""
    height, width = fits[0].recipe.image
    return (
        f"images of {height}x{width}, contiguous, eager{step}; default allocator, uncalibrated; "
        f"{format_percent(fits[0].margin, 0)} of the memory kept free; traced with torch {torch}"
    )


def _notes(fits: Sequence[Fit]) -> tuple[str, ...]:
    found = []
    lacking = dict.fromkeys(
        (fit.device_name, fit.recipe.precision) for fit in fits if fit.max_batch is None
    )
    for device in dict.fromkeys(device for device, _ in lacking):
        needing = " and ".join(precision for each, precision in lacking if each == device)
        found.append(f"\N{EM DASH}: {device} does not compute in the type of {needing}.")
    unproven = [
        fit.max_proven_batch
        for fit in fits
        if fit.max_batch and fit.max_proven_batch and fit.max_proven_batch < fit.max_batch
    ]
    if unproven:
        found.append(
            f"Above {format_count(min(unproven))} images a tensor passes 2^31 elements: kernels "
            "count otherwise there, and such a batch is unproven."
        )
    if any(fit.max_batch == 0 for fit in fits):
        found.append("0: not even one image fits.")
    memory = "; ".join(
        f"{name} {format_bytes(size)}"
        for name, size in dict.fromkeys((fit.device_name, fit.memory_bytes) for fit in fits)
    )
    found.append(f"Memory as the vendors print it, with 1 GB = 10^9 bytes: {memory}.")
    return tuple(found)


def _count(key: str, title: str) -> Column:
    return Column(key=key, title=title, form=Form.COUNT, origin=_PREDICTED)
