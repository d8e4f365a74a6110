"""What others have published near a measured configuration, and in what their setup differs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from resprof.catalog.devices import device_of
from resprof.catalog.networks import resolve
from resprof.records.bench import BenchResult
from resprof.records.comparison import PublishedBeside, PublishedRow, RunLabel, SetupDifference
from resprof.records.environment import Environment, Gpu
from resprof.records.published import PublishedResult
from resprof.records.recipe import MemoryFormat, Precision, Recipe, Workload

_MOST_BATCH_RATIO = 2.0
"""A batch twice or half as large still loads a device alike."""
_PRECISIONS: dict[str, Precision | None] = {
    "fp32": Precision.FP32,
    "tf32": Precision.TF32,
    "fp16": Precision.FP16,
    "bf16": Precision.BF16,
    "amp": Precision.AMP_FP16,
    "amp_bf16": Precision.AMP_BF16,
    "int8": None,
}
"""The sources' words; None is what resprof does not run."""
_FULL = frozenset({Precision.FP32, Precision.TF32})
"""Of 32 bits in memory; all others of ours have 16 and are near each other."""
_LAYOUTS = {"nchw": MemoryFormat.CONTIGUOUS, "nhwc": MemoryFormat.CHANNELS_LAST}
_ENGINES = {"dynamo": "compile"}
"""The sources' words for what goes by another name here."""


_SIZE = re.compile(r"[0-9]+GB")


def near_published(
    results: Iterable[BenchResult],
    published: Sequence[PublishedResult],
    *,
    run: RunLabel,
    environment: Environment,
) -> tuple[PublishedBeside, ...]:
    """The measured configurations with the published results near each, the nearest first.

    Near is the same network in the same mode, a per-device batch within a factor of two or
    unknown, and a precision of the same width in memory. What resprof cannot run, such as int8, is
    near 16 bits on the same device only, as a landmark. Those without any are left out.
    """
    found = []
    for result in results:
        near = [each for each in published if _is_near(result.workload, each, environment.gpu)]
        if near:
            found.append(_beside(result, near, run, environment))
    return tuple(found)


def _is_near(workload: Workload, published: PublishedResult, gpu: Gpu | None) -> bool:
    recipe = workload.recipe
    if (recipe.mode, workload.model) != (published.mode, published.model):
        return False
    batch, precision = _batch_of_one(published), _PRECISIONS.get(published.precision)
    return (
        _is_standard(workload)
        and (recipe.precision in _FULL) is (precision in _FULL)
        and (precision is not None or _is_same_device(published, gpu))
        and (batch is None or _apart(batch, recipe.batch) <= _MOST_BATCH_RATIO)
    )


def _is_standard(workload: Workload) -> bool:
    """Whether it is the network as everybody runs it: its own image size, classes and width."""
    own = resolve(workload.model)
    return (own.image, own.classes, own.in_channels, own.width) == (
        workload.recipe.image,
        workload.classes,
        workload.in_channels,
        workload.width,
    )


def _batch_of_one(published: PublishedResult) -> float | None:
    return None if published.batch is None else published.batch / published.devices


def _apart(one: float, other: float) -> float:
    return max(one / other, other / one)


def _beside(
    result: BenchResult, near: Iterable[PublishedResult], run: RunLabel, environment: Environment
) -> PublishedBeside:
    rows = [
        PublishedRow(
            published=each, differs=tuple(_differs(result.workload, each, run, environment))
        )
        for each in near
    ]
    batch = result.recipe.batch
    rows.sort(key=lambda row: _distance(row, batch))
    figures = {
        name: next((getattr(row, name) for row in result.rows if getattr(row, name)), None)
        for name in ("latency_median_s", "throughput_images_per_s")
    }
    return PublishedBeside(
        model=result.model,
        recipe=result.recipe,
        rows=tuple(rows),
        key=result.key,
        workload=result.workload,
        run=run,
        latency_median_s=figures["latency_median_s"],
        throughput_images_per_s=figures["throughput_images_per_s"],
    )


def _distance(row: PublishedRow, batch: int) -> tuple[bool, int, float]:
    """Another device is farthest, then come the number of differences and the batch."""
    differs = {each.what for each in row.differs}
    theirs = _batch_of_one(row.published)
    return "device" in differs, len(differs), math.inf if theirs is None else _apart(theirs, batch)


def _differs(
    workload: Workload, published: PublishedResult, run: RunLabel, environment: Environment
) -> Iterator[SetupDifference]:
    """All that is not known to be the same, what weighs most first."""
    if not _is_same_device(published, environment.gpu):
        yield _setup("device", published.device, run.device.name)
    if published.devices != 1:
        yield _setup("devices", str(published.devices), "1")
    yield from _differs_in_recipe(workload.recipe, published)
    version = published.engine.partition(" ")[2]
    if version:
        yield _setup("torch", version, environment.torch.version if environment.torch else None)
    if published.latency_s is not None:
        yield _setup("statistic", published.latency_statistic, "median")
    if published.scenario is not None:
        yield _setup("scenario", published.scenario, None)
    if published.note is not None:
        yield _setup("conditions", published.note, "synthetic data")


def _differs_in_recipe(recipe: Recipe, published: PublishedResult) -> Iterator[SetupDifference]:
    batch = _batch_of_one(published)
    layout = _LAYOUTS.get(published.layout) if published.layout else None
    engine = published.engine.partition(" ")[0]
    if _PRECISIONS.get(published.precision) is not recipe.precision:
        yield _setup("precision", published.precision, recipe.precision)
    if layout is not recipe.memory_format:
        yield _setup("layout", published.layout, recipe.memory_format)
    if _ENGINES.get(engine, engine) != recipe.engine:
        yield _setup("engine", engine, recipe.engine)
    if batch != recipe.batch:
        yield _setup("batch per device", None if batch is None else f"{batch:g}", str(recipe.batch))


def _is_same_device(published: PublishedResult, gpu: Gpu | None) -> bool:
    """By the device table, and by the memory, of which a row of it may come in two sizes."""
    ours = device_of(gpu.name) if gpu else None
    size = _SIZE.search(published.device)
    return (
        gpu is not None
        and ours is not None
        and ours.id == published.peaks_of
        and (size is None or size[0] in gpu.name)
    )


def _setup(what: str, published: str | None, measured: str | None) -> SetupDifference:
    return SetupDifference(
        what=what, published=published, measured=None if measured is None else str(measured)
    )
