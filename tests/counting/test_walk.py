from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resprof.counting.cost import Kind, NetworkCost, Shape, add_up, count
from resprof.model.networks import at_image, resolve, variants

ALL = variants()


@pytest.mark.parametrize("name", ALL)
def test_layers_blocks_and_stages_add_up_to_the_network(name: str) -> None:
    cost = count(resolve(name))
    assert add_up(placed.layer.cost for placed in cost.layers()) == cost.total
    assert add_up(block.cost for block in cost.blocks) == cost.total
    assert add_up(stage.cost for stage in cost.stages()) == cost.total


@pytest.mark.parametrize("name", ALL)
def test_every_layer_takes_what_an_earlier_one_gave(name: str) -> None:
    architecture = resolve(name)
    cost = count(architecture)
    known: set[Shape] = {(architecture.in_channels, *architecture.image)}
    for placed in cost.layers():
        layer = placed.layer
        flat = (math.prod(layer.input),)
        assert layer.input in known or flat in {(math.prod(shape),) for shape in known}
        known.add(layer.output)
    names = [placed.name for placed in cost.layers()]
    assert len(set(names)) == len(names)


def weighted_layers(cost: NetworkCost) -> int:
    return sum(
        placed.layer.kind in (Kind.CONV, Kind.LINEAR) and "downsample" not in placed.name
        for placed in cost.layers()
    )


@pytest.mark.parametrize("name", ALL)
def test_a_network_has_as_many_weighted_layers_as_its_name_says(name: str) -> None:
    assert weighted_layers(count(resolve(name))) == resolve(name).depth


@pytest.mark.parametrize("name", ALL)
def test_backward_is_twice_forward_less_the_images_gradient(name: str) -> None:
    cost = count(resolve(name))
    first = next(placed.layer for placed in cost.layers())
    assert first.kind is Kind.CONV
    assert cost.total.backward_macs == 2 * cost.total.macs - first.cost.macs
    assert cost.total.weight_grad_macs == cost.total.macs


def test_a_convolution_costs_what_counting_its_multiplications_gives() -> None:
    """An independent count: walk over every output pixel, filter and weight of small layers."""
    cost = count(resolve("resnext50_32x4d", image=(33, 40), width=0.25))
    for placed in cost.layers():
        layer = placed.layer
        if layer.kind is not Kind.CONV or layer.stride is None or layer.kernel is None:
            continue
        assert layer.padding is not None
        rows = range(-layer.padding[0], layer.input[1] + layer.padding[0])
        columns = range(-layer.padding[1], layer.input[2] + layer.padding[1])
        tops = [r for r in rows[:: layer.stride[0]] if r + layer.kernel[0] - 1 <= rows[-1]]
        lefts = [c for c in columns[:: layer.stride[1]] if c + layer.kernel[1] - 1 <= columns[-1]]
        assert layer.output[1:] == (len(tops), len(lefts))
        assert layer.groups is not None
        taps = layer.kernel[0] * layer.kernel[1] * (layer.input[0] // layer.groups)
        assert layer.cost.macs == len(tops) * len(lefts) * layer.output[0] * taps
        assert layer.cost.params == layer.output[0] * taps


def test_options_change_what_they_say() -> None:
    a, b, c = (count(resolve(f"resnet34{option}")) for option in ("-A", "", "-C"))
    plain = count(resolve("plain34"))
    projections = [
        sum("downsample.0" in placed.name for placed in cost.layers()) for cost in (a, b, c)
    ]
    assert projections == [0, 3, 16]
    assert a.total.params == plain.total.params
    assert a.total.macs == plain.total.macs
    assert a.total.macs < b.total.macs < c.total.macs


def test_v1_and_v15_differ_in_the_first_blocks_of_three_stages_only() -> None:
    v1, v15 = count(resolve("resnet50")), count(resolve("resnet50-v1.5"))
    differing = {
        ours.name
        for ours, theirs in zip(v1.blocks, v15.blocks, strict=True)
        if ours.cost.macs != theirs.cost.macs
    }
    assert differing == {"conv3_1", "conv4_1", "conv5_1"}
    assert v1.total.params == v15.total.params


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["resnet18", "resnet50-v1.5-C", "vgg16", "cifar-resnet20", "plain18"]),
    st.integers(32, 400),
    st.integers(32, 400),
    st.integers(1, 64),
)
def test_counts_scale_as_they_should(name: str, height: int, width: int, batch: int) -> None:
    cost = count(at_image(resolve(name), (height, width)))
    turned = count(at_image(resolve(name), (width, height)))
    assert cost.total.macs == turned.total.macs
    assert cost.total.params == count(resolve(name)).total.params
    many = cost.total.times(batch)
    assert many.macs == batch * cost.total.macs
    assert many.params == cost.total.params


@pytest.mark.parametrize("name", ["resnet50", "cifar-resnet20", "vgg16"])
def test_width_scales_weights_quadratically(name: str) -> None:
    def inner(width: float) -> int:
        layers = list(count(resolve(name, width=width)).layers())
        return sum(
            placed.layer.cost.macs for placed in layers[1:-1] if placed.layer.kind is Kind.CONV
        )

    assert inner(2.0) == 4 * inner(1.0)
