"""The page of a report: answers first, then every network, the paper's claims, every device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from resprof.answers.bench.tables import measured_table
from resprof.answers.environment import describe, device_kind, device_name
from resprof.answers.flops.counts import FlopsResult
from resprof.answers.networks import show_tables
from resprof.answers.report.content import MeasuredDevice, ReportContent
from resprof.answers.report.counted import FRONT, chosen, network_table
from resprof.answers.report.front import costs_table, speeds_table
from resprof.answers.report.predicted import CHARTS, fits_matrix, network_memory
from resprof.model.published import Verdict
from resprof.render.chart import slug
from resprof.render.document import Document, Exhibit, Placed, Section
from resprof.render.formats import markdown
from resprof.render.table import Table

_KINDS = (
    "Four kinds of number never share a column. Published: printed by the paper or by a vendor. "
    "Counted: exact integers from the architecture. Predicted: derived without running. Measured: "
    "raw samples of a device. An em dash is unknown, zero is zero."
)
_NAMES = (
    "resnet50 is the paper's network (v1), resnet50-v1.5 that of torchvision and MLPerf. -A, -B "
    "and -C are the paper's shortcut options; without one it is the family's usual one."
)

Exhibits = Mapping[str, Exhibit]
"""By their stem."""


def document(content: ReportContent, exhibits: Sequence[Exhibit]) -> Document:
    """The page's content, in its order."""
    by_stem = {exhibit.stem: exhibit for exhibit in exhibits}
    return Document(
        title="What a ResNet costs, where it fits, how fast it runs",
        text=(_KINDS,),
        front=tuple(_front(content)),
        sections=(
            _networks(content, by_stem),
            *([_memory(by_stem)] if content.predicted else []),
            _paper(content, by_stem),
            *(_device(device, exhibits) for device in content.measured),
            *([_assumptions(content, by_stem)] if content.predicted else []),
        ),
    )


def _front(content: ReportContent) -> Iterator[Placed]:
    yield Placed(item=costs_table(chosen(content.counted.networks, FRONT)), stem="networks")
    if content.predicted is not None:
        yield Placed(item=fits_matrix(content.predicted.fits, content.predicted.torch), stem="fits")
    if content.measured:
        # Of several devices each has files of its own, none has all.
        (first, *others) = content.measured
        stem = None if others else f"measured/{first.folder}/measured"
        yield Placed(item=speeds_table(content.measured), stem=stem)


def _networks(content: ReportContent, exhibits: Exhibits) -> Section:
    return Section(
        anchor="networks",
        title="Every network",
        text=(_NAMES,),
        items=_all_of(exhibits, "networks", "charts/costs"),
        sections=tuple(_network(result, content, exhibits) for result in content.counted.networks),
    )


def _network(result: FlopsResult, content: ReportContent, exhibits: Exhibits) -> Section:
    model = result.model
    shape = next(each for each in content.counted.shapes if each.model == model)
    items = [Placed(item=table) for table in show_tables([shape])]
    items.append(Placed(item=network_table(result)))
    memory = network_memory(content.predicted, model) if content.predicted else None
    if memory is not None:
        items.append(Placed(item=memory))
    items += _all_of(exhibits, *(f"charts/{kind}-{slug(model)}" for kind in CHARTS))
    for device in content.measured:
        found = [each for each in device.results if each.model == model]
        if found:
            items.append(Placed(item=measured_table(device.environment, found)))
    return Section(
        anchor=f"net-{slug(model)}",
        title=f"{model}: {result.title}",
        items=tuple(items),
        folded=True,
    )


def _memory(exhibits: Exhibits) -> Section:
    return Section(
        anchor="memory",
        title="What fits where, and where memory goes",
        text=(
            (
                "Predicted from the operators of a step, traced without a GPU, and a model of the "
                "caching allocator. What that assumes stands at the end."
            ),
        ),
        items=_all_of(exhibits, "fits", "memory", "charts/memory-resnet50"),
    )


def _paper(content: ReportContent, exhibits: Exhibits) -> Section:
    verdicts = Counter(claim.verdict for claim in content.counted.claims)
    counts = ", ".join(f"{verdicts[each]} {each}" for each in Verdict if verdicts[each])
    return Section(
        anchor="paper",
        title="What the paper claims, computed again",
        text=(f"{len(content.counted.claims)} claims: {counts}.",),
        items=_all_of(exhibits, "table1", "table6", "paper"),
    )


def _device(device: MeasuredDevice, exhibits: Sequence[Exhibit]) -> Section:
    environment = device.environment
    folder = f"measured/{device.folder}/"
    placed = [_placed(each) for each in exhibits if each.stem.startswith(folder)]
    return Section(
        anchor=f"on-{device.folder}",
        title=f"Measured on {device_kind(environment)} {device_name(environment)}",
        text=(describe(environment),),
        items=tuple(place for places in placed for place in places),
    )


def _assumptions(content: ReportContent, exhibits: Exhibits) -> Section:
    notes = content.predicted.roofline_notes if content.predicted else ()
    return Section(
        anchor="assumptions",
        title="What predictions take for granted",
        text=tuple(f"Rooflines: {note.message}" for note in notes),
        items=_all_of(exhibits, "assumptions"),
    )


def _all_of(exhibits: Exhibits, *stems: str) -> tuple[Placed, ...]:
    """The items of those that there are."""
    found = (exhibits[stem] for stem in stems if stem in exhibits)
    return tuple(place for exhibit in found for place in _placed(exhibit))


def _placed(exhibit: Exhibit) -> tuple[Placed, ...]:
    return tuple(Placed(item=item, stem=exhibit.stem) for item in exhibit.shown)


def index(exhibits: Iterable[Exhibit], *, front: Sequence[Table], drawn: bool) -> str:
    """A Markdown page with the front tables in full and a line for each exhibit."""
    lines = [
        "# resprof report",
        "",
        "[index.html](index.html) is all of it on one page: download it, then open it.",
        "",
    ]
    lines += [_line(each, drawn=drawn) for each in exhibits]
    return "\n".join([*lines, "", *(markdown(table) for table in front)])


def _line(exhibit: Exhibit, *, drawn: bool) -> str:
    stem = exhibit.stem
    suffixes = ["csv", "json", *(["svg", "png"] if exhibit.chart and drawn else [])]
    links = ", ".join(f"[{suffix}]({stem}.{suffix})" for suffix in suffixes)
    return f"- [{stem}]({stem}.md) ({links}): {exhibit.summary}"
