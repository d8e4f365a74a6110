"""The page of a report: answers first, then every network, the paper's claims, every device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from resprof.answers.bench.quantities import LATENCY, THROUGHPUT, Quantity
from resprof.answers.bench.results import BenchResult
from resprof.answers.bench.tables import measured_table
from resprof.answers.environment import describe, device_kind, device_name
from resprof.answers.flops.flops import FlopsResult
from resprof.answers.memory.prediction import memory_overview
from resprof.answers.networks import show, show_tables
from resprof.answers.report.charts import distinct_names, short_recipe
from resprof.answers.report.content import MeasuredDevice, ReportContent
from resprof.answers.report.exhibits import CHARTS, RESNETS, chosen, network_table
from resprof.answers.report.fits import fits_matrix
from resprof.model.architecture import StrideIn
from resprof.model.published import count_verdicts
from resprof.model.recipe import Engine, MemoryFormat, Recipe, Workload
from resprof.render.chart import slug
from resprof.render.document import Document, Exhibit, Placed, Section
from resprof.render.formats import markdown
from resprof.render.table import Column, Form, Origin, Table, tabulate

_KINDS = (
    "Four kinds of number, never mixed in one column. Published: printed by the paper or a "
    "vendor. Counted: exact integers from the architecture. Predicted: derived without running. "
    "Measured: sampled on a device. An em dash means unknown; zero means zero."
)
_NAMES = (
    "resnet50 is the paper's network (v1), resnet50-v1.5 that of torchvision and MLPerf. -A, -B "
    "and -C are the paper's shortcut options; without a letter: the family's default."
)
_MEMORY = (
    "Predicted by tracing the operators of a step without a GPU and replaying them through a "
    "model of the caching allocator. The assumptions are at the end of the page."
)
_FRONT = (*RESNETS[:3], "resnet50-v1.5", *RESNETS[3:])
"""The networks that people ask for."""

Exhibits = Mapping[str, Exhibit]
"""By their stem."""


def document(content: ReportContent, exhibits: Sequence[Exhibit]) -> Document:
    """The page's content, in its order."""
    by_stem = {exhibit.stem: exhibit for exhibit in exhibits}
    return Document(
        title="What a ResNet costs, where it fits, how fast it runs",
        text=(_KINDS,),
        front=tuple(_front(content)),
        sections=tuple(_sections(content, by_stem)),
    )


def _sections(content: ReportContent, exhibits: Exhibits) -> Iterator[Section]:
    counted, predicted = content.counted, content.predicted
    yield Section(
        anchor="networks",
        title="Every network",
        text=(_NAMES,),
        items=_placed(exhibits, "networks", "charts/costs"),
        sections=tuple(_network(result, content, exhibits) for result in counted.networks),
    )
    if predicted is not None:
        yield Section(
            anchor="memory",
            title="What fits where, and what fills memory",
            text=(_MEMORY,),
            items=_placed(exhibits, "fits", "memory", "charts/memory-resnet50"),
        )
    counts = count_verdicts(claim.verdict for claim in counted.claims)
    yield Section(
        anchor="paper",
        title="Numbers in the paper, checked",
        text=(f"{len(counted.claims)} claims: {counts}.",),
        items=_placed(exhibits, "table1", "table6", "paper"),
    )
    for device in content.measured:
        stems = (stem for stem in exhibits if stem.startswith(f"measured/{device.folder}/"))
        yield Section(
            anchor=f"on-{device.folder}",
            title=f"Measured on {device_kind(device.environment)} "
            f"{device_name(device.environment)}",
            text=(describe(device.environment),),
            items=_placed(exhibits, *stems),
        )
    if predicted is not None:
        yield Section(
            anchor="assumptions",
            title="Assumptions behind the predictions",
            text=tuple(f"Rooflines: {note.message}" for note in predicted.roofline_notes),
            items=_placed(exhibits, "assumptions"),
        )


def _network(result: FlopsResult, content: ReportContent, exhibits: Exhibits) -> Section:
    model = result.model
    tables = [*show_tables([show(result.architecture)]), network_table(result)]
    memory = content.predicted.at_one_batch(model) if content.predicted else ()
    if memory:
        tables.append(memory_overview(memory))
    measured = [
        measured_table(device.environment, results)
        for device in content.measured
        if (results := [each for each in device.results if each.model == model])
    ]
    return Section(
        anchor=f"net-{slug(model)}",
        title=f"{model}: {result.title}",
        items=(
            *(Placed(item=table) for table in tables),
            *_placed(exhibits, *(f"charts/{kind}-{slug(model)}" for kind in CHARTS)),
            *(Placed(item=table) for table in measured),
        ),
        folded=True,
    )


def _placed(exhibits: Exhibits, *stems: str) -> tuple[Placed, ...]:
    """The items of the exhibits of these stems, where there are any."""
    return tuple(
        Placed(item=item, stem=stem)
        for stem in stems
        if stem in exhibits
        for item in exhibits[stem].shown
    )


def _front(content: ReportContent) -> Iterator[Placed]:
    yield Placed(item=costs_table(chosen(content.counted.networks, _FRONT)), stem="networks")
    if content.predicted is not None:
        yield Placed(item=fits_matrix(content.predicted.fits, content.predicted.torch), stem="fits")
    if content.measured:
        # Of several devices each has files of its own, none has all.
        (first, *more) = content.measured
        stem = None if more else f"measured/{first.folder}/measured"
        yield Placed(item=speeds_table(content.measured), stem=stem)


def costs_table(results: Sequence[FlopsResult]) -> Table:
    """What networks cost, in few digits."""
    return tabulate(
        (
            Column(key="model", title="model"),
            Column(
                key="params",
                title="params",
                form=Form.SI,
                origin=Origin.COUNTED,
                value=lambda each: each.total.params,
            ),
            Column(
                key="macs",
                title="MACs",
                form=Form.SI,
                origin=Origin.COUNTED,
                value=lambda each: each.total.macs,
            ),
            Column(key="paper", title="the paper", origin=Origin.PUBLISHED, value=_printed),
        ),
        results,
        name="costs",
        title="What it costs, counted",
        subtitle="one image of 224x224, forward; MAC = one multiply-add, FLOPs = 2 x MACs",
    )


def _printed(result: FlopsResult) -> str | None:
    """What the paper prints of the network itself; v1.5 is a later one."""
    if result.paper is None or result.architecture.stride_in is StrideIn.MIDDLE_3X3:
        return None
    return f"{result.paper.claim.printed} {result.paper.claim.unit}"


MOST_ROWS = 16
"""So many rows are on the front page; all stand below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Speed:
    """A network by one recipe on a device at all batch sizes; ``workload`` is it at batch 1."""

    device: str
    workload: Workload
    results: tuple[BenchResult, ...]

    @property
    def latency(self) -> tuple[float | None, int | None]:
        """The latency (s) at the smallest batch, and that batch."""
        timed = [(batch, latency) for latency, batch in self._figures(LATENCY)]
        batch, latency = min(timed, default=(None, None))
        return latency, batch

    @property
    def throughput(self) -> tuple[float | None, int | None]:
        """The most images per second, and the batch that gave them."""
        return max(self._figures(THROUGHPUT), default=(None, None))

    def _figures(self, quantity: Quantity) -> Iterator[tuple[float, int]]:
        for result in self.results:
            value = quantity.value(result)
            if value is not None:
                yield value, result.recipe.batch


def speeds_table(devices: Sequence[MeasuredDevice]) -> Table:
    """How fast each network is by each recipe: at its smallest batch, and at its best."""
    several = len(devices) > 1
    speeds = [speed for device in devices for speed in _speeds(device)]
    places = {key: at for at, key in enumerate(dict.fromkeys(each.workload for each in speeds))}
    # Devices stand below one another.
    speeds.sort(key=lambda each: places[each.workload])
    keys = list(places)
    names = [_recipe_name(key.recipe) for key in keys]
    names = distinct_names(names, keys, [key.model for key in keys])
    recipes = dict(zip(keys, names, strict=True))
    shown = _whole_groups([each.workload for each in speeds])
    first = devices[0].environment
    where = "" if several else f" on {device_kind(first)} {device_name(first)}"
    columns = (
        Column(key="device", title="device"),
        Column(key="model", title="model", value=lambda each: each.workload.model),
        Column(key="recipe", title="recipe", value=lambda each: recipes[each.workload]),
        Column(
            key="latency_median_s",
            title="latency",
            form=Form.SECONDS,
            origin=Origin.MEASURED,
            value=lambda each: each.latency[0],
        ),
        Column(
            key="latency_batch",
            title="at batch",
            form=Form.COUNT,
            value=lambda each: each.latency[1],
        ),
        Column(
            key="throughput_images_per_s",
            title="most images/s",
            form=Form.NUMBER,
            origin=Origin.MEASURED,
            value=lambda each: each.throughput[0],
        ),
        Column(
            key="throughput_batch",
            title="by batch",
            form=Form.COUNT,
            value=lambda each: each.throughput[1],
        ),
    )
    return tabulate(
        columns if several else columns[1:],
        speeds[:shown],
        name="speeds-by-device" if several else "speeds",
        title=f"How fast it is{where}, measured",
        subtitle="" if several else describe(first),
        notes=(f"The first {shown} of {len(speeds)}; all of them are below.",)
        if shown < len(speeds)
        else (),
    )


def _speeds(device: MeasuredDevice) -> Iterator[_Speed]:
    groups: dict[Workload, list[BenchResult]] = {}
    for result in device.results:
        workload = result.workload
        key = replace(workload, recipe=replace(workload.recipe, batch=1))
        groups.setdefault(key, []).append(result)
    name = device_name(device.environment)
    for key, results in groups.items():
        yield _Speed(device=name, workload=key, results=tuple(results))


def _whole_groups(keys: Sequence[Workload]) -> int:
    """How many rows are shown: no more than ``MOST_ROWS``, and all of a kind or none."""
    ends = [at for at in range(1, len(keys)) if keys[at] != keys[at - 1]]
    fitting = [end for end in (*ends, len(keys)) if end <= MOST_ROWS]
    return max(fitting, default=min(len(keys), MOST_ROWS))


def _recipe_name(recipe: Recipe) -> str:
    """What is measured, without what goes without saying."""
    usual = {MemoryFormat.CONTIGUOUS, Engine.EAGER}
    unusual = [each.value for each in (recipe.memory_format, recipe.engine) if each not in usual]
    return ", ".join([short_recipe(recipe), *unusual])


def index(exhibits: Iterable[Exhibit], *, front: Sequence[Table], drawn: bool) -> str:
    """A Markdown page with the front tables in full and a line for each exhibit."""
    lines = [
        "# resprof report",
        "",
        "[index.html](index.html) has everything on one page: download it, then open it.",
        "",
    ]
    lines += [_line(each, drawn=drawn) for each in exhibits]
    return "\n".join([*lines, "", *(markdown(table) for table in front)])


def _line(exhibit: Exhibit, *, drawn: bool) -> str:
    stem = exhibit.stem
    suffixes = ["csv", "json", *(["svg", "png"] if exhibit.chart and drawn else [])]
    links = ", ".join(f"[{suffix}]({stem}.{suffix})" for suffix in suffixes)
    return f"- [{stem}]({stem}.md) ({links}): {exhibit.summary}"
