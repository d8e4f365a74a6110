"""What others have published near a measured configuration, and in what their setup differs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from resprof.answers.bench.results import BenchResult
from resprof.answers.bench.runs import RunDevice, RunLabel
from resprof.answers.compare.comparison import (
    PublishedBeside,
    PublishedRow,
    SetupDifference,
    device_text,
)
from resprof.answers.workloads import configurations
from resprof.model.devices import device_of
from resprof.model.environment import Environment, Gpu
from resprof.model.networks import resolve
from resprof.model.published import PublishedResult
from resprof.model.recipe import MemoryFormat, Precision, Recipe, Workload
from resprof.render.cells import one_line
from resprof.render.table import Column, Form, Origin, Table, Value
from resprof.units import UNKNOWN

_MOST_BATCH_RATIO = 2.0
"""A batch twice or half as large still loads a device alike."""
_PRECISIONS = {precision.published: precision for precision in Precision}
"""By the sources' words; what is none of them, such as int8, resprof does not run."""
_NOT_RUN_BYTES = 2
"""What is not run is near what has 16 bits in memory."""
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
        and recipe.precision.maps_bytes == (precision.maps_bytes if precision else _NOT_RUN_BYTES)
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
            published=each, differs=tuple(_differences(result.workload, each, run, environment))
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


def _differences(
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


_NO_VERDICT = (
    "Published by others, in another setup. What differs stands in each row, published / measured; "
    "what is unknown may differ. Such a figure is a landmark and gets no verdict. Its images/s are "
    "those of all its devices together."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A published result near a configuration, and what each run has measured of that."""

    workload: Workload
    row: PublishedRow
    measured: dict[str, PublishedBeside]


_Key = tuple[Workload, PublishedRow]
"""Runs share a line where the same differs."""


def published_tables(found: Sequence[PublishedBeside]) -> list[Table]:
    """A table for each measured and each published device, so that no column holds two.

    The devices of the nearest results come first.
    """
    groups: dict[tuple[RunDevice, str], dict[_Key, _Line]] = {}
    for beside in found:
        for row in beside.rows:
            lines = groups.setdefault((beside.run.device, row.published.device), {})
            line = lines.setdefault(
                (beside.workload, row), _Line(workload=beside.workload, row=row, measured={})
            )
            line.measured[beside.run.name] = beside
    tables = [
        _table(device, published, tuple(lines.values()), _runs(found, device))
        for (device, published), lines in sorted(groups.items(), key=_is_of_another)
    ]
    return [*tables[:-1], *(replace(table, notes=(_NO_VERDICT,)) for table in tables[-1:])]


def _is_of_another(group: tuple[tuple[RunDevice, str], dict[_Key, _Line]]) -> bool:
    """Whether what was published is not of the measured device."""
    return any(each.what == "device" for line in group[1].values() for each in line.row.differs)


def _runs(found: Sequence[PublishedBeside], device: RunDevice) -> tuple[RunLabel, ...]:
    return tuple(dict.fromkeys(each.run for each in found if each.run.device == device))


def _table(
    device: RunDevice, published: str, lines: Sequence[_Line], runs: Sequence[RunLabel]
) -> Table:
    laid_out = configurations([line.workload for line in lines])
    return Table(
        name="published",
        title=f"Published for {published}, beside {' and '.join(run.name for run in runs)}, "
        f"measured on {device_text(device)}",
        subtitle=laid_out.common,
        columns=(
            *laid_out.columns,
            *(column for place, run in enumerate(runs) for column in _measured(place, run, runs)),
            Column(
                key="published_images_per_s", title="published images/s", origin=Origin.PUBLISHED
            ),
            Column(
                key="published_latency_s",
                title="published latency",
                origin=Origin.PUBLISHED,
                priority=2,
            ),
            Column(key="differs", title="differs", form=Form.PROSE),
            Column(key="source", title="source", priority=1),
            Column(key="locator", title="where", form=Form.PROSE, priority=3),
        ),
        rows=tuple(
            (*cells, *_cells(line, runs)) for cells, line in zip(laid_out.cells, lines, strict=True)
        ),
    )


def _measured(place: int, run: RunLabel, runs: Sequence[RunLabel]) -> tuple[Column, Column]:
    of = one_line(f" {run.name}") if len(runs) > 1 else ""
    return (
        Column(
            key=f"throughput_images_per_s_{place}",
            title=f"images/s{of}",
            form=Form.NUMBER,
            origin=Origin.MEASURED,
        ),
        Column(
            key=f"latency_median_s_{place}",
            title=f"latency{of}",
            form=Form.SECONDS,
            origin=Origin.MEASURED,
            priority=2,
        ),
    )


def _cells(line: _Line, runs: Sequence[RunLabel]) -> list[Value]:
    cells: list[Value] = []
    for run in runs:
        beside = line.measured.get(run.name)
        cells += [
            beside.throughput_images_per_s if beside else None,
            beside.latency_median_s if beside else None,
        ]
    published = line.row.published
    return [
        *cells,
        _digits(published.throughput_images_per_s),
        _milliseconds(published.latency_s),
        "; ".join(map(_differs, line.row.differs)) or None,
        published.source,
        published.locator,
    ]


def _digits(value: float | None) -> str | None:
    """All digits that were printed, neither fewer nor more."""
    return None if value is None else f"{value:,.12g}"


def _milliseconds(seconds: float | None) -> str | None:
    return None if seconds is None else f"{1e3 * seconds:,.12g} ms"


def _differs(each: SetupDifference) -> str:
    if each.measured is None:
        return f"{each.what} {each.published or UNKNOWN}"
    return f"{each.what} {each.published or UNKNOWN} / {each.measured}"
