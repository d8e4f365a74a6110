"""What a report is made of: everything that is counted, predicted and measured for it.

Nothing here needs a GPU; the traces of a first time are kept, and make the next one quicker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from resprof.answers.bench.results import BenchResult, results_of
from resprof.answers.bench.runs import measured_run
from resprof.answers.environment import device_name
from resprof.answers.flops.flops import FlopsResult, flops
from resprof.answers.memory.budget import largest_batch
from resprof.answers.memory.prediction import predict_memory
from resprof.answers.memory.traces import trace_workload
from resprof.answers.paper.claims import check_paper
from resprof.answers.roofline.bounds import RooflineResult
from resprof.answers.roofline.peaks import computes_in
from resprof.answers.roofline.roofline import Against, roofline
from resprof.errors import Note, UsageError
from resprof.measure.run import Plan, Tiling
from resprof.measure.run_file import Record, read_run
from resprof.memory.allocator import MemoryPeak
from resprof.memory.budget import MARGIN, BudgetRow
from resprof.memory.overlay import default_overlay
from resprof.memory.prediction import MemoryResult
from resprof.memory.replay import MemoryTimeline, memory_timeline
from resprof.memory.rules import AllocatorKind
from resprof.model.architecture import Architecture
from resprof.model.devices import Device
from resprof.model.devices import device as device_by_id
from resprof.model.environment import Environment
from resprof.model.networks import resolve, variants, workload_of
from resprof.model.published import CheckedClaim
from resprof.model.recipe import Precision, Recipe, Workload, infer, train
from resprof.render.chart import slug

Tell = Callable[[int, int, str], None]
"""Told before a step: how many are done, how many there are, what it does; of one, 0 and 0."""


def silent(done: int, total: int, step: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Every network, counted for a forward pass, and every claim of the paper."""

    networks: tuple[FlopsResult, ...]
    claims: tuple[CheckedClaim, ...]


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
class Predicted:
    """What was predicted, and what that takes for granted.

    ``memory`` is each network by each recipe at rising batch sizes.
    """

    fits: tuple[Fit, ...]
    memory: tuple[MemoryResult, ...]
    timelines: tuple[MemoryTimeline, ...]
    rooflines: tuple[RooflineResult, ...]
    assumptions: tuple[Note, ...]
    roofline_notes: tuple[Note, ...]

    @property
    def torch(self) -> str:
        """The release whose operators were traced."""
        return self.memory[0].torch.partition("+")[0]

    def at_one_batch(self, model: str | None = None) -> tuple[MemoryResult, ...]:
        """Each recipe of every network, or of one, at the batch that tables show."""
        return tuple(
            each
            for each in self.memory
            if each.recipe.batch == BATCH and model in {None, each.model}
        )

    def curves(self, model: str) -> list[tuple[MemoryResult, ...]]:
        """The network's memory at the batch sizes that are drawn, recipe by recipe."""
        recipes: dict[Recipe, list[MemoryResult]] = {}
        for each in self.memory:
            if each.model == model and each.recipe.batch in CURVE:
                recipes.setdefault(replace(each.recipe, batch=1), []).append(each)
        return [tuple(curve) for curve in recipes.values()]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredDevice:
    """A run on a device."""

    environment: Environment
    results: tuple[BenchResult, ...]

    @property
    def folder(self) -> str:
        """The device's name as a folder's."""
        return slug(device_name(self.environment))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """All of it; ``measured`` has this machine's run first, ``predicted`` is None without torch."""

    counted: Counted
    predicted: Predicted | None
    measured: tuple[MeasuredDevice, ...]


def counted() -> Counted:
    """Counts everything that has a name; a second or so, without torch."""
    return Counted(
        networks=tuple(flops(resolve(name)) for name in variants()), claims=check_paper()
    )


PREDICTED = ("resnet18", "resnet50", "resnet50-v1.5", "resnet101", "resnet152")
BATCH = 32
CURVE = (1, 4, 16, 64, 256, 1024, 4096)
_DEVICES = ("t4", "a10", "a100-sxm4-40gb", "a100-sxm4-80gb", "h100-sxm", "h200-sxm")
_ROOFLINE_DEVICE, _ROOFLINE_BATCH = "h100-sxm", 256


def predicted(networks: Sequence[str] = PREDICTED, *, tell: Tell = silent) -> Predicted:
    """Everything that a report predicts of these networks.

    Raises ``EnvironmentMissing`` where torch is missing.
    """
    fits: list[Fit] = []
    memory: list[MemoryResult] = []
    notes: dict[Note, None] = {}
    architectures = [resolve(name) for name in networks]
    for number, architecture in enumerate(architectures):
        tell(number, len(networks), f"predicting {architecture.id}")
        for recipe in _recipes(architecture):
            fits += [_fit(architecture, recipe, device) for device in _devices()]
            for batch in sorted({*CURVE, BATCH}):
                result, assumed = predict_memory(architecture, replace(recipe, batch=batch))
                memory.append(result)
                notes |= dict.fromkeys(assumed)
    rooflines = [_roofline(architecture) for architecture in architectures]
    return Predicted(
        fits=tuple(fits),
        memory=tuple(memory),
        timelines=tuple(_timeline(architecture) for architecture in architectures),
        rooflines=tuple(result for result, _ in rooflines),
        assumptions=tuple(notes),
        roofline_notes=tuple(dict.fromkeys(note for _, notes in rooflines for note in notes)),
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


def _devices() -> Iterator[Device]:
    devices = (device_by_id(each) for each in _DEVICES)
    return (device for device in devices if device is not None)


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
    recipe = train(batch=BATCH, image=architecture.image)
    trace = trace_workload(architecture, recipe)
    return memory_timeline(architecture.id, recipe, trace, default_overlay(None))


def _roofline(architecture: Architecture) -> tuple[RooflineResult, tuple[Note, ...]]:
    """The bounds and their notes, one that holds for this network alone with its name."""
    step = train(batch=_ROOFLINE_BATCH, image=architecture.image)
    recipe = replace(step, precision=Precision.AMP_BF16)
    result, notes = roofline(architecture, recipe, Against(device=device_by_id(_ROOFLINE_DEVICE)))
    return result, tuple(
        replace(note, message=f"{result.model}: {note.message}") if note.code == "l2" else note
        for note in notes
    )


PLAN = Plan(
    tiling=Tiling.STAGES,
    target_ci=None,
    round_s=0.4,
    round_calls=1,
    warm_up_calls=4,
    warm_up_s=0.8,
    time_limit_s=14.0,
)
"""Short: nine configurations in two minutes of a two-core machine."""
QUICK_PLAN = replace(PLAN, time_limit_s=4.0)
_MEASURED = ("resnet18", "resnet34", "resnet50")
_MEASURED_AT = ((infer, 1), (infer, 8), (train, 4))


def workloads(*, quick: bool) -> tuple[Workload, ...]:
    """What a report measures: inference at two batch sizes and a training step, fp32."""
    architectures = [resolve(name) for name in (_MEASURED[:1] if quick else _MEASURED)]
    return tuple(
        workload_of(architecture, recipe(batch=batch, image=architecture.image))
        for architecture in architectures
        for recipe, batch in _MEASURED_AT
    )


def measured_device(records: Sequence[Record]) -> MeasuredDevice:
    """What a run's records hold; ``UsageError`` for one that ``measured_run`` refuses."""
    environment = measured_run(records).environments[0]
    return MeasuredDevice(environment=environment, results=results_of(records))


def latest_runs(folder: Path, newest: Path | None) -> tuple[tuple[MeasuredDevice, ...], list[str]]:
    """The last run of each device in a folder, ``newest`` first, and why others are not among them.

    Names of run files begin with their time, so the order of names is that of runs.
    """
    devices: dict[str, MeasuredDevice] = {}
    unread = []
    files = sorted(folder.glob("*.jsonl"), reverse=True)
    for file in sorted(files, key=lambda each: each != newest):
        try:
            device = measured_device(read_run(file))
        except UsageError as error:
            unread.append(f"left out {file.name}: {error.message}")
            continue
        if device.results:
            devices.setdefault(device.folder, device)
    return tuple(devices.values()), unread
