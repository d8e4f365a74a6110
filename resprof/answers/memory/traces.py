"""What predictions of memory are made from, and its judge on the CPU.

The memory events of a workload, from the cache or traced now, and what only a GPU takes beside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING

from resprof.codec import to_plain
from resprof.errors import EnvironmentMissing, Note, UsageError
from resprof.memory.cache import FORMAT, TraceCache, default_directory
from resprof.memory.overlay import (
    Calibration,
    Overlay,
    calibrated_overlay,
    default_overlay,
    shape_text,
)
from resprof.memory.trace import Action, Trace
from resprof.model.architecture import Architecture
from resprof.model.networks import at_image, family_of
from resprof.model.recipe import Engine, Mode, Phase, Recipe
from resprof.networks.loading import torch_loaded

if TYPE_CHECKING:
    from resprof.model.environment import DeviceKind
    from resprof.networks.step import Network


_NOT_IN_KEY = ("batch", "image", "engine", "cudnn_benchmark")
"""What a trace does not depend on, or has in its architecture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePeaks:
    """The most live bytes in each phase, no allocator between: predicted, and by the profiler."""

    predicted: Mapping[Phase, int]
    measured: Mapping[Phase, int]

    @property
    def predicted_bytes(self) -> int:
        """The peak of the whole run, predicted."""
        return max(self.predicted.values())

    @property
    def measured_bytes(self) -> int:
        """The peak of the whole run, measured."""
        return max(self.measured.values())

    @property
    def error(self) -> float:
        """The prediction's deviation, as a share of what was measured."""
        return self.predicted_bytes / self.measured_bytes - 1


def trace_workload(
    architecture: Architecture, recipe: Recipe, *, cache: TraceCache | None = None
) -> Trace:
    """The events of setup and two steps, for the recipe's batch at least.

    torch is loaded only where the cache has no such trace; ``cache`` None is the user's. Raises
    ``UsageError`` for a recipe that is not run eagerly or a batch that the network refuses,
    ``EnvironmentMissing`` for a torch that is missing or works otherwise.
    """
    if recipe.engine is not Engine.EAGER:
        raise UsageError(
            f"memory with --engine {recipe.engine} cannot be predicted",
            hint="leave out --engine: predictions are for eager mode",
        )
    architecture = _sized(architecture, recipe)
    key = trace_key(architecture, recipe)
    cache = cache or TraceCache(directory=default_directory())
    cached = cache.load(key, recipe.batch)
    if cached is not None:
        return cached
    from resprof.model.environment import DeviceKind

    traced = _trace(architecture, recipe, key, DeviceKind.CUDA)
    cache.store(traced)
    return traced


def trace_key(architecture: Architecture, recipe: Recipe) -> str:
    """What decides on the events for all batches, as text: network, recipe, torch, our format."""
    plain = to_plain(replace(recipe, precision=recipe.precision.in_memory))
    return json.dumps(
        {
            "architecture": to_plain(architecture),
            "recipe": {name: plain[name] for name in plain if name not in _NOT_IN_KEY},
            "torch": _torch_version(),
            "format": FORMAT,
        },
        separators=(",", ":"),
    )


def overlay_for(
    architecture: Architecture,
    recipe: Recipe,
    calibration: Calibration | None,
    capability: tuple[int, int] | None,
) -> Overlay:
    """What only a GPU takes beside the trace: documented defaults unless there is a calibration."""
    if calibration is None:
        return default_overlay(capability)
    from resprof.counting.cost import Kind, count

    shapes = {
        placed.name: shape_text(placed.layer, recipe.precision, recipe.memory_format)
        for placed in count(architecture).layers()
        if placed.layer.kind in {Kind.CONV, Kind.BN}
    }
    return calibrated_overlay(calibration, shapes)


def traced_notes(recipe: Recipe, trace: Trace, calibration: Calibration | None) -> tuple[Note, ...]:
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


def live_peaks(architecture: Architecture, recipe: Recipe) -> LivePeaks:
    """Runs the workload on the CPU under the profiler and holds the prediction against it.

    The CPU's operators are predicted here, which are CUDA's but for dropout, a loss in fp16 and
    statistics of batch norm. To be called in a process of its own where memory is short: the run
    takes what it measures.
    """
    from resprof.model.environment import DeviceKind
    from resprof.networks.profiler import Mark, profiled_peaks
    from resprof.networks.step import Watch, empty_steps, model_without_tensors, run_steps

    architecture = _sized(architecture, recipe)
    network = network_of(architecture)
    traced = _trace(architecture, recipe, trace_key(architecture, recipe), DeviceKind.CPU)

    class Marking(Watch):
        def __init__(self, mark: Mark) -> None:
            self._mark = mark

        def enter(self, phase: Phase, step: int) -> None:  # noqa: ARG002
            self._mark(phase.value)

    def run(mark: Mark) -> None:
        model = model_without_tensors(network)
        watch = Marking(mark)
        run_steps(empty_steps(model, network, recipe, kernels=DeviceKind.CPU, watch=watch))

    measured = {Phase(name): peak for name, peak in profiled_peaks(run).items()}
    predicted = phase_peaks(traced, recipe.batch)
    # A phase without an event (plain SGD's update) has no peak of its own.
    both = [phase for phase in predicted if phase in measured]
    return LivePeaks(
        predicted={phase: predicted[phase] for phase in both},
        measured={phase: measured[phase] for phase in both},
    )


def phase_peaks(trace: Trace, batch: int) -> dict[Phase, int]:
    """The most live bytes in each phase, over all steps."""
    live = 0
    peaks: dict[Phase, int] = {}
    for event in trace.events:
        # What a phase finds is live in it too.
        peaks[event.phase] = max(peaks.get(event.phase, 0), live)
        size = event.constant + event.per_image * batch
        live += {Action.ALLOCATE: size, Action.FREE: -size, Action.MOVE: 0}[event.action]
        peaks[event.phase] = max(peaks[event.phase], live)
    return peaks


def network_of(architecture: Architecture) -> Network:
    """The network as the tracing room takes it. Loads torch."""
    from resprof.networks.build import build
    from resprof.networks.step import Network

    family = family_of(architecture)
    return Network(
        build=partial(build, architecture),
        stages=family.stages(architecture),
        blocks=family.blocks(architecture),
        image=(architecture.in_channels, *architecture.image),
        classes=architecture.classes,
    )


def _trace(architecture: Architecture, recipe: Recipe, key: str, kernels: DeviceKind) -> Trace:
    with torch_loaded():
        from resprof.networks.tracer import trace

        return trace(network_of(architecture), recipe, key=key, kernels=kernels)


def _sized(architecture: Architecture, recipe: Recipe) -> Architecture:
    same = architecture.image == recipe.image
    return architecture if same else at_image(architecture, recipe.image)


def _torch_version() -> str:
    """Without loading it."""
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        raise EnvironmentMissing(
            "torch is not installed", hint="install torch 2.11 or newer: pip install torch"
        ) from None
