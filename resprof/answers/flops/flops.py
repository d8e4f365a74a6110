"""What a network costs, how that stands to the paper and to other tools: counts and their tables.

JSON is made of the same columns as the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from operator import attrgetter, itemgetter
from typing import Any

from resprof import units
from resprof.counting.cost import (
    BlockCost,
    Cost,
    NetworkCost,
    PlacedLayer,
    StageCost,
    UniqueShape,
    count,
)
from resprof.counting.reconcile import TORCHVISION, ToolFigure, reconcile, torchvision_sibling
from resprof.errors import Note, UsageError
from resprof.model.architecture import Architecture
from resprof.model.networks import describe, resolve
from resprof.model.published import (
    Claim,
    Verdict,
    deviation,
    judge,
    paper_claim,
    rounded_and_truncated,
    unit_scale,
)
from resprof.model.recipe import Mode
from resprof.render.answer import Answer
from resprof.render.table import Column, Form, Origin, Table, record, tabulate

CONVENTION = (
    "MAC = one multiply-add of a convolution or fully connected layer; FLOPs = 2 x MACs. "
    'What the paper calls "FLOPs" are MACs.'
)


class Per(StrEnum):
    """How finely a count is broken down."""

    STAGE = "stage"
    BLOCK = "block"
    LAYER = "layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What something costs in a call: ``cost`` is of all its images, ``macs`` are of its mode."""

    cost: Cost
    macs: int

    @property
    def params(self) -> int:
        """Learnable values, however many images there are."""
        return self.cost.params

    @property
    def flops(self) -> int:
        """Floating-point operations of the mode: two for each multiply-add."""
        return 2 * self.macs


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedPart(Counted):
    """A stage, block or layer; ``share`` is its part of the network's ``macs``."""

    part: StageCost | BlockCost | PlacedLayer
    share: float

    @property
    def stage(self) -> str:
        """The row of Table 1 that it belongs to."""
        return self.part.stage


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperFigure:
    """The paper's figure for a network beside ours, in the printed unit and for one image."""

    claim: Claim
    ours: float
    deviation: float
    verdict: Verdict

    def json_fields(self) -> Mapping[str, object]:
        """Flat: the claim's fields that say what is printed, then ours."""
        return {
            "id": self.claim.id,
            "where": self.claim.where,
            "printed": self.claim.printed,
            "unit": self.claim.unit,
            "ours": self.ours,
            "deviation": self.deviation,
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """torchvision's network of the same name, where it is another one than ours (v1.5, option B).

    ``extra_macs`` are the multiply-adds that it needs for one image beyond ours.
    """

    model: str
    extra_macs: int
    figures: tuple[ToolFigure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessCheck:
    """A second count of the same network by another tool, and where the two differ.

    ``macs`` and ``ours`` are those of a pass over one image, ``macs`` None where the other tool is
    not installed. ``agrees`` is None where it cannot judge. ``differing`` names layers.
    """

    witness: str
    counts: str
    macs: int | None
    ours: int
    agrees: bool | None
    differing: tuple[str, ...]
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlopsResult:
    """A network counted in a mode for ``batch`` images; ``rows`` add up to ``total``.

    ``elsewhere`` is a sentence on what other tools print for the network of this name, None where
    torchvision has none.
    """

    architecture: Architecture
    mode: Mode
    batch: int
    per: Per
    rows: tuple[CountedPart, ...]
    total: Counted
    paper: PaperFigure | None
    elsewhere: str | None
    unique: tuple[UniqueShape, ...] | None = None
    check: tuple[WitnessCheck, ...] | None = None
    reconcile: tuple[ToolFigure, ...] | None = None
    sibling: Sibling | None = None

    @property
    def model(self) -> str:
        """The network's canonical name."""
        return self.architecture.id

    @property
    def title(self) -> str:
        """What the network is, in words."""
        return describe(self.architecture)

    def json_fields(self) -> Mapping[str, object]:
        """Flat: rows, total and shapes by the columns of their parts."""
        fields = _LAYER_FIELDS if self.per is Per.LAYER else _PART_FIELDS
        return {
            "model": self.model,
            "title": self.title,
            "architecture": self.architecture,
            "recipe": {
                "mode": self.mode,
                "batch": self.batch,
                "image": self.architecture.image,
            },
            "per": self.per,
            "rows": [record(fields, row) for row in self.rows],
            "total": record((*_COSTS, *_BY_PASS, _BUFFERS), self.total),
            "paper": self.paper,
            "elsewhere": self.elsewhere,
            "unique": self.unique and [record(_UNIQUE_FIELDS, shape) for shape in self.unique],
            "check": self.check,
            "reconcile": self.reconcile,
            "sibling": self.sibling,
        }


def flops(
    architecture: Architecture,
    *,
    per: Per = Per.STAGE,
    mode: Mode = Mode.INFER,
    batch: int = 1,
    with_unique: bool = False,
    with_reconcile: bool = False,
    check: tuple[WitnessCheck, ...] | None = None,
) -> FlopsResult:
    """Counts one network: rows per stage, block or layer that add up to the total."""
    cost = count(architecture)
    total = _cost_of_call(cost.total, mode, batch)
    sibling = _sibling(cost) if with_reconcile else None
    return FlopsResult(
        architecture=architecture,
        mode=mode,
        batch=batch,
        per=per,
        rows=tuple(_part(part, total, mode, batch) for part in _parts(cost, per)),
        total=total,
        paper=paper_figure(cost),
        elsewhere=elsewhere(cost),
        unique=cost.unique_shapes() if with_unique else None,
        check=check,
        reconcile=reconcile(cost) if with_reconcile else None,
        sibling=sibling,
    )


def _parts(cost: NetworkCost, per: Per) -> tuple[StageCost | BlockCost | PlacedLayer, ...]:
    match per:
        case Per.STAGE:
            return cost.stages()
        case Per.BLOCK:
            return cost.blocks
        case Per.LAYER:
            return tuple(cost.layers())


def _part(
    part: StageCost | BlockCost | PlacedLayer, total: Counted, mode: Mode, batch: int
) -> CountedPart:
    cost = part.layer.cost if isinstance(part, PlacedLayer) else part.cost
    counted = _cost_of_call(cost, mode, batch)
    share = counted.macs / total.macs
    return CountedPart(part=part, cost=counted.cost, macs=counted.macs, share=share)


def _cost_of_call(cost: Cost, mode: Mode, batch: int) -> Counted:
    scaled = cost.times(batch)
    backward = scaled.backward_macs if mode is Mode.TRAIN else 0
    return Counted(cost=scaled, macs=scaled.macs + backward)


def paper_figure(cost: NetworkCost) -> PaperFigure | None:
    """What the paper prints for this network, beside ours; None where it prints nothing."""
    claim = paper_claim(cost.architecture)
    if claim is None:
        return None
    counted = cost.total.params if claim.kind == "params" else cost.total.macs
    ours = Fraction(counted, unit_scale(claim))
    return PaperFigure(
        claim=claim,
        ours=float(ours),
        deviation=deviation(claim.printed, ours),
        verdict=judge(claim.printed, ours),
    )


def elsewhere(cost: NetworkCost) -> str | None:
    """What other tools print for torchvision's network of this name, and why they differ."""
    sibling = _torchvisions(cost)
    stated, *tools = reconcile(sibling or cost)
    if stated.value is None:
        return None
    which = "torchvision"
    if sibling is not None:
        name = sibling.architecture.id
        which = f"torchvision's {TORCHVISION[name].name} is {name}; it"
    printed = ", ".join(
        f"{tool.tool} {units.format_si(tool.value)}"
        for tool in tools
        if tool.per_mac == 1 and tool.value
    )
    return (
        f"{which} reports {stated.printed} GFLOPS, meaning MACs. Other tools also count batch "
        f"norm, ReLU, pools or biases: {printed}."
    )


def _sibling(cost: NetworkCost) -> Sibling | None:
    theirs = _torchvisions(cost)
    if theirs is None:
        return None
    return Sibling(
        model=theirs.architecture.id,
        extra_macs=theirs.total.macs - cost.total.macs,
        figures=reconcile(theirs),
    )


def _torchvisions(cost: NetworkCost) -> NetworkCost | None:
    """Torchvision's network of the same name, None where that is this very one or there is none."""
    ours = cost.architecture
    name = torchvision_sibling(ours)
    return None if name is None else count(resolve(name, image=ours.image, classes=ours.classes))


def _counts(
    key: str, title: str, path: str | None = None, *, form: Form = Form.COUNT, priority: int = 0
) -> Column:
    """A column of counts that are summed; ``path`` leads to them, the key where none is given."""
    value = attrgetter(path or key)
    return Column(
        key=key,
        title=title,
        form=form,
        origin=Origin.COUNTED,
        priority=priority,
        value=value,
        total=lambda rows: sum(map(value, rows)),
    )


def _naming(column: Column) -> Column:
    """The column that says what a row is, and in the last line that it is the total."""
    return replace(column, priority=0, total=lambda _: "total")


def _block(row: Any) -> str | None:
    """A block has its name, a layer that of its block, and a stage none."""
    return row.part.name if isinstance(row.part, BlockCost) else getattr(row.part, "block", None)


def _of_layer(key: str, priority: int, *, form: Form = Form.SHAPE) -> Column:
    return Column(
        key=key,
        title=key,
        form=form,
        priority=priority,
        value=attrgetter(f"part.layer.{key}"),
    )


MODEL = Column(key="model", title="model")
_STAGE = Column(key="stage", title="stage")
_BLOCK = Column(key="block", title="block", value=_block)
_LAYER = Column(key="layer", title="layer", value=attrgetter("part.name"))
_KIND = _of_layer("kind", 3, form=Form.TEXT)
_INPUT = _of_layer("input", 5)
_WINDOW = (
    _of_layer("kernel", 4),
    _of_layer("stride", 4),
    _of_layer("padding", 5),
    _of_layer("dilation", 7),
    _of_layer("groups", 7, form=Form.COUNT),
)
_OUTPUT = Column(
    key="output", title="output", form=Form.SHAPE, priority=3, value=attrgetter("part.output")
)
_LAYER_OUTPUT = _of_layer("output", 3)
_PARAMS = _counts("params", "params")
_MACS = _counts("macs", "MACs")
_FLOPS = _counts("flops", "FLOPs", form=Form.SI, priority=2)
_SHARE = _counts("share", "share", form=Form.SHARE, priority=1)
_FORWARD = _counts("forward_macs", "forward", "cost.macs", priority=4)
_BACKWARD = _counts("backward_macs", "backward", "cost.backward_macs", priority=4)
_GRADIENTS = tuple(
    replace(_counts(key, title, f"cost.{key}", priority=6), total=None)
    for key, title in (("input_grad_macs", "input grad"), ("weight_grad_macs", "weight grad"))
)
_ELEMENTS = _counts("elements", "elements", "cost.elements", priority=4)

_BUFFERS = _counts("buffers", "buffers", "cost.buffers")
_COSTS = (_PARAMS, _MACS, _FLOPS)
_BY_PASS = (_FORWARD, _BACKWARD, _ELEMENTS)
_SHAPES = (_KIND, _INPUT, _LAYER_OUTPUT, *_WINDOW)
_PART_FIELDS = (_STAGE, _BLOCK, _OUTPUT, *_COSTS, _SHARE, *_BY_PASS)
_LAYER_FIELDS = (
    _STAGE,
    _BLOCK,
    _LAYER,
    *_SHAPES,
    *_COSTS,
    _SHARE,
    _FORWARD,
    *_GRADIENTS,
    _ELEMENTS,
)


def flops_table(result: FlopsResult) -> Table:
    """One network per stage, block or layer."""
    elsewhere = f"{result.elsewhere} See: resprof flops {result.model} --reconcile"
    return tabulate(
        _columns(result),
        result.rows,
        name=f"flops-{result.model}",
        title=f"{result.model}: {result.title}",
        subtitle=subtitle(result),
        notes=(CONVENTION, *paper_notes(result), *([elsewhere] if result.elsewhere else ())),
    )


def long_table(results: Sequence[FlopsResult]) -> Table:
    """The rows of all networks one after another, with the model in the first column."""
    model, row = itemgetter(0), itemgetter(1)
    return tabulate(
        (replace(MODEL, value=model), *(column.of(row) for column in _columns(results[0]))),
        [(result.model, row) for result in results for row in result.rows],
        name="flops",
        title="counts",
    )


def _columns(result: FlopsResult) -> tuple[Column, ...]:
    train = result.mode is Mode.TRAIN
    costs = (_MACS, _FLOPS, _SHARE)
    passes = (_PARAMS, *((_FORWARD, _BACKWARD) if train else ()))
    match result.per:
        case Per.STAGE:
            return (_naming(_STAGE), _OUTPUT, *passes, *costs)
        case Per.BLOCK:
            stage = replace(_STAGE, priority=4)
            return (stage, _naming(_BLOCK), _OUTPUT, *passes, *costs)
        case Per.LAYER:
            return (
                replace(_STAGE, priority=6),
                replace(_BLOCK, priority=6),
                _naming(_LAYER),
                *_SHAPES,
                _PARAMS,
                *((replace(_FORWARD, priority=6), *_GRADIENTS) if train else ()),
                *costs,
                _ELEMENTS,
            )


def subtitle(result: FlopsResult) -> str:
    """What was counted: mode, batch and image size."""
    height, width = result.architecture.image
    passes = "forward" if result.mode is Mode.INFER else "forward and backward"
    batch = result.batch
    images = f"one {height}x{width} image" if batch == 1 else f"{batch} images of {height}x{width}"
    return f"counted for {images}, {passes}, {result.architecture.classes} classes"


def paper_notes(result: FlopsResult) -> tuple[str, ...]:
    """What the paper prints for this network, and how its digits arise from ours."""
    return () if result.paper is None else (paper_sentence(result.paper),)


_HOW_IT_WAS_PRINTED = {
    Verdict.EXACTLY: "the paper prints it exactly",
    Verdict.BOTH: "rounding {ours} and cutting it off both give {printed}",
    Verdict.ROUNDING: "the paper rounded {ours} to {printed}; truncation would give {truncated}",
    Verdict.TRUNCATION: "the paper cut {ours} to {printed}; rounding would give {rounded}",
    Verdict.DIFFERS: "neither rounding ({rounded}) nor truncation ({truncated}) gives {printed}",
}


def paper_sentence(paper: PaperFigure) -> str:
    """One sentence: printed, ours, deviation, and whether the paper rounded or cut off."""
    claim = paper.claim
    ours = units.significant(paper.ours, 4)
    rounded, truncated = rounded_and_truncated(claim.printed, Fraction(repr(paper.ours)))
    how = _HOW_IT_WAS_PRINTED[paper.verdict].format(
        ours=ours, printed=claim.printed, rounded=rounded, truncated=truncated
    )
    counted_for = "" if claim.kind == "params" else " for a forward pass of one image"
    side = "above" if paper.deviation >= 0 else "below"
    return (
        f"The paper ({claim.where}) prints {claim.printed} {claim.unit}{counted_for}; our count, "
        f"{ours}, is {units.format_percent(abs(paper.deviation))} {side}: {how}."
    )


def _of_network(column: Column) -> Column:
    """The column over results in place of parts."""
    return column.of(attrgetter("total"))


def _of_paper(read: Callable[[PaperFigure], object]) -> Callable[[FlopsResult], object]:
    return lambda result: None if result.paper is None else read(result.paper)


_COMPARED = (
    MODEL,
    *map(_of_network, _COSTS),
    Column(
        key="paper",
        title="paper",
        origin=Origin.PUBLISHED,
        priority=1,
        value=_of_paper(lambda paper: f"{paper.claim.printed} {paper.claim.unit}"),
    ),
    Column(
        key="deviation",
        title="off by",
        form=Form.DEVIATION,
        origin=Origin.COUNTED,
        priority=1,
        value=_of_paper(attrgetter("deviation")),
    ),
    Column(key="verdict", title="digits", priority=2, value=_of_paper(attrgetter("verdict"))),
)


def comparison_table(results: Sequence[FlopsResult]) -> Table:
    """Several networks side by side: a row each, with the MACs of every stage."""
    named = "; ".join(f"{result.model}: {result.title}" for result in results)
    counted = "; ".join(dict.fromkeys(subtitle(result) for result in results))
    return tabulate(
        (*_COMPARED, *map(_macs_of_stage, _stages(results))),
        results,
        name="flops",
        title=", ".join(result.model for result in results),
        subtitle=f"{counted}; stage columns are MACs",
        notes=(f"{named}.", CONVENTION),
    )


def _macs_of_stage(stage: str) -> Column:
    return Column(
        key=f"{stage}_macs",
        title=stage,
        form=Form.SI,
        origin=Origin.COUNTED,
        priority=3,
        value=lambda result: next((row.macs for row in result.rows if row.stage == stage), None),
    )


def _stages(results: Sequence[FlopsResult]) -> list[str]:
    """Stage names of mixed families in order of execution: conv1, conv1_x, conv2_x ... fc."""
    stages = {row.stage for result in results for row in result.rows}
    return sorted(stages, key=lambda stage: (stage == "fc", stage))


_OVERVIEW = (
    MODEL,
    Column(key="network", title="network", priority=3, value=attrgetter("title")),
    Column(
        key="image",
        title="image",
        form=Form.SHAPE,
        priority=2,
        value=attrgetter("architecture.image"),
    ),
    *map(_of_network, _COSTS),
    _of_network(replace(_BACKWARD, title="backward MACs", priority=3)),
    _of_network(replace(_ELEMENTS, priority=3)),
)


def overview_table(results: Sequence[FlopsResult]) -> Table:
    """Every network in a row: what it costs for one image, forward."""
    return tabulate(
        _OVERVIEW,
        results,
        name="networks",
        title=f"{len(results)} networks, counted",
        subtitle="one image at the family's default size, forward",
        notes=(
            CONVENTION,
            (
                "Backward counts the input and weight gradients of every layer, without the "
                "gradient of the image. Elements: the values that all layers write in forward."
            ),
        ),
    )


def after_model(result: FlopsResult, columns: Sequence[Column]) -> tuple[Column, ...]:
    """The columns after one of the network's name, as CSV needs them."""
    return replace(MODEL, value=lambda _: result.model), *columns


def _of_shape(key: str, priority: int = 0, *, form: Form = Form.SHAPE) -> Column:
    value = attrgetter(f"first.layer.{key}")
    return Column(key=key, title=key, form=form, priority=priority, value=value)


_MULTIPLICITY = _counts("multiplicity", "count")
_SHAPE = (
    *map(_of_shape, ("input", "output", "kernel", "stride")),
    _of_shape("padding", 1),
    _of_shape("dilation", 5),
    _of_shape("groups", 2, form=Form.COUNT),
)
_MACS_EACH = replace(
    _counts("macs_each", "MACs each", "first.layer.cost.macs", priority=3), total=None
)
_MACS_IN_ALL = _counts("macs", "MACs in all", priority=1)
_FIRST = Column(key="first_layer", title="first", priority=4, value=attrgetter("first.name"))
_UNIQUE = (_MULTIPLICITY, *_SHAPE, _MACS_EACH, _MACS_IN_ALL, _FIRST)
_UNIQUE_FIELDS = (
    _of_shape("kind", form=Form.TEXT),
    *_SHAPE,
    _of_shape("bias", form=Form.TEXT),
    _MULTIPLICITY,
    _MACS_EACH,
    _MACS_IN_ALL,
    _counts("params_each", "parameters each", "first.layer.cost.params"),
    _counts("params", "parameters in all"),
    _FIRST,
    Column(key="first_stage", title="first stage", value=attrgetter("first.stage")),
)


def unique_table(result: FlopsResult, *, as_sheet: bool = False) -> Table:
    """The distinct convolution and fully connected shapes of a network with their multiplicity."""
    shapes = result.unique or ()
    return tabulate(
        after_model(result, _UNIQUE) if as_sheet else _UNIQUE,
        shapes,
        name=f"unique-{result.model}",
        title=f"{result.model}: the {len(shapes)} distinct shapes of {result.title}",
        subtitle="convolutions and fully connected layers by first use; one image, forward",
    )


def flops_answer(
    results: Sequence[FlopsResult], *, side_by_side: bool = False
) -> Answer[FlopsResult]:
    """Counted networks: a table for each, or one in which they stand ``side_by_side``."""
    return Answer(
        command="flops",
        results=tuple(results),
        notes=(Note(code="convention", message=CONVENTION),),
        tables=lambda: _tables(results, side_by_side=side_by_side),
        sheets=lambda: _sheets(results),
    )


def _tables(results: Sequence[FlopsResult], *, side_by_side: bool) -> list[Table]:
    extra = [table for result in results for table in _extra(result)]
    if extra:
        return extra
    if side_by_side:
        return [comparison_table(results)]
    return [flops_table(result) for result in results]


def _sheets(results: Sequence[FlopsResult]) -> list[Table]:
    extra = [_extra(result, as_sheet=True) for result in results]
    if any(len(tables) > 1 for tables in extra):
        raise UsageError(
            "--unique, --check and --reconcile give one table each, and CSV holds one table",
            hint="ask for one of them, or for --json",
        )
    return [table for tables in extra for table in tables] or [long_table(results)]


def _extra(result: FlopsResult, *, as_sheet: bool = False) -> list[Table]:
    tables = []
    if result.unique is not None:
        tables.append(unique_table(result, as_sheet=as_sheet))
    if result.check is not None or result.reconcile is not None:
        from resprof.answers.flops.tools import check_table, reconcile_table

        made = {check_table: result.check, reconcile_table: result.reconcile}
        tables += [
            table(result, as_sheet=as_sheet) for table, rows in made.items() if rows is not None
        ]
    return tables
