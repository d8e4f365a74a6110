"""The table of a network's distinct shapes."""

from __future__ import annotations

from collections.abc import Sequence

from resprof.records.table import Column, Form, Origin, Table
from resprof.records.unique import UniqueConv

_COUNTED = Origin.COUNTED


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
