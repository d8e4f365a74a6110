"""What fits: the largest batch of each network, by recipe and device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter

from resprof.answers.memory.budget import batch_column
from resprof.answers.report.charts import short_recipe
from resprof.answers.report.content import Fit
from resprof.answers.workloads import bytes_column, recipe_column
from resprof.model.devices import Device
from resprof.model.recipe import Mode
from resprof.render.table import Column, Form, Origin, Table, tabulate
from resprof.units import format_bytes, format_count, format_percent

_FITS_TITLE = "Largest batch that fits, predicted"


def fits_matrix(fits: Sequence[Fit], torch: str) -> Table:
    """A row for each network and recipe, a column for each device."""
    batches = {(fit.model, fit.recipe, fit.device): fit.max_batch for fit in fits}

    def on(device: Device) -> Column:
        return batch_column(
            f"{device.id}_max_batch",
            device.name,
            value=lambda row: batches.get((*row, device)),
        )

    return tabulate(
        (
            Column(key="model", title="model", value=itemgetter(0)),
            Column(key="recipe", title="recipe", value=lambda row: short_recipe(row[1])),
            *(on(device) for device in dict.fromkeys(fit.device for fit in fits)),
        ),
        dict.fromkeys((fit.model, fit.recipe) for fit in fits),
        name="fits",
        title=_FITS_TITLE,
        subtitle=_fits_subtitle(fits, torch),
        notes=tuple(_fits_notes(fits)),
    )


def fits_table(fits: Sequence[Fit], torch: str) -> Table:
    """The same with a row for each device and all that is known of the answer."""
    return tabulate(
        (
            Column(key="model", title="model"),
            recipe_column("mode"),
            recipe_column("precision"),
            recipe_column("image", form=Form.SHAPE),
            Column(key="device", title="device", value=lambda fit: fit.device.id),
            Column(
                key="device_memory_bytes",
                title="memory",
                form=Form.BYTES,
                origin=Origin.PUBLISHED,
                value=lambda fit: fit.device.memory_bytes,
            ),
            batch_column("max_batch", "largest"),
            batch_column(
                "max_batch_multiple_of_8",
                "multiple of 8",
                value=lambda fit: fit.answer and fit.answer.max_batch_multiple_of_8,
            ),
            batch_column(
                "max_proven_batch",
                "32-bit safe",
                value=lambda fit: fit.answer and fit.answer.max_proven_batch,
            ),
            bytes_column(
                "process_bytes", "process", 1, lambda fit: fit.peak and fit.peak.process_bytes
            ),
        ),
        fits,
        name="fits",
        title=_FITS_TITLE,
        subtitle=_fits_subtitle(fits, torch),
        notes=tuple(_fits_notes(fits)),
    )


def _fits_subtitle(fits: Sequence[Fit], torch: str) -> str:
    trained = next((fit.recipe for fit in fits if fit.recipe.mode is Mode.TRAIN), None)
    step = f"; training with {trained.optimizer} ({trained.optimizer_impl})" if trained else ""
    height, width = fits[0].recipe.image
    return (
        f"images of {height}x{width}, contiguous, eager{step}; default allocator, uncalibrated; "
        f"{format_percent(fits[0].margin, 0)} of the memory kept free; traced with torch {torch}"
    )


def _fits_notes(fits: Sequence[Fit]) -> Iterator[str]:
    lacking = dict.fromkeys(
        (fit.device.name, fit.recipe.precision.arithmetic) for fit in fits if fit.answer is None
    )
    for device in dict.fromkeys(device for device, _ in lacking):
        missing = " and ".join(rate for each, rate in lacking if each == device)
        yield f"\N{EM DASH}: {device} has no {missing}."
    answers = [fit.answer for fit in fits if fit.answer is not None]
    unproven = [row.max_proven_batch for row in answers if row.unproven and row.max_proven_batch]
    if unproven:
        yield (
            f"Above {format_count(min(unproven))} images a tensor exceeds 2^31 elements; kernels "
            "switch to 64-bit indexing there; not verified."
        )
    if any(row.max_batch == 0 for row in answers):
        yield "0: not even one image fits."
    memory = "; ".join(
        f"{device.name} {format_bytes(device.memory_bytes)}"
        for device in dict.fromkeys(fit.device for fit in fits)
    )
    yield f"Device memory as published by the vendors, with 1 GB = 10^9 bytes: {memory}."
