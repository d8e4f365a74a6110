"""The cost of one layer, each formula beside its operator, exact and for one image.

A multiply-add (MAC) is counted for each weight a convolution or fully connected layer applies to
each output; biases are not counted. Backward repeats the same multiply-adds once for the gradient
of the weights and once for the gradient of the input, where anybody needs that.
"""

from __future__ import annotations

import math

from resprof.counting.cost import BlockCost, Cost, Kind, Layer, Shape, add_up


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
