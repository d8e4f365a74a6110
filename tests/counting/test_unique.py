"""The distinct shapes add up to the network and keep the order in which it runs."""

from __future__ import annotations

import pytest

from resprof.counting.cost import Kind, count
from resprof.model.networks import resolve, variants

_WEIGHTED = {Kind.CONV, Kind.LINEAR}


@pytest.mark.parametrize("name", [name for name in variants() if "1202" not in name])
def test_shapes_add_up_to_the_network(name: str) -> None:
    cost = count(resolve(name))
    shapes = cost.unique_shapes()
    weighted = [placed for placed in cost.layers() if placed.layer.kind in _WEIGHTED]
    assert sum(shape.multiplicity for shape in shapes) == len(weighted)
    assert sum(shape.macs for shape in shapes) == cost.total.macs
    assert sum(shape.params for shape in shapes) == sum(
        placed.layer.cost.params for placed in weighted
    )
    for shape in shapes:
        assert shape.macs == shape.multiplicity * shape.first.layer.cost.macs
        assert shape.params == shape.multiplicity * shape.first.layer.cost.params


@pytest.mark.parametrize("name", ["resnet50", "resnet34-A", "vgg16", "resnext50_32x4d"])
def test_shapes_are_distinct_and_come_in_order_of_first_use(name: str) -> None:
    cost = count(resolve(name))
    shapes = cost.unique_shapes()
    keys = [
        (s.kind, s.input, s.output, s.kernel, s.stride, s.padding, s.dilation, s.groups, s.bias)
        for s in (shape.first.layer for shape in shapes)
    ]
    assert len(set(keys)) == len(keys)
    order = [placed.name for placed in cost.layers()]
    positions = [order.index(shape.first.name) for shape in shapes]
    assert positions == sorted(positions)
    by_name = {placed.name: placed for placed in cost.layers()}
    assert [by_name[s.first.name] for s in shapes] == [s.first for s in shapes]


def test_a_first_convolution_that_takes_the_image_is_no_shape_of_its_own() -> None:
    """CIFAR's first convolution looks like later ones as soon as the image has 16 channels."""
    architecture = resolve("cifar-plain20", in_channels=16)
    first = count(architecture).unique_shapes()[0]
    blocks = architecture.stages[0].blocks
    assert first.first.name == "conv1"
    assert first.multiplicity == 1 + 2 * blocks


def test_a_fully_connected_layer_has_no_window() -> None:
    last = count(resolve("resnet18")).unique_shapes()[-1].first.layer
    assert last.kind is Kind.LINEAR
    assert (last.kernel, last.stride, last.padding, last.dilation, last.groups) == (None,) * 5
    assert last.bias
