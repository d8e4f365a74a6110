"""Which networks there are, and one of them in the form of the paper's Table 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resprof import units
from resprof.answers.flops.counts import PaperFigure, paper_figure
from resprof.answers.flops.tables import CONVENTION, paper_sentence
from resprof.counting.cost import Shape
from resprof.counting.walk import count
from resprof.model.architecture import Architecture, Block, Stage, StrideIn
from resprof.model.families import MEMBERS, Member
from resprof.model.networks import describe, options, resolve
from resprof.render.table import Column, Form, Origin, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowRow:
    """A row of Table 1: what the stage is made of, in the paper's notation."""

    stage: str
    output: Shape
    layers: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowTotal:
    """What a network of Table 1 costs for one image."""

    params: int
    macs: int
    flops: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowResult:
    """A network in the form of Table 1."""

    model: str
    title: str
    recipe: None = None
    rows: tuple[ShowRow, ...]
    total: ShowTotal
    paper: PaperFigure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """A network that can be asked for; ``options`` are the suffixes that it takes."""

    model: str
    label: str
    options: tuple[str, ...]
    layers: int
    image: tuple[int, int]
    params: int
    macs: int
    flops: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListResult:
    """Every listed network, in one result without a model."""

    model: None = None
    recipe: None = None
    rows: tuple[ListRow, ...]
    total: None = None


def networks() -> ListResult:
    """Every listed network with its options and its cost by default."""
    return ListResult(rows=tuple(_list_row(member) for member in MEMBERS.values()))


def _list_row(member: Member) -> ListRow:
    architecture = resolve(member.name)
    total = count(architecture).total
    strides = {stride for stride, _ in options(member)}
    shortcuts = {shortcut for _, shortcut in options(member)}
    suffixes = ["-v1.5"] if len(strides) > 1 and StrideIn.MIDDLE_3X3 in strides else []
    suffixes += [f"-{s}" for s in sorted(shortcuts - {member.shortcut}, key=str) if s]
    return ListRow(
        model=member.name,
        label=member.label,
        options=tuple(suffixes),
        layers=member.depth,
        image=architecture.image,
        params=total.params,
        macs=total.macs,
        flops=total.flops,
    )


def show(architecture: Architecture) -> ShowResult:
    """What each stage is made of, in the paper's notation, with its output size."""
    cost = count(architecture)
    sizes = {stage.stage: stage.output for stage in cost.stages()}
    texts = dict(_rows(architecture))
    return ShowResult(
        model=architecture.id,
        title=describe(architecture),
        rows=tuple(
            ShowRow(stage=stage, output=size, layers=texts[stage]) for stage, size in sizes.items()
        ),
        total=ShowTotal(params=cost.total.params, macs=cost.total.macs, flops=cost.total.flops),
        paper=paper_figure(cost),
    )


def _rows(architecture: Architecture) -> list[tuple[str, str]]:
    rows = []
    stem = architecture.stem
    if stem is not None:
        stride = f", stride {stem.stride}" if stem.stride > 1 else ""
        rows.append(("conv1", f"{stem.kernel}x{stem.kernel}, {stem.channels}{stride}"))
    for index, stage in enumerate(architecture.stages):
        text = f"[{_block(architecture, stage)}] x {stage.blocks}"
        if index == 0 and stem is not None and stem.pool:
            text = f"3x3 max pool, stride 2; {text}"
        if architecture.block is Block.CONV:
            text = f"{text}; 2x2 max pool, stride 2"
        rows.append((stage.name, text))
    hidden = "".join(f"{features}-d fc, " for features in architecture.hidden)
    pool = "average pool, " if architecture.block is not Block.CONV else ""
    rows.append(("fc", f"{pool}{hidden}{architecture.classes}-d fc"))
    return rows


def _block(architecture: Architecture, stage: Stage) -> str:
    groups = f" in {architecture.groups} groups" if architecture.groups > 1 else ""
    match architecture.block:
        case Block.BOTTLENECK:
            return f"1x1, {stage.inner}; 3x3, {stage.inner}{groups}; 1x1, {stage.outer}"
        case Block.BASIC:
            return f"3x3, {stage.inner}; 3x3, {stage.outer}"
        case Block.CONV:
            return f"3x3, {stage.outer}"


def list_table(result: ListResult) -> Table:
    """Every listed network in a row."""
    counted = Origin.COUNTED
    return Table(
        name="networks",
        title="Networks that resprof knows",
        subtitle="counted for one image of the family's size, forward, in the default form",
        columns=(
            Column(key="model", title="model"),
            Column(key="options", title="options", priority=2),
            Column(key="layers", title="layers", form=Form.COUNT, priority=3),
            Column(key="image", title="image", form=Form.SHAPE, priority=3),
            Column(key="params", title="params", form=Form.COUNT, origin=counted),
            Column(key="macs", title="MACs", form=Form.SI, origin=counted),
            Column(key="label", title="what it is", priority=1),
        ),
        rows=tuple(
            (
                row.model,
                " ".join(row.options),
                row.layers,
                row.image,
                row.params,
                row.macs,
                row.label,
            )
            for row in result.rows
        ),
        notes=(
            (
                "Names are NAME[-v1.5][-A|-B|-C]: resnet50 is the paper's network (v1), "
                "resnet50-v1.5 torchvision's. cifar-resnetN and cifar-plainN: any N = 6n+2."
            ),
            CONVENTION,
        ),
    )


def show_tables(results: Sequence[ShowResult]) -> list[Table]:
    """Networks in the form of Table 1: in one table where their map sizes agree."""
    first = [(row.stage, row.output[1:]) for row in results[0].rows]
    if all([(row.stage, row.output[1:]) for row in result.rows] == first for result in results):
        return [_show_table(results)]
    return [_show_table([result]) for result in results]


def show_rows_table(results: Sequence[ShowResult]) -> Table:
    """The same with a row for each network and stage, as CSV needs it."""
    return Table(
        name="show",
        title=", ".join(result.model for result in results),
        columns=(
            Column(key="model", title="model"),
            Column(key="stage", title="stage"),
            Column(key="output", title="output", form=Form.SHAPE),
            Column(key="layers", title="layers", form=Form.PROSE),
        ),
        rows=tuple(
            (result.model, row.stage, row.output, row.layers)
            for result in results
            for row in result.rows
        ),
    )


def _show_table(results: Sequence[ShowResult]) -> Table:
    return Table(
        name="show",
        title=", ".join(result.model for result in results),
        subtitle="; ".join(f"{result.model}: {result.title}" for result in results),
        columns=(
            Column(key="stage", title="stage"),
            Column(key="output", title="output", form=Form.SHAPE),
            *(Column(key=result.model, title=result.model, form=Form.PROSE) for result in results),
        ),
        rows=tuple(
            (
                rows[0].stage,
                rows[0].output[1:] or (1, 1),
                *(row.layers for row in rows),
            )
            for rows in zip(*(result.rows for result in results), strict=True)
        ),
        notes=tuple(_cost(result) for result in results),
    )


def _cost(result: ShowResult) -> str:
    text = (
        f"{result.model}: {units.format_count(result.total.params)} parameters, "
        f"{units.format_count(result.total.macs)} MACs, "
        f"{units.format_si(result.total.flops)} FLOPs."
    )
    return f"{text} {paper_sentence(result.paper)}" if result.paper else text
