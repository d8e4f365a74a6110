"""What each operator moves between a chip and its memory, the formula beside its layer kind.

The convention: an operator reads every element that it needs of each input once and writes every
element of each result once, in the element size of its precision. Nothing is counted for caches,
changes of layout, workspaces or an algorithm's second look at its input. N is the batch; in and out
are the elements of a layer's input and output for one image, in' those of its input that some
window covers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from resprof.counting.cost import Kind, Layer
from resprof.model.recipe import Mode, Optimizer, Phase, Recipe


class Op(StrEnum):
    """What an operator does; in backward it is the gradient of that."""

    CAST = "cast"
    """To the precision of autocast, and of gradients back from it."""
    CONV = "conv"
    LINEAR = "linear"
    BN = "bn"
    RELU = "relu"
    ADD = "add"
    PAD = "pad"
    MAX_POOL = "max_pool"
    AVG_POOL = "avg_pool"
    LOSS = "loss"
    INPUT_GRAD = "input grad"
    WEIGHT_GRAD = "weight grad"
    ACCUMULATE = "accumulate"
    """Adds a pass's weight gradient to those of the passes before."""
    UNSCALE = "unscale"
    """Looks for infinities before the gradient scaler allows an update."""
    UPDATE = "update"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A tensor by its name, and how many bytes of it are moved.

    ``of_images`` tells what grows with the batch from what belongs to the network.
    """

    tensor: str
    bytes: int
    of_images: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one operator computes and moves when it runs once; ``flops`` are two per MAC."""

    op: Op
    reads: tuple[Moved, ...]
    writes: tuple[Moved, ...]
    flops: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """An operator at its place; ``layer`` is the module's path, empty outside of the network.

    It runs ``times`` times in a call. Operators with the same ``group`` are one pass where passes
    are fused.
    """

    phase: Phase
    stage: str
    block: str
    layer: str
    work: Work
    group: str
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Operators that go over device memory together, in order of execution.

    ``bytes`` are what they move together in a call, in which the pass may run several times.
    """

    operators: tuple[Operator, ...]
    bytes: int

    @property
    def first(self) -> Operator:
        """The operator that gives the pass its place."""
        return self.operators[0]

    @property
    def ops(self) -> tuple[Op, ...]:
        """What the operators do."""
        return tuple(each.work.op for each in self.operators)

    @property
    def flops(self) -> int:
        """What they compute in a call."""
        return sum(each.work.flops * each.times for each in self.operators)


class Fusion(StrEnum):
    """What counts as one pass: it reads what it is given once and writes what it gives once."""

    UNFUSED = "unfused"
    """Every operator is a pass of its own, as torch runs them eagerly."""
    FUSED = "fused"
    """A convolution takes along what only looks at single elements of its result."""
    WHOLE = "whole"
    """The whole network: no map ever leaves the chip."""


IMAGE = "image"
IMAGE_IN_USE = "image in use"
"""The batch, and its copy in the precision of autocast."""
_STATISTIC_BYTES = 4
"""A batch's means and deviations are kept in fp32 whatever the precision."""
_POSITION_BYTES = 1
"""Where in its window a maximum was, one of 9 places at most; torch writes 8 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """A batch and the bytes of an element: of maps, and of parameters as they are stored.

    ``used`` are those of a weight as a convolution reads it: autocast makes a copy of two bytes
    of a weight of four, of the image likewise, and casts the weights' gradients back.
    """

    batch: int
    training: bool
    maps: int
    stored: int
    used: int

    @property
    def casts(self) -> bool:
        """Whether weights are stored in one size and used in another."""
        return self.stored != self.used


def sizes_of(recipe: Recipe) -> Sizes:
    """The sizes of a recipe: autocast leaves parameters, batch norm's among them, in fp32."""
    return Sizes(
        batch=recipe.batch,
        training=recipe.mode is Mode.TRAIN,
        maps=recipe.precision.maps_bytes,
        stored=recipe.precision.stored_bytes,
        used=recipe.precision.maps_bytes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A layer with the names of the maps that it takes (two for an addition) and of its output."""

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    output: str
    sizes: Sizes

    @property
    def given(self) -> Moved:
        """What of the input is needed."""
        return self._map(self.inputs[0], touched(self.layer))

    @property
    def result(self) -> Moved:
        """The output."""
        return self._map(self.output, math.prod(self.layer.output))

    def like_input(self, tensor: str) -> Moved:
        """A map of the input's whole shape, such as its gradient."""
        return self._map(tensor, math.prod(self.layer.input))

    def like_given(self, tensor: str) -> Moved:
        """A map of as many elements as are needed of the input."""
        return self._map(tensor, touched(self.layer))

    def like_output(self, tensor: str) -> Moved:
        """A map of the output's shape, such as its gradient."""
        return self._map(tensor, math.prod(self.layer.output))

    @property
    def stored(self) -> tuple[Moved, ...]:
        """The parameters: weight, and bias where the layer has one."""
        return self._parameters(self.sizes.stored)

    @property
    def in_use(self) -> tuple[Moved, ...]:
        """The parameters as the operator reads them."""
        if not self.sizes.casts:
            return self.stored
        used = self._parameters(self.sizes.used)
        return tuple(replace(each, tensor=f"{each.tensor} in use") for each in used)

    @property
    def gradients(self) -> tuple[Moved, ...]:
        """The gradients of what is stored, as the optimiser reads them."""
        return tuple(replace(each, tensor=gradient(each.tensor)) for each in self.stored)

    @property
    def running(self) -> Moved:
        """Batch norm's running mean and variance."""
        return self._per_channel("running", 2 * self.sizes.stored)

    @property
    def scale(self) -> Moved:
        """Batch norm's weight."""
        return self._per_channel("weight", self.sizes.stored)

    @property
    def statistics(self) -> Moved:
        """A batch's mean and deviation, kept for backward."""
        return self._per_channel("batch", 2 * _STATISTIC_BYTES)

    @property
    def positions(self) -> Moved:
        """Where the maxima were, kept for backward."""
        elements = self.sizes.batch * math.prod(self.layer.output)
        name = f"{self.name}.positions"
        return Moved(tensor=name, bytes=elements * _POSITION_BYTES, of_images=True)

    def _map(self, tensor: str, elements: int) -> Moved:
        size = self.sizes
        return Moved(tensor=tensor, bytes=size.batch * elements * size.maps, of_images=True)

    def _per_channel(self, tensor: str, size: int) -> Moved:
        return Moved(tensor=f"{self.name}.{tensor}", bytes=self.layer.output[0] * size)

    def _parameters(self, size: int) -> tuple[Moved, ...]:
        layer = self.layer
        second = layer.output[0] if layer.bias or layer.kind is Kind.BN else 0
        weight = Moved(tensor=f"{self.name}.weight", bytes=(layer.cost.params - second) * size)
        if not second:
            return (weight,)
        return weight, Moved(tensor=f"{self.name}.bias", bytes=second * size)


def gradient(tensor: str) -> str:
    """The name of a tensor's gradient."""
    return f"gradient of {tensor}"


def touched(layer: Layer) -> int:
    """Elements of an image's input that some window covers: a 1x1 of stride 2 needs a quarter."""
    channels, *sides = layer.input
    if layer.stride is None:
        return math.prod(layer.input)
    kernel, padding = layer.kernel or (1, 1), layer.padding or (0, 0)
    return channels * math.prod(
        map(_covered, sides, layer.output[1:], kernel, layer.stride, padding)
    )


def _covered(side: int, windows: int, kernel: int, stride: int, padding: int) -> int:
    if stride > kernel:  # 1x1, which nobody pads: windows with gaps between them
        return windows * kernel
    return min(side, (windows - 1) * stride + kernel - padding)


_LABEL_BYTES = 8
"""Labels are int64."""
_LOSS_BYTES = 4
_STATES = {Optimizer.SGD: 0, Optimizer.SGD_MOMENTUM: 1, Optimizer.ADAM: 2, Optimizer.ADAMW: 2}
"""Values that an optimiser keeps for each parameter."""


# Convolutions and fully connected layers.


def weighted(node: Node) -> Iterator[Work]:
    """Forward: N in' + weights read, N out written.

    Autocast first makes the copies that are read: of the weights, and of the images.
    """
    if node.sizes.casts:
        if node.inputs[0] == IMAGE_IN_USE:
            yield cast((images(node.layer, node.sizes),), (node.like_input(IMAGE_IN_USE),))
        yield cast(node.stored, node.in_use)
    yield Work(
        op=Op(node.layer.kind.value),
        reads=(node.given, *node.in_use),
        writes=(node.result,),
        flops=2 * node.sizes.batch * node.layer.cost.macs,
    )


def input_gradient(node: Node, upstream: str, tensor: str) -> Work:
    """Backward: N out + weights read, N in written; where no window was, zeros are written."""
    return Work(
        op=Op.INPUT_GRAD,
        reads=(node.like_output(upstream), node.in_use[0]),
        writes=(node.like_input(tensor),),
        flops=2 * node.sizes.batch * node.layer.cost.input_grad_macs,
    )


def weight_gradient(node: Node, upstream: str) -> Iterator[Work]:
    """Backward: N out + N in' read, a gradient of each weight and bias written.

    Autocast then casts it back to the size of what is stored.
    """
    fresh = tuple(replace(each, tensor=gradient(each.tensor)) for each in node.in_use)
    yield Work(
        op=Op.WEIGHT_GRAD,
        reads=(node.like_output(upstream), node.given),
        writes=fresh,
        flops=2 * node.sizes.batch * node.layer.cost.weight_grad_macs,
    )
    if node.sizes.casts:
        yield cast(fresh, node.gradients)


def cast(reads: tuple[Moved, ...], writes: tuple[Moved, ...]) -> Work:
    """Each element is read in one size and written in the other."""
    return Work(op=Op.CAST, reads=reads, writes=writes)


def accumulate(node: Node) -> Work:
    """From the second pass on: the gradients that are there and the new ones read, sums written."""
    before = tuple(replace(each, tensor=f"sum of {each.tensor}") for each in node.gradients)
    return Work(op=Op.ACCUMULATE, reads=(*node.gradients, *before), writes=node.gradients)


# What looks at single elements, at most with figures of their channel beside them.


def batch_norm(node: Node) -> Work:
    """Forward: N in + 4 values per channel read, N out written.

    In training the running mean and variance are written too, and the batch's are kept. Mean and
    variance have to be known before the first result, yet a map counts once: channel after channel,
    the second look finds the channel in a cache.
    """
    reads = (node.given, *node.stored, node.running)
    if not node.sizes.training:
        return Work(op=Op.BN, reads=reads, writes=(node.result,))
    renewed = replace(node.running, tensor=f"new {node.running.tensor}")
    return Work(op=Op.BN, reads=reads, writes=(node.result, renewed, node.statistics))


def batch_norm_backward(node: Node, upstream: str, tensor: str) -> Work:
    """Backward: N out (gradient) + N in + 3 values per channel read, N in + 2 per channel written.

    Scale, mean and deviation are read; gradients of scale and shift are written. A map counts once
    here too, for the reason above.
    """
    return Work(
        op=Op.BN,
        reads=(node.like_output(upstream), node.given, node.scale, node.statistics),
        writes=(node.like_input(tensor), *node.gradients),
    )


def relu(node: Node) -> Work:
    """Forward: N in read, N out written, in place or not."""
    return Work(op=Op.RELU, reads=(node.given,), writes=(node.result,))


def relu_backward(node: Node, upstream: str, tensor: str) -> Work:
    """Backward: N out (gradient) + N out (the result, for its sign) read, N in written."""
    return Work(
        op=Op.RELU,
        reads=(node.like_output(upstream), node.result),
        writes=(node.like_input(tensor),),
    )


def add(node: Node) -> Work:
    """Forward: 2 N out read, N out written; in backward both branches take the same gradient."""
    first, second = node.inputs
    return Work(
        op=Op.ADD,
        reads=(node.like_output(first), node.like_output(second)),
        writes=(node.result,),
    )


def join(node: Node, parts: Sequence[str], tensor: str) -> Work:
    """Backward, where a map went to two layers: both gradients N in read, their sum N in written.

    ``node`` is one of the two layers.
    """
    return Work(
        op=Op.ADD,
        reads=tuple(map(node.like_input, parts)),
        writes=(node.like_input(tensor),),
    )


def pad(node: Node) -> Work:
    """Option A, forward: every ``stride``-th pixel read, N out written, new channels as zeros."""
    return Work(op=Op.PAD, reads=(node.given,), writes=(node.result,))


def pad_backward(node: Node, upstream: str, tensor: str) -> Work:
    """Backward: the channels that are not new read, N in written, zeros between the pixels."""
    return Work(op=Op.PAD, reads=(node.like_given(upstream),), writes=(node.like_input(tensor),))


# Pools.


def max_pool(node: Node) -> Work:
    """Forward: N in' read, N out written, in training the maxima's positions too."""
    kept = (node.positions,) if node.sizes.training else ()
    return Work(op=Op.MAX_POOL, reads=(node.given,), writes=(node.result, *kept))


def max_pool_backward(node: Node, upstream: str, tensor: str) -> Work:
    """Backward: N out (gradient) + N out positions read, N in written."""
    return Work(
        op=Op.MAX_POOL,
        reads=(node.like_output(upstream), node.positions),
        writes=(node.like_input(tensor),),
    )


def average_pool(node: Node) -> Work:
    """Forward: N in read, N out written."""
    return Work(op=Op.AVG_POOL, reads=(node.given,), writes=(node.result,))


def average_pool_backward(node: Node, upstream: str, tensor: str) -> Work:
    """Backward: N out (gradient) read, N in written."""
    return Work(
        op=Op.AVG_POOL,
        reads=(node.like_output(upstream),),
        writes=(node.like_input(tensor),),
    )


# Around the network.


def images(layer: Layer, sizes: Sizes) -> Moved:
    """The batch as it comes, in the element size of what is stored."""
    elements = sizes.batch * math.prod(layer.input)
    return Moved(tensor=IMAGE, bytes=elements * sizes.stored, of_images=True)


def loss(logits: Moved, sizes: Sizes) -> Work:
    """Cross entropy, forward: N classes and N labels read, one value written."""
    value = Moved(tensor="loss", bytes=_LOSS_BYTES, of_images=True)
    return Work(op=Op.LOSS, reads=(logits, _labels(sizes)), writes=(value,))


def loss_backward(logits: Moved, sizes: Sizes) -> Work:
    """Backward: N classes and N labels read, N classes written."""
    upstream = replace(logits, tensor=gradient(logits.tensor))
    return Work(op=Op.LOSS, reads=(logits, _labels(sizes)), writes=(upstream,))


def _labels(sizes: Sizes) -> Moved:
    return Moved(tensor="labels", bytes=sizes.batch * _LABEL_BYTES, of_images=True)


def unscale(found: Sequence[Moved]) -> Work:
    """The gradient scaler looks for infinities in all gradients before one is used: each read.

    torch divides them by the scale at the same time and writes them; the update could do that.
    """
    return Work(op=Op.UNSCALE, reads=tuple(found), writes=())


def update(
    parameters: Sequence[Moved], found: Sequence[Moved], optimizer: Optimizer | None
) -> Work:
    """The optimiser: parameter, gradient and states read once, parameter and states written once.

    That is 3 values per parameter for SGD, 5 with momentum, 7 for Adam and AdamW. Implementations
    that go over them several times (foreach, for-loop) move more.
    """
    states = tuple(
        replace(each, tensor=f"state {number} of {each.tensor}")
        for number in range(_STATES[optimizer] if optimizer else 0)
        for each in parameters
    )
    written = tuple(replace(each, tensor=f"new {each.tensor}") for each in (*parameters, *states))
    return Work(op=Op.UPDATE, reads=(*parameters, *found, *states), writes=written)
