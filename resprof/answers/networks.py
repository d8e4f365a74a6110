"""Which networks there are, and one of them in the form of the paper's Table 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter, itemgetter

from resprof import units
from resprof.answers.flops.flops import (
    CONVENTION,
    MODEL,
    PaperFigure,
    paper_figure,
    paper_sentence,
)
from resprof.counting.cost import Cost, StageCost, count
from resprof.model.architecture import Architecture, StrideIn
from resprof.model.networks import Member, describe, family_of, members, options, resolve
from resprof.render.answer import Answer, Rows
from resprof.render.table import Column, Form, Origin, Table, record, tabulate


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownStage:
    """A row of Table 1: a stage, and what it is made of in the paper's notation."""

    part: StageCost
    layers: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowResult:
    """A network in the form of Table 1; ``cost`` is that of one image."""

    architecture: Architecture
    rows: tuple[ShownStage, ...]
    cost: Cost
    paper: PaperFigure | None

    @property
    def model(self) -> str:
        """The network's canonical name."""
        return self.architecture.id

    @property
    def title(self) -> str:
        """What the network is, in words."""
        return describe(self.architecture)

    def json_fields(self) -> Mapping[str, object]:
        """Flat: rows and total by their columns."""
        return {
            "model": self.model,
            "title": self.title,
            "recipe": None,
            "rows": [record((_STAGE, _OUTPUT, _TEXT), row) for row in self.rows],
            "total": record((_PARAMS, _MACS, _FLOPS), self),
            "paper": self.paper,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedNetwork:
    """A network that can be asked for, its default form and what that costs for one image."""

    member: Member
    architecture: Architecture
    cost: Cost

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What the name can be followed by, for another form of the network."""
        strides = {stride for stride, _ in options(self.member)}
        shortcuts = {shortcut for _, shortcut in options(self.member)}
        moved = ["-v1.5"] if len(strides) > 1 and StrideIn.MIDDLE_3X3 in strides else []
        others = sorted(shortcuts - {self.member.shortcut}, key=str)
        return (*moved, *(f"-{shortcut}" for shortcut in others if shortcut))

    def json_fields(self) -> Mapping[str, object]:
        """Flat by its columns, the suffixes in a list."""
        fields = (_MODEL, _LABEL, _OPTIONS, _LAYERS, _IMAGE, _PARAMS, _MACS, _FLOPS)
        return {**record(fields, self), "options": self.suffixes}


def networks() -> tuple[ListedNetwork, ...]:
    """Every listed network with its cost by default."""
    return tuple(_listed(member, resolve(member.name)) for member in members().values())


def _listed(member: Member, architecture: Architecture) -> ListedNetwork:
    cost = count(architecture).total
    return ListedNetwork(member=member, architecture=architecture, cost=cost)


def show(architecture: Architecture) -> ShowResult:
    """What each stage is made of, in the paper's notation, with its output size."""
    cost = count(architecture)
    texts = dict(family_of(architecture).table(architecture))
    return ShowResult(
        architecture=architecture,
        rows=tuple(ShownStage(part=stage, layers=texts[stage.stage]) for stage in cost.stages()),
        cost=cost.total,
        paper=paper_figure(cost),
    )


def _counted(key: str, title: str, form: Form) -> Column:
    value = attrgetter(f"cost.{key}")
    return Column(key=key, title=title, form=form, origin=Origin.COUNTED, value=value)


_MODEL = Column(key="model", title="model", value=attrgetter("member.name"))
_OPTIONS = Column(
    key="options", title="options", priority=2, value=lambda row: " ".join(row.suffixes)
)
_LAYERS = Column(
    key="layers", title="layers", form=Form.COUNT, priority=3, value=attrgetter("member.depth")
)
_IMAGE = Column(
    key="image",
    title="image",
    form=Form.SHAPE,
    priority=3,
    value=attrgetter("architecture.image"),
)
_PARAMS = _counted("params", "params", Form.COUNT)
_MACS = _counted("macs", "MACs", Form.SI)
_FLOPS = _counted("flops", "FLOPs", Form.SI)
_LABEL = Column(key="label", title="network", priority=1, value=attrgetter("member.label"))


def list_table(rows: Sequence[ListedNetwork]) -> Table:
    """Every listed network in a row."""
    return tabulate(
        (_MODEL, _OPTIONS, _LAYERS, _IMAGE, _PARAMS, _MACS, _LABEL),
        rows,
        name="networks",
        title="Networks in the catalog",
        subtitle="counted for one image at the family's default size, forward, with default "
        "options",
        notes=(
            (
                "Names are NAME[-v1.5][-A|-B|-C]: resnet50 is the paper's network (v1), "
                "resnet50-v1.5 is torchvision's. cifar-resnetN and cifar-plainN: any N = 6n+2."
            ),
            CONVENTION,
        ),
    )


_STAGE = Column(key="stage", title="stage", value=attrgetter("part.stage"))
_OUTPUT = Column(key="output", title="output", form=Form.SHAPE, value=attrgetter("part.output"))
_TEXT = Column(key="layers", title="layers", form=Form.PROSE, value=attrgetter("layers"))


def show_tables(results: Sequence[ShowResult]) -> list[Table]:
    """Networks in the form of Table 1: in one table where their map sizes agree."""
    sizes = {tuple((row.part.stage, row.part.output[1:]) for row in each.rows) for each in results}
    return [_show_table(results)] if len(sizes) == 1 else [_show_table([each]) for each in results]


def show_rows_table(results: Sequence[ShowResult]) -> Table:
    """The same with a row for each network and stage, as CSV needs it."""
    result, row = itemgetter(0), itemgetter(1)
    return tabulate(
        (MODEL.of(result), *(column.of(row) for column in (_STAGE, _OUTPUT, _TEXT))),
        [(result, row) for result in results for row in result.rows],
        name="show",
        title=", ".join(result.model for result in results),
    )


def _show_table(results: Sequence[ShowResult]) -> Table:
    """Side by side: a row is the same stage of each network."""
    side = replace(_OUTPUT, value=lambda stage: stage.part.output[1:] or (1, 1))
    return tabulate(
        (
            *(column.of(itemgetter(0)) for column in (_STAGE, side)),
            *(
                replace(_TEXT, key=result.model, title=result.model).of(itemgetter(number))
                for number, result in enumerate(results)
            ),
        ),
        list(zip(*(result.rows for result in results), strict=True)),
        name="show",
        title=", ".join(result.model for result in results),
        subtitle="; ".join(f"{result.model}: {result.title}" for result in results),
        notes=tuple(_cost_sentence(result) for result in results),
    )


def _cost_sentence(result: ShowResult) -> str:
    text = (
        f"{result.model}: {units.format_count(result.cost.params)} parameters, "
        f"{units.format_count(result.cost.macs)} MACs, "
        f"{units.format_si(result.cost.flops)} FLOPs."
    )
    return f"{text} {paper_sentence(result.paper)}" if result.paper else text


def list_answer() -> Answer[Rows[ListedNetwork]]:
    """Every listed network, with what it costs by default."""
    rows = networks()
    return Answer(
        command="list",
        results=(Rows(rows=rows),),
        tables=lambda: [list_table(rows)],
        sheets=lambda: [list_table(rows)],
    )


def show_answer(architectures: Iterable[Architecture]) -> Answer[ShowResult]:
    """Networks in the form of Table 1."""
    results = tuple(map(show, architectures))
    return Answer(
        command="show",
        results=results,
        tables=lambda: show_tables(results),
        sheets=lambda: [show_rows_table(results)],
    )
