"""The columns of `resprof flops`, its tables, and its JSON, which is made of the same columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter, itemgetter
from typing import Any

from resprof import units
from resprof.answers.flops.counts import FlopsResult, PaperFigure, Per
from resprof.counting.cost import BlockCost, UniqueShape
from resprof.counting.reconcile import ToolFigure
from resprof.model.published import Verdict
from resprof.model.recipe import Mode
from resprof.render.table import Column, Form, Origin, Table, record, tabulate

CONVENTION = (
    "MAC = one multiply-add of a convolution or fully connected layer; FLOPs = 2 x MACs. "
    'What the paper calls "FLOPs" are MACs.'
)


def _counted(
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
_PARAMS = _counted("params", "params")
_MACS = _counted("macs", "MACs")
_FLOPS = _counted("flops", "FLOPs", form=Form.SI, priority=2)
_SHARE = _counted("share", "share", form=Form.SHARE, priority=1)
_FORWARD = _counted("forward_macs", "forward", "cost.macs", priority=4)
_BACKWARD = _counted("backward_macs", "backward", "cost.backward_macs", priority=4)
_GRADIENTS = tuple(
    replace(_counted(key, title, f"cost.{key}", priority=6), total=None)
    for key, title in (("input_grad_macs", "input grad"), ("weight_grad_macs", "weight grad"))
)
_ELEMENTS = _counted("elements", "elements", "cost.elements", priority=4)

_BUFFERS = _counted("buffers", "buffers", "cost.buffers")
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


def published(result: FlopsResult) -> dict[str, object]:
    """The result as JSON has it: every record flat."""
    fields = _LAYER_FIELDS if result.per is Per.LAYER else _PART_FIELDS
    return {
        "model": result.model,
        "title": result.title,
        "architecture": result.architecture,
        "recipe": {
            "mode": result.mode,
            "batch": result.batch,
            "image": result.architecture.image,
        },
        "per": result.per,
        "rows": [record(fields, row) for row in result.rows],
        "total": record((*_COSTS, *_BY_PASS, _BUFFERS), result.total),
        "paper": published_figure(result.paper),
        "elsewhere": result.elsewhere,
        "unique": result.unique and [record(_UNIQUE_FIELDS, shape) for shape in result.unique],
        "check": result.check,
        "reconcile": result.reconcile,
        "sibling": result.sibling,
    }


def published_figure(paper: PaperFigure | None) -> dict[str, object] | None:
    """The paper's figure as JSON has it: the claim's fields among its own."""
    if paper is None:
        return None
    return {
        "id": paper.claim.id,
        "where": paper.claim.where,
        "printed": paper.claim.printed,
        "unit": paper.claim.unit,
        "ours": paper.ours,
        "deviation": paper.deviation,
        "verdict": paper.verdict,
    }


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


_HOW_DIGITS_ARISE = {
    Verdict.EXACTLY: "the digits are exact",
    Verdict.BOTH: "its digits arise by rounding and by truncation alike",
    Verdict.ROUNDING: "its digits arise by rounding, not by truncation",
    Verdict.TRUNCATION: "its digits arise by truncation, not by rounding",
    Verdict.DIFFERS: "its digits arise neither by rounding nor by truncation",
}


def paper_sentence(paper: PaperFigure) -> str:
    """One sentence: printed, ours, deviation, and how the digits arise."""
    claim = paper.claim
    counted_for = "" if claim.kind == "params" else " for a forward pass of one image"
    side = "above" if paper.deviation >= 0 else "below"
    return (
        f"The paper ({claim.where}) prints {claim.printed} {claim.unit}{counted_for}; ours, "
        f"{units.significant(paper.ours, 4)}, is {units.format_percent(abs(paper.deviation))} "
        f"{side}; {_HOW_DIGITS_ARISE[paper.verdict]}."
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
        subtitle="one image of the family's size, forward",
        notes=(
            CONVENTION,
            (
                "Backward counts both gradients of every layer but the image's. Elements are the "
                "values that all layers together write in forward."
            ),
        ),
    )


def reconcile_table(result: FlopsResult, *, full: bool = False) -> Table:
    """What every other tool prints for this network, and what makes the difference.

    The column for torchvision's sibling is left out where there is none, unless ``full``.
    """
    sibling = result.sibling
    theirs = {figure.tool: figure.value for figure in sibling.figures} if sibling else {}
    value = Column(key="value", title=f"for {result.model}", form=Form.COUNT, origin=Origin.COUNTED)
    of_sibling = replace(
        value,
        key="sibling_value",
        title=f"for {sibling.model}" if sibling else "",
        priority=1,
        value=lambda figure: theirs.get(figure.tool),
    )
    return tabulate(
        (
            Column(key="tool", title="tool"),
            Column(key="calls_it", title="calls it", priority=2),
            value,
            *([of_sibling] if sibling or full else ()),
            Column(key="terms", title="how it arises", form=Form.PROSE, value=_how),
        ),
        result.reconcile or (),
        name=f"reconcile-{result.model}",
        title=f"What other tools print for {result.model}, and why",
        subtitle="the exact number that each reports for one image, forward, in eval mode",
        notes=_reconcile_notes(result),
    )


def _how(figure: ToolFigure) -> str:
    if figure.value is None:
        return figure.reason or ""
    start = "MACs" if figure.per_mac == 1 else f"{figure.per_mac} x MACs"
    terms = (
        f"{'+' if term.amount >= 0 else '-'} {units.format_count(abs(term.amount))} {term.name}"
        for term in figure.terms
    )
    return " ".join((start, *terms))


def _reconcile_notes(result: FlopsResult) -> tuple[str, ...]:
    ours = units.format_count(result.total.cost.macs // result.batch)
    notes = (f"MACs are ours: {ours} for {result.model}.", *paper_notes(result))
    sibling = result.sibling
    if sibling is None:
        return notes
    extra = units.format_count(abs(sibling.extra_macs))
    more = "more" if sibling.extra_macs >= 0 else "less"
    return (
        *notes,
        f"torchvision's network of that name is {sibling.model}, which needs {extra} MACs {more}.",
    )


def _of_shape(key: str, priority: int = 0, *, form: Form = Form.SHAPE) -> Column:
    value = attrgetter(f"first.layer.{key}")
    return Column(key=key, title=key, form=form, priority=priority, value=value)


_MULTIPLICITY = _counted("multiplicity", "count")
_SHAPE = (
    *map(_of_shape, ("input", "output", "kernel", "stride")),
    _of_shape("padding", 1),
    _of_shape("dilation", 5),
    _of_shape("groups", 2, form=Form.COUNT),
)
_MACS_EACH = replace(
    _counted("macs_each", "MACs each", "first.layer.cost.macs", priority=3), total=None
)
_MACS_IN_ALL = _counted("macs", "MACs in all", priority=1)
_FIRST = Column(key="first_layer", title="first", priority=4, value=attrgetter("first.name"))
_UNIQUE = (_MULTIPLICITY, *_SHAPE, _MACS_EACH, _MACS_IN_ALL, _FIRST)
_UNIQUE_FIELDS = (
    _of_shape("kind", form=Form.TEXT),
    *_SHAPE,
    _of_shape("bias", form=Form.TEXT),
    _MULTIPLICITY,
    _MACS_EACH,
    _MACS_IN_ALL,
    _counted("params_each", "parameters each", "first.layer.cost.params"),
    _counted("params", "parameters in all"),
    _FIRST,
    Column(key="first_stage", title="first stage", value=attrgetter("first.stage")),
)


def unique_table(model: str, title: str, shapes: Sequence[UniqueShape]) -> Table:
    """The distinct convolution and fully connected shapes of a network with their multiplicity."""
    return tabulate(
        _UNIQUE,
        shapes,
        name=f"unique-{model}",
        title=f"{model}: the {len(shapes)} distinct shapes of {title}",
        subtitle="convolutions and fully connected layers by first use; one image, forward",
    )
