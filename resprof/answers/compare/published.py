"""What others have published near a measured configuration, and in what their setup differs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from resprof.answers.bench.quantities import LATENCY, THROUGHPUT, Quantity
from resprof.answers.bench.results import BenchResult
from resprof.answers.bench.runs import RunDevice, RunLabel
from resprof.answers.compare.comparison import ReadRun, device_text
from resprof.answers.workloads import differing_columns
from resprof.model.devices import device_of
from resprof.model.environment import Environment, Gpu
from resprof.model.networks import resolve
from resprof.model.published import PublishedResult
from resprof.model.published import results as published_results
from resprof.model.recipe import MemoryFormat, Precision, Recipe, Workload
from resprof.render.table import Column, Form, Origin, Table, one_line, tabulate
from resprof.units import UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupDifference:
    """One way in which a published setup differs from the measured one; None is unknown."""

    what: str
    published: str | None
    measured: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """A published result that is near, and all in which its setup is not the measured one."""

    published: PublishedResult
    differs: tuple[SetupDifference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedBeside:
    """A measured configuration and what others have published near it: no verdict on either."""

    run: RunLabel
    result: BenchResult
    rows: tuple[PublishedRow, ...]

    def json_fields(self) -> Mapping[str, object]:
        """Flat, with the measured figures that are shown beside."""
        result = self.result
        return {
            "model": result.model,
            "recipe": result.recipe,
            "rows": self.rows,
            "total": None,
            "key": result.key,
            "workload": result.workload,
            "run": self.run,
            **{each.key: each.value(result) for each in (LATENCY, THROUGHPUT)},
        }


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


def near_published(runs: Iterable[ReadRun]) -> tuple[PublishedBeside, ...]:
    """The measured configurations with the published results near each, the nearest first.

    Near is the same network in the same mode, a per-device batch within a factor of two or
    unknown, and a precision of the same width in memory. What resprof cannot run, such as int8, is
    near 16 bits on the same device only, as a landmark. Those without any are left out.
    """
    published = published_results()
    found = []
    for run in runs:
        gpu = run.environment.gpu
        for result in run.results:
            near = [each for each in published if _is_near(result.workload, each, gpu)]
            if near:
                found.append(_beside(result, near, run.label, run.environment))
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
    rows.sort(key=lambda row: _distance(row, result.recipe.batch))
    return PublishedBeside(run=run, result=result, rows=tuple(rows))


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
    "Published by others, on other setups. Each row lists the differences as published / "
    "measured; unknown settings may differ too. These results are for orientation and get no "
    "verdict. Published images/s are totals over all devices of a system."
)


_Key = tuple[Workload, PublishedRow]
"""A line of a table: runs share it where the same differs."""
_Line = tuple[_Key, dict[str, BenchResult]]
"""A published result near a workload, and what each run has measured of that by its name."""


def published_tables(found: Sequence[PublishedBeside]) -> list[Table]:
    """A table for each measured and each published device, so that no column holds two.

    The devices of the nearest results come first.
    """
    groups: dict[tuple[RunDevice, str], dict[_Key, dict[str, BenchResult]]] = {}
    for beside in found:
        for row in beside.rows:
            lines = groups.setdefault((beside.run.device, row.published.device), {})
            by_run = lines.setdefault((beside.result.workload, row), {})
            by_run[beside.run.name] = beside.result
    tables = [
        _table(device, published, tuple(lines.items()), _runs(found, device))
        for (device, published), lines in sorted(groups.items(), key=_is_of_another)
    ]
    return [*tables[:-1], *(replace(table, notes=(_NO_VERDICT,)) for table in tables[-1:])]


def _is_of_another(
    group: tuple[tuple[RunDevice, str], dict[_Key, dict[str, BenchResult]]],
) -> bool:
    """Whether what was published is not of the measured device."""
    return any(each.what == "device" for _, row in group[1] for each in row.differs)


def _runs(found: Sequence[PublishedBeside], device: RunDevice) -> tuple[RunLabel, ...]:
    return tuple(dict.fromkeys(each.run for each in found if each.run.device == device))


def _table(
    device: RunDevice, published: str, lines: Sequence[_Line], runs: Sequence[RunLabel]
) -> Table:
    of_workload, common = differing_columns(lines, of=lambda line: line[0][0])
    return tabulate(
        (
            *of_workload,
            *(
                _measured(quantity, title, priority, place, runs)
                for place in range(len(runs))
                for quantity, title, priority in (
                    (THROUGHPUT, "images/s", 0),
                    (LATENCY, "latency", 2),
                )
            ),
            *_PUBLISHED,
        ),
        lines,
        name="published",
        title=f"Published for {published}, next to {' and '.join(run.name for run in runs)}, "
        f"measured on {device_text(device)}",
        subtitle=common,
    )


def _measured(
    quantity: Quantity, title: str, priority: int, place: int, runs: Sequence[RunLabel]
) -> Column:
    name = runs[place].name

    def value(line: _Line) -> float | None:
        result = line[1].get(name)
        return None if result is None else quantity.value(result)

    return Column(
        key=f"{quantity.key}_{place}",
        title=f"{title}{one_line(f' {name}') if len(runs) > 1 else ''}",
        form=quantity.form,
        origin=Origin.MEASURED,
        priority=priority,
        value=value,
    )


def _digits(value: float | None, unit: str = "") -> str | None:
    """All digits that were printed, neither fewer nor more."""
    return None if value is None else f"{value:,.12g}{unit}"


def _differs(each: SetupDifference) -> str:
    if each.measured is None:
        return f"{each.what} {each.published or UNKNOWN}"
    return f"{each.what} {each.published or UNKNOWN} / {each.measured}"


def _of_published(
    key: str, title: str, value: Callable[[PublishedResult], object], **more: Any
) -> Column:
    return Column(key=key, title=title, value=lambda line: value(line[0][1].published), **more)


_PUBLISHED = (
    _of_published(
        "published_images_per_s",
        "published images/s",
        lambda each: _digits(each.throughput_images_per_s),
        origin=Origin.PUBLISHED,
    ),
    _of_published(
        "published_latency_s",
        "published latency",
        lambda each: None if each.latency_s is None else _digits(1e3 * each.latency_s, " ms"),
        origin=Origin.PUBLISHED,
        priority=2,
    ),
    Column(
        key="differs",
        title="differs",
        form=Form.PROSE,
        value=lambda line: "; ".join(map(_differs, line[0][1].differs)) or None,
    ),
    _of_published("source", "source", lambda each: each.source, priority=1),
    _of_published("locator", "where", lambda each: each.locator, form=Form.PROSE, priority=3),
)
