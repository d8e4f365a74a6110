"""The distinct convolution and fully connected shapes of a network, each with its multiplicity."""

from __future__ import annotations

from dataclasses import dataclass, replace

from resprof.counting.cost import Kind, Layer, NetworkCost, PlacedLayer, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class UniqueConv:
    """A convolution or fully connected shape and how often a network uses it, for one image.

    ``kernel``, ``stride``, ``padding`` and ``dilation`` are (height, width); they and ``groups``
    are None for a fully connected layer. ``first_layer`` is the module path of its first use and
    ``first_stage`` the stage of that. ``macs`` and ``params`` are those of all its uses.
    """

    kind: Kind
    input: Shape
    output: Shape
    kernel: tuple[int, int] | None
    stride: tuple[int, int] | None
    padding: tuple[int, int] | None
    dilation: tuple[int, int] | None
    groups: int | None
    bias: bool
    multiplicity: int
    macs_each: int
    macs: int
    params_each: int
    params: int
    first_layer: str
    first_stage: str


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
