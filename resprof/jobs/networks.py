"""Which networks there are, and one of them in the form of the paper's Table 1."""

from __future__ import annotations

from resprof.catalog.families import MEMBERS, Member
from resprof.catalog.networks import describe, options, resolve
from resprof.counting.walk import count
from resprof.jobs.count import paper_figure
from resprof.records.architecture import Architecture, Block, Stage, StrideIn
from resprof.records.networks import ListResult, ListRow, ShowResult, ShowRow, ShowTotal


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
