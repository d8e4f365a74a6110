"""The tables of `resprof list` and `resprof show`."""

from __future__ import annotations

from collections.abc import Sequence

from resprof import units
from resprof.records.networks import ListResult, ShowResult
from resprof.records.table import Column, Form, Origin, Table
from resprof.report.tables.flops import CONVENTION, paper_sentence


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
