"""The predicted part of a report: what fits where, where memory goes, what bounds the time.

Nothing here needs a GPU; the traces of a first time are kept, and make the next one quicker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from resprof.analysis.device_peaks import computes_in
from resprof.catalog.devices import device as device_by_id
from resprof.catalog.networks import resolve
from resprof.jobs.fit import largest_batch, predict_memory
from resprof.jobs.roofline import Against, roofline
from resprof.jobs.trace import trace_workload
from resprof.memory.course import course
from resprof.memory.overlay import default_overlay
from resprof.records.answer import Note
from resprof.records.architecture import Architecture
from resprof.records.device import Device
from resprof.records.fit import MemoryResult
from resprof.records.memory import MARGIN, AllocatorKind
from resprof.records.memory_course import MemoryCourse
from resprof.records.recipe import Precision, Recipe, infer, train
from resprof.records.report import Fit, Predicted
from resprof.records.roofline import RooflineResult

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
            found = [predict_memory(architecture, each) for each in _at_batches(recipe)]
            curves.append(tuple(result for result, _ in found))
            notes |= dict.fromkeys(note for _, assumed in found for note in assumed)
    held = [_roofline(architecture) for architecture in architectures]
    memory = tuple(result for curve in curves for result in curve if result.recipe.batch == _BATCH)
    return Predicted(
        torch=memory[0].torch.partition("+")[0],
        fits=tuple(fits),
        memory=memory,
        curves=tuple(
            tuple(result for result in curve if result.recipe.batch in _CURVE) for curve in curves
        ),
        courses=tuple(_course(architecture) for architecture in architectures),
        rooflines=tuple(result for result, _ in held),
        assumptions=tuple(notes),
        roofline_notes=tuple(
            dict.fromkeys(_of_network(result.model, note) for result, each in held for note in each)
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
    found = (device_by_id(each) for each in DEVICES)
    return tuple(device for device in found if device is not None)


def _fit(architecture: Architecture, recipe: Recipe, device: Device) -> Fit:
    fit = Fit(
        model=architecture.id,
        recipe=recipe,
        device=device.id,
        device_name=device.name,
        memory_bytes=device.memory_bytes,
        margin=MARGIN,
    )
    if not computes_in(device, recipe.precision):
        return fit
    found, _ = largest_batch(
        architecture,
        recipe,
        total_bytes=device.memory_bytes,
        margin=MARGIN,
        capability=device.compute_capability,
        kinds=(AllocatorKind.DEFAULT,),
    )
    (row,) = found.rows
    return replace(
        fit,
        max_batch=row.max_batch,
        max_batch_multiple_of_8=row.max_batch_multiple_of_8,
        max_proven_batch=row.max_proven_batch,
        process_bytes=row.peak.process_bytes if row.peak else None,
        needed_bytes=row.peak.needed_bytes if row.peak else None,
    )


def _course(architecture: Architecture) -> MemoryCourse:
    recipe = train(batch=_BATCH, image=architecture.image)
    trace = trace_workload(architecture, recipe)
    return course(architecture.id, recipe, trace, default_overlay(None))


def _of_network(model: str, note: Note) -> Note:
    """The note, told of which network it is where it holds of one alone."""
    return replace(note, message=f"{model}: {note.message}") if note.code == "l2" else note


def _roofline(architecture: Architecture) -> tuple[RooflineResult, tuple[Note, ...]]:
    recipe = replace(
        train(batch=_ROOFLINE_BATCH, image=architecture.image), precision=Precision.AMP_BF16
    )
    return roofline(architecture, recipe, Against(device=device_by_id(_ROOFLINE_DEVICE)))
