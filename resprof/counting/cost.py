"""What a layer, a block, a stage and a network cost, as exact integers for one image.

A multiply-add (MAC) is counted for each weight a convolution or fully connected layer applies to
each output; biases are not counted. Backward repeats the same multiply-adds once for the gradient
of the weights and once for the gradient of the input, where anybody needs that. Each formula
stands beside its operator.
"""

from __future__ import annotations

import math
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


def window_output(side: int, kernel: int, stride: int, padding: int) -> int:
    """The output side of a convolution or pool of dilation 1, rounded down as in PyTorch."""
    return (side + 2 * padding - kernel) // stride + 1


def conv(
    name: str,
    x: Shape,
    channels: int,
    *,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    bias: bool = False,
    needs_input_grad: bool = True,
) -> Layer:
    """A 2-D convolution padded to keep sizes: Hout x Wout x Cout x Cin/groups x K x K MACs."""
    padding = kernel // 2
    in_channels, height, width = x
    weights = channels * (in_channels // groups) * kernel * kernel
    out = (
        channels,
        window_output(height, kernel, stride, padding),
        window_output(width, kernel, stride, padding),
    )
    macs = out[1] * out[2] * weights
    return Layer(
        name=name,
        kind=Kind.CONV,
        input=x,
        output=out,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        padding=(padding, padding),
        dilation=(1, 1),
        groups=groups,
        bias=bias,
        cost=Cost(
            params=weights + (channels if bias else 0),
            macs=macs,
            input_grad_macs=macs if needs_input_grad else 0,
            weight_grad_macs=macs,
            elements=math.prod(out),
        ),
    )


def linear(name: str, x: Shape, features: int) -> Layer:
    """A fully connected layer with bias: in x out MACs."""
    flat = math.prod(x)
    macs = flat * features
    return Layer(
        name=name,
        kind=Kind.LINEAR,
        input=(flat,),
        output=(features,),
        bias=True,
        cost=Cost(
            params=macs + features,
            macs=macs,
            input_grad_macs=macs,
            weight_grad_macs=macs,
            elements=features,
        ),
    )


def batch_norm(name: str, x: Shape) -> Layer:
    """Batch norm: a scale and a shift per channel to learn, a running mean and variance to keep."""
    return Layer(
        name=name,
        kind=Kind.BN,
        input=x,
        output=x,
        cost=Cost(params=2 * x[0], buffers=2 * x[0], elements=math.prod(x)),
    )


def relu(name: str, x: Shape) -> Layer:
    """A ReLU; in place or not, it writes every element."""
    return Layer(name=name, kind=Kind.RELU, input=x, output=x, cost=Cost(elements=math.prod(x)))


def add(name: str, x: Shape) -> Layer:
    """The element-wise addition at the end of a residual block."""
    return Layer(name=name, kind=Kind.ADD, input=x, output=x, cost=Cost(elements=math.prod(x)))


def pad_shortcut(name: str, x: Shape, channels: int, stride: int) -> Layer:
    """Option A where the shape changes: every ``stride``-th pixel, new channels zero."""
    out = (channels, window_output(x[1], 1, stride, 0), window_output(x[2], 1, stride, 0))
    return Layer(
        name=name,
        kind=Kind.PAD,
        input=x,
        output=out,
        stride=(stride, stride),
        cost=Cost(elements=math.prod(out)),
    )


def max_pool(name: str, x: Shape, *, kernel: int, stride: int, padding: int) -> Layer:
    """A max pool, sizes rounded down (Caffe rounds up without padding: 56 either way at 224)."""
    out = (
        x[0],
        window_output(x[1], kernel, stride, padding),
        window_output(x[2], kernel, stride, padding),
    )
    return Layer(
        name=name,
        kind=Kind.MAX_POOL,
        input=x,
        output=out,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        padding=(padding, padding),
        dilation=(1, 1),
        read=math.prod(x),
        cost=Cost(elements=math.prod(out)),
    )


def average_pool(name: str, x: Shape, side: int) -> Layer:
    """An adaptive average pool to ``side`` x ``side``; to 1 x 1 it is Table 1's average pool."""
    out = (x[0], side, side)
    return Layer(
        name=name,
        kind=Kind.AVG_POOL,
        input=x,
        output=out,
        read=math.prod(x),
        cost=Cost(elements=math.prod(out)),
    )


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


def block(stage: str, name: str, prefix: str, layers: tuple[Layer, ...]) -> BlockCost:
    """Layers as a block of a stage; ``prefix`` goes before their names."""
    return BlockCost(
        stage=stage,
        name=name,
        prefix=prefix,
        layers=layers,
        output=layers[-1].output,
        cost=add_up(layer.cost for layer in layers),
    )


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
