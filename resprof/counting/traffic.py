"""What each operator has to move, the formula beside its layer kind.

The convention: an operator reads every element that it needs of each input once and writes every
element of each result once, in the element size of its precision. Nothing is counted for caches,
changes of layout, workspaces or an algorithm's second look at its input. N is the batch; in and out
are the elements of a layer's input and output for one image, in' those of its input that some
window covers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from resprof.counting.nodes import IMAGE, IMAGE_IN_USE, Node, Sizes, gradient
from resprof.records.cost import Layer
from resprof.records.recipe import Optimizer
from resprof.records.traffic import Moved, Op, Work

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
