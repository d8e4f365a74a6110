"""The operators of a call in order of execution, and which of them a fused pass takes together.

Forward as the formula walk lists the layers, backward in reverse: where a map went to two layers,
its two gradients are added as soon as both are there, as autograd does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from resprof.counting import traffic
from resprof.counting.cost import BlockCost, Kind, Layer, NetworkCost
from resprof.counting.traffic import (
    IMAGE,
    IMAGE_IN_USE,
    Node,
    Op,
    Operator,
    Sizes,
    Work,
    gradient,
    sizes_of,
)
from resprof.model.architecture import LOSS, OPTIMIZER
from resprof.model.recipe import Mode, Phase, Recipe

_FORWARD = {
    Kind.BN: traffic.batch_norm,
    Kind.RELU: traffic.relu,
    Kind.ADD: traffic.add,
    Kind.PAD: traffic.pad,
    Kind.MAX_POOL: traffic.max_pool,
    Kind.AVG_POOL: traffic.average_pool,
}
_BACKWARD = {
    Kind.BN: traffic.batch_norm_backward,
    Kind.RELU: traffic.relu_backward,
    Kind.PAD: traffic.pad_backward,
    Kind.MAX_POOL: traffic.max_pool_backward,
    Kind.AVG_POOL: traffic.average_pool_backward,
}
_WEIGHTED = (Kind.CONV, Kind.LINEAR)
_OPENS = (*_WEIGHTED, Kind.MAX_POOL, Kind.AVG_POOL)
"""Layers that look at more than one element of a map, with which a pass begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """A node at its place; ``group`` is the fused pass that it belongs to in forward."""

    node: Node
    stage: str
    block: str
    group: str


def operators(
    cost: NetworkCost, recipe: Recipe, sizes: Sizes | None = None
) -> tuple[Operator, ...]:
    """Every operator of one call of the recipe; ``sizes`` None are those of its precision.

    What a checkpointed block computes again is not counted: a network needs no more than this.
    """
    sizes = sizes or sizes_of(recipe)
    placed = tuple(_placed(cost, sizes))
    passes = recipe.accumulate or 1
    found = [
        _operator(each, Phase.FORWARD, work, each.group, passes)
        for each in placed
        for work in _forward(each.node)
    ]
    if recipe.mode is Mode.TRAIN:
        logits = placed[-1].node.result
        found += [
            _outside(Phase.FORWARD, LOSS, traffic.loss(logits, sizes), passes),
            _outside(Phase.BACKWARD, LOSS, traffic.loss_backward(logits, sizes), passes),
            *_backward(placed, passes),
            *_update(placed, recipe),
        ]
    return tuple(found)


def _placed(cost: NetworkCost, sizes: Sizes) -> Iterator[_Placed]:
    x = IMAGE_IN_USE if sizes.casts else IMAGE
    for block in cost.blocks:
        for placed in _chain(block, x, sizes):
            yield placed
            x = placed.node.output


def _chain(block: BlockCost, entry: str, sizes: Sizes) -> Iterator[_Placed]:
    """A block's layers: a main branch, a shortcut that begins where the block does, both added.

    A pass that a layer does not begin itself is that of the main branch; in inference the batch
    norm of a projection goes with its convolution instead.
    """
    main = side = entry
    main_group = side_group = ""
    for layer in block.layers:
        name = block.prefix + layer.name
        on_side = layer.on_shortcut
        inputs: tuple[str, ...] = (side,) if on_side else (main,)
        if layer.kind is Kind.ADD:
            inputs = (main, side)
        if _opens(layer, sizes, on_side=on_side):
            group = name
        elif on_side and layer.kind is Kind.BN and not sizes.training:
            group = side_group
        else:
            group = main_group
        node = Node(name=name, layer=layer, inputs=inputs, output=name, sizes=sizes)
        yield _Placed(node=node, stage=block.stage, block=block.name, group=group)
        if on_side:
            side, side_group = name, group
        else:
            main, main_group = name, group


def _opens(layer: Layer, sizes: Sizes, *, on_side: bool) -> bool:
    """Whether a fused pass begins with the layer.

    In training batch norm needs figures of the whole batch first, so the convolution that makes its
    input cannot take it along; a projection's is taken by the pass that adds the two branches.
    """
    return layer.kind in _OPENS or (layer.kind is Kind.BN and sizes.training and not on_side)


def _forward(node: Node) -> Iterator[Work]:
    if node.layer.kind in _WEIGHTED:
        yield from traffic.weighted(node)
    else:
        yield _FORWARD[node.layer.kind](node)


def _backward(placed: tuple[_Placed, ...], passes: int) -> Iterator[Operator]:
    arrived: dict[str, list[str]] = {placed[-1].node.output: [gradient(placed[-1].node.output)]}
    takers = _takers(placed)
    for each in reversed(placed):
        node = each.node
        (upstream,) = arrived.pop(node.output)
        if node.layer.kind is Kind.ADD:
            for tensor in node.inputs:
                arrived.setdefault(tensor, []).append(upstream)
            continue
        (x,) = node.inputs
        several = takers[x] > 1
        tensor = gradient(x) + (f" by {node.name}" if several else "")
        yield from _layer_backward(each, upstream, tensor, passes)
        parts = arrived.setdefault(x, [])
        parts.append(tensor)
        if several and len(parts) == takers[x]:
            joined = gradient(x)
            work = traffic.join(node, parts, joined)
            yield _operator(each, Phase.BACKWARD, work, _input_gradient_group(node), passes)
            arrived[x] = [joined]


def _layer_backward(each: _Placed, upstream: str, tensor: str, passes: int) -> Iterator[Operator]:
    """The gradient of a layer's input, and those of its parameters."""
    node, kind = each.node, each.node.layer.kind
    group = f"{each.group} backward"
    if kind in _WEIGHTED:
        group = f"{node.name} {Op.WEIGHT_GRAD}"
        if node.layer.cost.input_grad_macs:
            work = traffic.input_gradient(node, upstream, tensor)
            yield _operator(each, Phase.BACKWARD, work, _input_gradient_group(node), passes)
        for work in traffic.weight_gradient(node, upstream):
            yield _operator(each, Phase.BACKWARD, work, group, passes)
    else:
        work = _BACKWARD[kind](node, upstream, tensor)
        yield _operator(each, Phase.BACKWARD, work, group, passes)
    if passes > 1 and node.layer.cost.params:
        yield _operator(each, Phase.BACKWARD, traffic.accumulate(node), group, passes - 1)


def _update(placed: tuple[_Placed, ...], recipe: Recipe) -> Iterator[Operator]:
    learnt = [each.node for each in placed if each.node.layer.cost.params]
    parameters = [moved for node in learnt for moved in node.stored]
    found = tuple(moved for node in learnt for moved in node.gradients)
    if recipe.precision.scaled:
        work = traffic.unscale(found)
        yield _outside(Phase.OPTIMIZER, OPTIMIZER, work, 1)
    work = traffic.update(parameters, found, recipe.optimizer)
    yield _outside(Phase.OPTIMIZER, OPTIMIZER, work, 1)


def _takers(placed: Iterable[_Placed]) -> dict[str, int]:
    """How many layers take each map."""
    counts: dict[str, int] = {}
    for each in placed:
        for tensor in each.node.inputs:
            counts[tensor] = counts.get(tensor, 0) + 1
    return counts


def _input_gradient_group(node: Node) -> str:
    return f"{node.name} {Op.INPUT_GRAD}"


def _operator(each: _Placed, phase: Phase, work: Work, group: str, times: int) -> Operator:
    return Operator(
        phase=phase,
        stage=each.stage,
        block=each.block,
        layer=each.node.name,
        work=work,
        group=group,
        times=times,
    )


def _outside(phase: Phase, stage: str, work: Work, times: int) -> Operator:
    """What belongs to no layer."""
    group = f"{stage} {phase} {work.op}"
    return Operator(
        phase=phase, stage=stage, block="", layer="", work=work, group=group, times=times
    )
