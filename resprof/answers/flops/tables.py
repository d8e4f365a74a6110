"""The tables of `resprof flops`."""

from __future__ import annotations

from collections.abc import Sequence

from resprof import units
from resprof.answers.flops.counts import (
    FlopsResult,
    LayerRow,
    PaperFigure,
    PartRow,
    Per,
    WitnessCheck,
)
from resprof.counting.reconcile import ToolFigure
from resprof.counting.unique import UniqueConv
from resprof.model.published import Verdict
from resprof.model.recipe import Mode
from resprof.render.table import Column, Form, Origin, Table, Value, without

CONVENTION = (
    "MAC = one multiply-add of a convolution or fully connected layer; FLOPs = 2 x MACs. "
    'What the paper calls "FLOPs" are MACs.'
)
_COUNTED = Origin.COUNTED

_STAGE = Column(key="stage", title="stage")
_OUTPUT = Column(key="output", title="output", form=Form.SHAPE, priority=3)
_PARAMS = Column(key="params", title="params", form=Form.COUNT, origin=_COUNTED)
_MACS = Column(key="macs", title="MACs", form=Form.COUNT, origin=_COUNTED)
_SHARE = Column(key="share", title="share", form=Form.SHARE, origin=_COUNTED, priority=1)
_GRADIENTS = tuple(
    Column(key=key, title=title, form=Form.COUNT, origin=_COUNTED, priority=6)
    for key, title in (
        ("forward_macs", "forward"),
        ("input_grad_macs", "input grad"),
        ("weight_grad_macs", "weight grad"),
    )
)
_FLOPS = Column(key="flops", title="FLOPs", form=Form.SI, origin=_COUNTED, priority=2)


def flops_table(result: FlopsResult) -> Table:
    """One network per stage, block or layer."""
    columns = _columns(result)
    return Table(
        name=f"flops-{result.model}",
        title=f"{result.model}: {result.title}",
        subtitle=subtitle(result),
        columns=columns,
        rows=tuple(_row(row, columns) for row in result.rows),
        total=tuple(_total(result, column) for column in columns),
        notes=(CONVENTION, *paper_notes(result), *_elsewhere(result)),
    )


def subtitle(result: FlopsResult) -> str:
    """What was counted: mode, batch and image size."""
    height, width = result.recipe.image
    passes = "forward" if result.recipe.mode is Mode.INFER else "forward and backward"
    batch = result.recipe.batch
    images = f"one {height}x{width} image" if batch == 1 else f"{batch} images of {height}x{width}"
    classes = f", {result.architecture.classes} classes"
    return f"counted for {images}, {passes}{classes}"


def paper_notes(result: FlopsResult) -> tuple[str, ...]:
    """What the paper prints for this network, and how its digits arise from ours."""
    if result.paper is None:
        return ()
    return (paper_sentence(result.paper),)


def _elsewhere(result: FlopsResult) -> tuple[str, ...]:
    if result.elsewhere is None:
        return ()
    return (f"{result.elsewhere} See: resprof flops {result.model} --reconcile",)


def paper_sentence(paper: PaperFigure) -> str:
    """One sentence: printed, ours, deviation, and how the digits arise."""
    how = {
        Verdict.EXACTLY: "the digits are exact",
        Verdict.BOTH: "its digits arise by rounding and by truncation alike",
        Verdict.ROUNDING: "its digits arise by rounding, not by truncation",
        Verdict.TRUNCATION: "its digits arise by truncation, not by rounding",
    }.get(paper.verdict, "its digits arise neither by rounding nor by truncation")
    whereof = "" if paper.id.startswith("params.") else " for a forward pass of one image"
    side = "above" if paper.deviation >= 0 else "below"
    return (
        f"The paper ({paper.where}) prints {paper.printed} {paper.unit}{whereof}; ours, "
        f"{units.significant(paper.ours, 4)}, is {units.format_percent(abs(paper.deviation))} "
        f"{side}; {how}."
    )


def comparison_table(results: Sequence[FlopsResult]) -> Table:
    """Several networks side by side: a row each, with the MACs of every stage."""
    stages = list(dict.fromkeys(row.stage for result in results for row in result.rows))
    columns = (
        Column(key="model", title="model"),
        _PARAMS,
        _MACS,
        _FLOPS,
        Column(key="paper", title="paper", form=Form.TEXT, origin=Origin.PUBLISHED, priority=1),
        Column(key="deviation", title="off by", form=Form.DEVIATION, origin=_COUNTED, priority=1),
        Column(key="verdict", title="digits", priority=2),
        *(
            Column(key=f"{stage}_macs", title=stage, form=Form.SI, origin=_COUNTED, priority=3)
            for stage in _in_order(stages)
        ),
    )
    rows = []
    for result in results:
        by_stage = {row.stage: row.macs for row in result.rows}
        rows.append(
            (
                result.model,
                result.total.params,
                result.total.macs,
                result.total.flops,
                f"{result.paper.printed} {result.paper.unit}" if result.paper else None,
                result.paper.deviation if result.paper else None,
                result.paper.verdict.value if result.paper else None,
                *(by_stage.get(stage) for stage in _in_order(stages)),
            )
        )
    named = "; ".join(f"{result.model}: {result.title}" for result in results)
    return Table(
        name="flops",
        title=", ".join(result.model for result in results),
        subtitle="; ".join(dict.fromkeys(subtitle(result) for result in results))
        + "; stage columns are MACs",
        columns=columns,
        rows=tuple(rows),
        notes=(f"{named}.", CONVENTION),
    )


def overview_table(results: Sequence[FlopsResult]) -> Table:
    """Every network in a row: what it costs, and what the paper prints."""
    return Table(
        name="networks",
        title=f"{len(results)} networks, counted",
        subtitle="one image of the family's size, forward",
        columns=(
            Column(key="model", title="model"),
            Column(key="network", title="network", priority=3),
            Column(key="image", title="image", form=Form.SHAPE, priority=2),
            _PARAMS,
            _MACS,
            _FLOPS,
            Column(
                key="backward_macs",
                title="backward MACs",
                form=Form.COUNT,
                origin=_COUNTED,
                priority=3,
            ),
            Column(key="elements", title="elements", form=Form.COUNT, origin=_COUNTED, priority=3),
        ),
        rows=tuple(
            (
                result.model,
                result.title,
                result.recipe.image,
                result.total.params,
                result.total.forward_macs,
                2 * result.total.forward_macs,
                result.total.backward_macs,
                result.total.elements,
            )
            for result in results
        ),
        notes=(
            CONVENTION,
            (
                "Backward counts both gradients of every layer but the image's. Elements are the "
                "values that all layers together write in forward."
            ),
        ),
    )


def long_table(results: Sequence[FlopsResult]) -> Table:
    """The rows of all networks one after another, with the model in the first column."""
    columns = _columns(results[0])
    return Table(
        name="flops",
        title="counts",
        columns=(Column(key="model", title="model"), *columns),
        rows=tuple(
            (result.model, *_row(row, columns)) for result in results for row in result.rows
        ),
    )


def _columns(result: FlopsResult) -> tuple[Column, ...]:
    train = result.recipe.mode is Mode.TRAIN
    passes = (
        (
            Column(
                key="forward_macs", title="forward", form=Form.COUNT, origin=_COUNTED, priority=4
            ),
            Column(
                key="backward_macs", title="backward", form=Form.COUNT, origin=_COUNTED, priority=4
            ),
        )
        if train and result.per is not Per.LAYER
        else ()
    )
    if result.per is Per.STAGE:
        return (_STAGE, _OUTPUT, _PARAMS, *passes, _MACS, _FLOPS, _SHARE)
    if result.per is Per.BLOCK:
        block = Column(key="block", title="block")
        stage = Column(key="stage", title="stage", priority=4)
        return (stage, block, _OUTPUT, _PARAMS, *passes, _MACS, _FLOPS, _SHARE)
    return (
        Column(key="stage", title="stage", priority=6),
        Column(key="block", title="block", priority=6),
        Column(key="layer", title="layer"),
        Column(key="kind", title="kind", priority=3),
        Column(key="input", title="input", form=Form.SHAPE, priority=5),
        _OUTPUT,
        Column(key="kernel", title="kernel", form=Form.SHAPE, priority=4),
        Column(key="stride", title="stride", form=Form.SHAPE, priority=4),
        Column(key="padding", title="padding", form=Form.SHAPE, priority=5),
        Column(key="dilation", title="dilation", form=Form.SHAPE, priority=7),
        Column(key="groups", title="groups", form=Form.COUNT, priority=7),
        _PARAMS,
        *(_GRADIENTS if train else ()),
        _MACS,
        _FLOPS,
        _SHARE,
        Column(key="elements", title="elements", form=Form.COUNT, origin=_COUNTED, priority=4),
    )


def _row(row: PartRow | LayerRow, columns: Sequence[Column]) -> tuple[Value, ...]:
    return tuple(getattr(row, column.key) for column in columns)


def _total(result: FlopsResult, column: Column) -> Value:
    if column.key == "share":
        return sum(row.share for row in result.rows)
    if column.form in (Form.COUNT, Form.SI) and hasattr(result.total, column.key):
        value: int = getattr(result.total, column.key)
        return value
    return "total" if column.priority == 0 and column.form is Form.TEXT else None


def _in_order(stages: Sequence[str]) -> list[str]:
    """Stage names of mixed families in order of execution: conv1, conv1_x, conv2_x ... fc."""
    return sorted(stages, key=lambda stage: (stage == "fc", stage))


def reconcile_table(result: FlopsResult, *, full: bool = False) -> Table:
    """What every other tool prints for this network, and what makes the difference.

    The column for torchvision's sibling is left out where there is none, unless ``full``.
    """
    sibling = result.sibling
    beside = {figure.tool: figure.value for figure in sibling.figures} if sibling else {}
    columns = (
        Column(key="tool", title="tool"),
        Column(key="calls_it", title="calls it", priority=2),
        Column(key="value", title=f"for {result.model}", form=Form.COUNT, origin=_COUNTED),
        Column(
            key="sibling_value",
            title=f"for {sibling.model}" if sibling else "",
            form=Form.COUNT,
            origin=_COUNTED,
            priority=1,
        ),
        Column(key="terms", title="how it arises", form=Form.PROSE),
    )
    rows = [
        (figure.tool, figure.calls_it, figure.value, beside.get(figure.tool), _how(figure))
        for figure in result.reconcile or ()
    ]
    table = Table(
        name=f"reconcile-{result.model}",
        title=f"What other tools print for {result.model}, and why",
        subtitle="the exact number that each reports for one image, forward, in eval mode",
        columns=columns,
        rows=tuple(rows),
        notes=_reconcile_notes(result),
    )
    return table if sibling or full else without(table, "sibling_value")


def _reconcile_notes(result: FlopsResult) -> tuple[str, ...]:
    ours = units.format_count(result.total.forward_macs // result.recipe.batch)
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


def check_table(model: str, checks: Sequence[WitnessCheck]) -> Table:
    """The formula walk held against the other counts of the same network."""
    return Table(
        name=f"check-{model}",
        title=f"{model}: counted again by others",
        subtitle="MACs of convolutions and fully connected layers, one image, layer by layer",
        columns=(
            Column(key="witness", title="witness"),
            Column(key="counts", title="counts"),
            Column(key="macs", title="its MACs", form=Form.COUNT, origin=_COUNTED),
            Column(key="ours", title="ours", form=Form.COUNT, origin=_COUNTED),
            Column(key="agrees", title="agrees"),
            Column(key="explanation", title="", form=Form.PROSE, priority=1),
        ),
        rows=tuple(
            (check.witness, check.counts, check.macs, check.ours, check.agrees, check.explanation)
            for check in checks
        ),
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


def unique_table(model: str, title: str, shapes: Sequence[UniqueConv]) -> Table:
    """The distinct convolution and fully connected shapes of a network with their multiplicity."""
    columns = (
        Column(key="multiplicity", title="count", form=Form.COUNT, origin=_COUNTED),
        Column(key="input", title="input", form=Form.SHAPE),
        Column(key="output", title="output", form=Form.SHAPE),
        Column(key="kernel", title="kernel", form=Form.SHAPE),
        Column(key="stride", title="stride", form=Form.SHAPE),
        Column(key="padding", title="padding", form=Form.SHAPE, priority=1),
        Column(key="dilation", title="dilation", form=Form.SHAPE, priority=5),
        Column(key="groups", title="groups", form=Form.COUNT, priority=2),
        Column(key="macs_each", title="MACs each", form=Form.COUNT, origin=_COUNTED, priority=3),
        Column(key="macs", title="MACs in all", form=Form.COUNT, origin=_COUNTED, priority=1),
        Column(key="first_layer", title="first", priority=4),
    )
    rows = tuple(
        (
            shape.multiplicity,
            shape.input,
            shape.output,
            shape.kernel,
            shape.stride,
            shape.padding,
            shape.dilation,
            shape.groups,
            shape.macs_each,
            shape.macs,
            shape.first_layer,
        )
        for shape in shapes
    )
    return Table(
        name=f"unique-{model}",
        title=f"{model}: the {len(rows)} distinct shapes of {title}",
        subtitle="convolutions and fully connected layers by first use; one image, forward",
        columns=columns,
        rows=rows,
        total=(
            sum(shape.multiplicity for shape in shapes),
            *(None,) * 8,
            sum(shape.macs for shape in shapes),
            None,
        ),
    )
