"""What a layer, a block, a stage and a network cost, as exact integers for one image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from resprof.model.architecture import Architecture
from resprof.model.networks import family_of

Shape = tuple[int, ...]
"""(C, H, W) of a map, (features,) of a vector; without the batch."""


PROJECTION = "downsample"
"""torchvision's name of a projection within its block: the convolution is 0, the batch norm 1."""


class Kind(StrEnum):
    """What a layer does."""

    CONV = "conv"
    LINEAR = "linear"
    BN = "bn"
    RELU = "relu"
    ADD = "add"
    PAD = "pad"
    """Option A's shortcut: every second pixel, new channels zero."""
    MAX_POOL = "max_pool"
    AVG_POOL = "avg_pool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Counts that add up.

    ``macs`` are the multiply-adds of convolutions and fully connected layers in forward, biases
    not counted; ``input_grad_macs`` and ``weight_grad_macs`` those of the two halves of backward;
    ``params`` are learnable values, ``buffers`` batch norm's running means and variances;
    ``elements`` are values written in forward, whatever the layer.
    """

    params: int = 0
    buffers: int = 0
    macs: int = 0
    input_grad_macs: int = 0
    weight_grad_macs: int = 0
    elements: int = 0

    @property
    def flops(self) -> int:
        """Floating-point operations of forward: two for each multiply-add."""
        return 2 * self.macs

    @property
    def backward_macs(self) -> int:
        """Multiply-adds of backward: both gradients of every layer that needs them."""
        return self.input_grad_macs + self.weight_grad_macs

    def times(self, batch: int) -> Cost:
        """The same for ``batch`` images: parameters and buffers exist once."""
        return replace(
            self,
            macs=batch * self.macs,
            input_grad_macs=batch * self.input_grad_macs,
            weight_grad_macs=batch * self.weight_grad_macs,
            elements=batch * self.elements,
        )


def add_up(costs: Iterable[Cost]) -> Cost:
    """The sum of some costs."""
    params = buffers = macs = input_grad = weight_grad = elements = 0
    for cost in costs:
        params += cost.params
        buffers += cost.buffers
        macs += cost.macs
        input_grad += cost.input_grad_macs
        weight_grad += cost.weight_grad_macs
        elements += cost.elements
    return Cost(
        params=params,
        buffers=buffers,
        macs=macs,
        input_grad_macs=input_grad,
        weight_grad_macs=weight_grad,
        elements=elements,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer and its cost. ``name`` is relative to the block until the layer is placed.

    ``kernel``, ``stride``, ``padding`` and ``dilation`` are (height, width) of convolutions and
    pools and None elsewhere. ``read`` is the number of elements a pool reads.
    """

    name: str
    kind: Kind
    input: Shape
    output: Shape
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    padding: tuple[int, int] | None = None
    dilation: tuple[int, int] | None = None
    groups: int | None = None
    bias: bool = False
    read: int = 0
    cost: Cost

    @property
    def on_shortcut(self) -> bool:
        """Whether it lies on a block's shortcut."""
        return self.kind is Kind.PAD or self.name.startswith(f"{PROJECTION}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedLayer:
    """A layer at its place: ``name`` is the module's path, as in a state_dict."""

    name: str
    stage: str
    block: str
    layer: Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class UniqueShape:
    """A convolution or fully connected shape and how often a network uses it, for one image.

    ``first`` is its first use: its kernel, stride and so on are those of all uses.
    """

    first: PlacedLayer
    multiplicity: int

    @property
    def macs(self) -> int:
        """Multiply-adds of all uses, in forward."""
        return self.multiplicity * self.first.layer.cost.macs

    @property
    def params(self) -> int:
        """Parameters of all uses."""
        return self.multiplicity * self.first.layer.cost.params


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCost:
    """A block of a stage, named as in the paper (``conv3_1``); equal blocks share their layers."""

    stage: str
    name: str
    prefix: str
    layers: tuple[Layer, ...]
    output: Shape
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCost:
    """A row of Table 1 with its cost."""

    stage: str
    output: Shape
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCost:
    """A network with the cost of all its blocks, for one image."""

    architecture: Architecture
    blocks: tuple[BlockCost, ...]
    total: Cost

    def stages(self) -> tuple[StageCost, ...]:
        """The blocks summed up per stage, in order of execution."""
        grouped: dict[str, list[BlockCost]] = {}
        for block in self.blocks:
            grouped.setdefault(block.stage, []).append(block)
        return tuple(
            StageCost(
                stage=stage,
                output=blocks[-1].output,
                cost=add_up(block.cost for block in blocks),
            )
            for stage, blocks in grouped.items()
        )

    def layers(self) -> Iterator[PlacedLayer]:
        """Every layer at its place, in order of execution."""
        for block in self.blocks:
            for layer in block.layers:
                yield PlacedLayer(
                    name=block.prefix + layer.name,
                    stage=block.stage,
                    block=block.name,
                    layer=layer,
                )

    def unique_shapes(self) -> tuple[UniqueShape, ...]:
        """The shapes of convolutions and fully connected layers in order of first use.

        Their MACs add up to those of the network, their parameters to those of these layers.
        """
        uses: dict[Layer, list[PlacedLayer]] = {}
        for placed in self.layers():
            if placed.layer.kind in {Kind.CONV, Kind.LINEAR}:
                uses.setdefault(_shape_of(placed.layer), []).append(placed)
        return tuple(
            UniqueShape(first=places[0], multiplicity=len(places)) for places in uses.values()
        )


def _shape_of(layer: Layer) -> Layer:
    """The layer without what depends on its place: its name and whether its input is the image."""
    return replace(layer, name="", cost=replace(layer.cost, input_grad_macs=0))


def count(architecture: Architecture) -> NetworkCost:
    """Counts a network for one image of the architecture's size, by its family's formula walk."""
    blocks: tuple[BlockCost, ...] = tuple(family_of(architecture).walk(architecture))
    return NetworkCost(
        architecture=architecture,
        blocks=blocks,
        total=add_up(block.cost for block in blocks),
    )
