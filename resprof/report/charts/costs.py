"""What networks cost: multiply-adds against parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from resprof.records.chart import Axis, Chart, ChartKind, Point, Series
from resprof.records.flops import FlopsResult
from resprof.records.table import Form, Origin


def costs_chart(families: Mapping[str, Sequence[FlopsResult]]) -> Chart:
    """A point for each network, a series for each family by its name."""
    return Chart(
        name="costs",
        title="Multiply-adds against parameters, counted",
        subtitle="one image of 224x224, forward",
        kind=ChartKind.LINES,
        x=Axis(key="params", title="parameters", form=Form.SI, log=True),
        y=Axis(key="macs", title="MACs", form=Form.SI, log=True),
        series=tuple(
            Series(
                name=family,
                origin=Origin.COUNTED,
                points=tuple(
                    Point(x=each.total.params, y=each.total.macs, label=each.model)
                    for each in members
                ),
                joined=len(members) > 1,
            )
            for family, members in families.items()
        ),
    )
