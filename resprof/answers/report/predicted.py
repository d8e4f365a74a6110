"""The predicted part of a report: what fits where, where memory goes, what bounds the time.

Nothing here needs a GPU; the traces of a first time are kept, and make the next one quicker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from operator import itemgetter

from resprof.answers.memory.budget import batch_column, largest_batch
from resprof.answers.memory.prediction import (
    memory_overview,
    memory_sheet,
    predict_memory,
    stage_rows,
)
from resprof.answers.memory.traces import trace_workload
from resprof.answers.report.charts import (
    memory_chart,
    roofline_chart,
    short_recipe,
    stages_chart,
    timeline_chart,
)
from resprof.answers.report.content import Counted, Fit, Predicted
from resprof.answers.roofline.bounds import RooflineResult
from resprof.answers.roofline.peaks import computes_in
from resprof.answers.roofline.roofline import Against, roofline
from resprof.answers.workloads import assumptions_table, bytes_column, recipe_column
from resprof.errors import Note
from resprof.memory.budget import MARGIN
from resprof.memory.overlay import default_overlay
from resprof.memory.prediction import MemoryResult
from resprof.memory.replay import MemoryTimeline, memory_timeline
from resprof.memory.rules import AllocatorKind
from resprof.model.architecture import Architecture
from resprof.model.devices import Device
from resprof.model.devices import device as device_by_id
from resprof.model.networks import resolve
from resprof.model.recipe import Mode, Precision, Recipe, infer, train
from resprof.render.chart import Chart, chart_table, slug
from resprof.render.document import Exhibit
from resprof.render.table import Column, Form, Origin, Table, tabulate
from resprof.units import format_bytes, format_count, format_percent

NETWORKS = ("resnet18", "resnet50", "resnet50-v1.5", "resnet101", "resnet152")
DEVICES = ("t4", "a10", "a100-sxm4-40gb", "a100-sxm4-80gb", "h100-sxm", "h200-sxm")
_BATCH = 32
_CURVE = (1, 4, 16, 64, 256, 1024, 4096)
_ROOFLINE_DEVICE, _ROOFLINE_BATCH = "h100-sxm", 256


def predicted(
    networks: Sequence[str] = NETWORKS, *, say: Callable[[str], None] = lambda _: None
) -> Predicted:
    """Everything that a report predicts of these networks.

    Raises ``EnvironmentMissing`` where torch is missing.
    """
    fits: list[Fit] = []
    curves: list[tuple[MemoryResult, ...]] = []
    notes: dict[Note, None] = {}
    architectures = [resolve(name) for name in networks]
    for number, architecture in enumerate(architectures, start=1):
        say(f"[{number}/{len(networks)}] predicting {architecture.id}")
        for recipe in _recipes(architecture):
            fits += [_fit(architecture, recipe, device) for device in _devices()]
            curve = [predict_memory(architecture, each) for each in _at_batches(recipe)]
            curves.append(tuple(result for result, _ in curve))
            notes |= dict.fromkeys(note for _, assumed in curve for note in assumed)
    rooflines = [_roofline(architecture) for architecture in architectures]
    memory = tuple(result for curve in curves for result in curve if result.recipe.batch == _BATCH)
    return Predicted(
        torch=memory[0].torch.partition("+")[0],
        fits=tuple(fits),
        memory=memory,
        curves=tuple(
            tuple(result for result in curve if result.recipe.batch in _CURVE) for curve in curves
        ),
        timelines=tuple(_timeline(architecture) for architecture in architectures),
        rooflines=tuple(result for result, _ in rooflines),
        assumptions=tuple(notes),
        roofline_notes=tuple(
            dict.fromkeys(
                _of_network(result.model, note) for result, each in rooflines for note in each
            )
        ),
    )


def _recipes(architecture: Architecture) -> tuple[Recipe, ...]:
    """What people run: training as published and in mixed precision, inference in half."""
    step = train(batch=1, image=architecture.image)
    forward = infer(batch=1, image=architecture.image)
    return (
        step,
        replace(step, precision=Precision.AMP_BF16),
        replace(forward, precision=Precision.BF16),
    )


def _at_batches(recipe: Recipe) -> Iterable[Recipe]:
    return (replace(recipe, batch=batch) for batch in sorted({*_CURVE, _BATCH}))


def _devices() -> tuple[Device, ...]:
    devices = (device_by_id(each) for each in DEVICES)
    return tuple(device for device in devices if device is not None)


def _fit(architecture: Architecture, recipe: Recipe, device: Device) -> Fit:
    answer = None
    if computes_in(device, recipe.precision):
        result, _ = largest_batch(
            architecture,
            recipe,
            total_bytes=device.memory_bytes,
            margin=MARGIN,
            capability=device.compute_capability,
            kinds=(AllocatorKind.DEFAULT,),
        )
        (answer,) = result.rows
    return Fit(model=architecture.id, recipe=recipe, device=device, margin=MARGIN, answer=answer)


def _timeline(architecture: Architecture) -> MemoryTimeline:
    recipe = train(batch=_BATCH, image=architecture.image)
    trace = trace_workload(architecture, recipe)
    return memory_timeline(architecture.id, recipe, trace, default_overlay(None))


def _of_network(model: str, note: Note) -> Note:
    """The note, told of which network it is where it holds of one alone."""
    return replace(note, message=f"{model}: {note.message}") if note.code == "l2" else note


def _roofline(architecture: Architecture) -> tuple[RooflineResult, tuple[Note, ...]]:
    recipe = replace(
        train(batch=_ROOFLINE_BATCH, image=architecture.image), precision=Precision.AMP_BF16
    )
    return roofline(architecture, recipe, Against(device=device_by_id(_ROOFLINE_DEVICE)))


TABLES = ("fits", "memory", "memory-stages", "assumptions")
CHARTS = ("stages", "memory", "timeline", "roofline")
"""What is drawn of each network."""
_DRAWN_DEVICES = ("t4", "a100-sxm4-40gb", "h200-sxm")
"""More limits than these would hide each other."""


def predicted_exhibits(predicted: Predicted, counted: Counted) -> tuple[Exhibit, ...]:
    """Tables of all networks, and four charts for each."""
    matrix = fits_matrix(predicted.fits, predicted.torch)
    return (
        Exhibit(
            stem="fits",
            data=fits_table(predicted.fits, predicted.torch),
            shown=(matrix,),
            summary="predicted: the largest batch on common cards",
        ),
        _single("memory", _overview(predicted), "predicted: peak memory by recipe"),
        Exhibit(
            stem="memory-stages",
            data=_with_torch(memory_sheet(predicted.memory), predicted.torch),
            shown=(_with_torch(stage_rows(predicted.memory), predicted.torch),),
            summary="predicted: memory by stage",
        ),
        _single(
            "assumptions",
            assumptions_table(predicted.assumptions),
            "what predictions take for granted",
        ),
        *(_drawn(chart, summary) for chart, summary in _charts(predicted, counted)),
    )


_FITS_TITLE = "The largest batch that fits, predicted"


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
                "below 2^31",
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
        (fit.device.name, fit.recipe.precision) for fit in fits if fit.answer is None
    )
    for device in dict.fromkeys(device for device, _ in lacking):
        needing = " and ".join(precision for each, precision in lacking if each == device)
        yield f"\N{EM DASH}: {device} does not compute in the type of {needing}."
    answers = [fit.answer for fit in fits if fit.answer is not None]
    unproven = [row.max_proven_batch for row in answers if row.unproven and row.max_proven_batch]
    if unproven:
        yield (
            f"Above {format_count(min(unproven))} images a tensor passes 2^31 elements: kernels "
            "count otherwise there, and such a batch is unproven."
        )
    if any(row.max_batch == 0 for row in answers):
        yield "0: not even one image fits."
    memory = "; ".join(
        f"{device.name} {format_bytes(device.memory_bytes)}"
        for device in dict.fromkeys(fit.device for fit in fits)
    )
    yield f"Memory as the vendors print it, with 1 GB = 10^9 bytes: {memory}."


def predicted_stems(networks: Iterable[str]) -> list[str]:
    """The stems of the exhibits, before anything is predicted."""
    charts = (f"charts/{kind}-{slug(name)}" for name in networks for kind in CHARTS)
    return [*TABLES, *charts]


def network_memory(predicted: Predicted, model: str) -> Table | None:
    """The memory of one network by recipe; None where it was not predicted."""
    results = [result for result in predicted.memory if result.model == model]
    return memory_overview(results) if results else None


def _charts(predicted: Predicted, counted: Counted) -> Iterator[tuple[Chart, str]]:
    steps = {result.model: result for result in counted.steps}
    for timeline in predicted.timelines:
        model = timeline.model
        memory = next(
            result
            for result in predicted.memory
            if result.model == model
            and result.recipe.mode is Mode.TRAIN
            and result.recipe.precision is Precision.FP32
        )
        shares = stages_chart(steps[model], predicted=memory)
        yield shares, f"counted and predicted: a step of {model} by stage"
        curves = [curve for curve in predicted.curves if curve[0].model == model]
        yield (
            memory_chart(curves, _marked(predicted.fits, model)),
            f"predicted: memory of {model} against batch",
        )
        yield timeline_chart(timeline), f"predicted: the course of memory of {model}"
    for result in predicted.rooflines:
        yield roofline_chart(result), f"predicted: {result.model} under a roofline"


def _marked(fits: tuple[Fit, ...], model: str) -> list[Fit]:
    return [fit for fit in fits if fit.model == model and fit.device.id in _DRAWN_DEVICES]


def _overview(predicted: Predicted) -> Table:
    return _with_torch(memory_overview(predicted.memory), predicted.torch)


def _with_torch(table: Table, torch: str) -> Table:
    subtitle = "; ".join(part for part in (table.subtitle, f"traced with torch {torch}") if part)
    return replace(table, subtitle=subtitle)


def _drawn(chart: Chart, summary: str) -> Exhibit:
    return Exhibit(
        stem=f"charts/{chart.name}", data=chart_table(chart), shown=(chart,), summary=summary
    )


def _single(stem: str, table: Table, summary: str) -> Exhibit:
    return Exhibit(stem=stem, data=table, shown=(table,), summary=summary)
