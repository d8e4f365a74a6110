"""The distinct convolution and fully connected shapes of a network, each with its multiplicity."""

from __future__ import annotations

from dataclasses import replace

from resprof.records.cost import Kind, Layer, NetworkCost, PlacedLayer
from resprof.records.unique import UniqueConv


def unique_convolutions(cost: NetworkCost) -> tuple[UniqueConv, ...]:
    """The shapes in order of first appearance; their MACs add up to those of the network.

    Their parameters add up to those of its convolutions and fully connected layers.
    """
    uses: dict[Layer, list[PlacedLayer]] = {}
    for placed in cost.layers():
        if placed.layer.kind in {Kind.CONV, Kind.LINEAR}:
            uses.setdefault(_shape_of(placed.layer), []).append(placed)
    return tuple(_unique(places) for places in uses.values())


def _shape_of(layer: Layer) -> Layer:
    """The layer without what depends on its place: its name and whether its input is the image."""
    return replace(layer, name="", cost=replace(layer.cost, input_grad_macs=0))


def _unique(places: list[PlacedLayer]) -> UniqueConv:
    first = places[0]
    layer = first.layer
    return UniqueConv(
        kind=layer.kind,
        input=layer.input,
        output=layer.output,
        kernel=layer.kernel,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=layer.groups,
        bias=layer.bias,
        multiplicity=len(places),
        macs_each=layer.cost.macs,
        macs=len(places) * layer.cost.macs,
        params_each=layer.cost.params,
        params=len(places) * layer.cost.params,
        first_layer=first.name,
        first_stage=first.stage,
    )
