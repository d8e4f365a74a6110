"""What was counted, and the claims of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from resprof.answers.flops import tables as flops_tables
from resprof.answers.flops.counts import FlopsResult
from resprof.answers.paper import tables as paper_tables
from resprof.answers.report.charts import costs_chart
from resprof.answers.report.content import Counted
from resprof.render.chart import chart_table
from resprof.render.document import Exhibit
from resprof.render.table import Table

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
FRONT = ("resnet18", "resnet34", "resnet50", "resnet50-v1.5", "resnet101", "resnet152")
"""The networks that people ask for."""
_FAMILIES = (
    ("ResNet v1", RESNETS),
    ("ResNet v1.5", ("resnet50-v1.5", "resnet101-v1.5", "resnet152-v1.5")),
    ("VGG", ("vgg16", "vgg19")),
)
_FIGURES = (
    (
        "table1",
        "GMAC",
        'What the paper calls "FLOPs", for every form of its networks',
        "published beside counted: the FLOPs of the paper",
    ),
    (
        "table6",
        "M",
        "What the paper prints as parameters of its CIFAR networks",
        "published beside counted: the parameters of its CIFAR networks",
    ),
)


def counted_exhibits(counted: Counted) -> tuple[Exhibit, ...]:
    """Networks, stages and claims in tables, and what networks cost in a chart."""
    overview = flops_tables.overview_table(counted.networks)
    claims = paper_tables.claims_table(counted.claims)
    return (
        _single("networks", overview, "counted: every network in a row"),
        Exhibit(
            stem="stages",
            data=flops_tables.long_table(counted.networks),
            shown=tuple(network_table(result) for result in counted.networks),
            summary="counted: every network by stage, as in Table 1",
        ),
        *(
            _single(name, _figures(counted.networks, name, unit, title), summary)
            for name, unit, title, summary in _FIGURES
        ),
        _single("paper", claims, "published beside counted: every claim of the paper in figures"),
        _costs(counted.networks),
    )


def network_table(result: FlopsResult) -> Table:
    """A network by stage; the convention stands on the overview, not in every section."""
    return replace(flops_tables.flops_table(result), notes=flops_tables.paper_notes(result))


def chosen(results: Sequence[FlopsResult], names: Sequence[str]) -> tuple[FlopsResult, ...]:
    """The results of those names, in their order."""
    by_name = {result.model: result for result in results}
    return tuple(by_name[name] for name in names if name in by_name)


def _figures(results: Sequence[FlopsResult], name: str, unit: str, title: str) -> Table:
    printed = [result for result in results if result.paper and result.paper.claim.unit == unit]
    return paper_tables.figures_table(name, title, printed)


def _costs(results: Sequence[FlopsResult]) -> Exhibit:
    chart = costs_chart({family: chosen(results, names) for family, names in _FAMILIES})
    return Exhibit(
        stem=f"charts/{chart.name}",
        data=chart_table(chart),
        shown=(chart,),
        summary="counted: multiply-adds against parameters",
    )


def _single(stem: str, table: Table, summary: str) -> Exhibit:
    return Exhibit(stem=stem, data=table, shown=(table,), summary=summary)
