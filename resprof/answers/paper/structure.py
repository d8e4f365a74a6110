"""What the nets are made of: layers, maps, where the stride and the batch norm sit."""

from __future__ import annotations

import json
from fractions import Fraction

from resprof.answers.paper.context import (
    IMAGENET_NETS,
    Context,
    Evaluator,
    convolutions,
    held,
    judged,
    label,
    listing,
    projections,
    weighted_layers,
)
from resprof.counting.cost import BlockCost, Kind, NetworkCost
from resprof.model.published import Claim, Finding, Verdict
from resprof.units import format_count

_CIFAR_MAPS = (32, 16, 8)
_DOWNSAMPLING = ("conv3_1", "conv4_1", "conv5_1")


def _layers(claim: Claim, context: Context) -> Finding:
    depth = int(claim.id.removeprefix("layers."))
    name = next(net for net in IMAGENET_NETS if net.startswith(f"resnet{depth}-"))
    ours = weighted_layers(context.cost(name))
    convs = len(convolutions(context.cost(name)))
    option_b = len(projections(context.cost(f"resnet{depth}-B")))
    more = f"Option B has {option_b} projections besides."
    return judged(claim, ours, f"{convs} convolutions and {ours - convs} fc", more)


def _depth_over_vgg19(claim: Claim, context: Context) -> Finding:
    deep, vgg = (weighted_layers(context.cost(name)) for name in ("resnet152-B", "vgg19"))
    return judged(claim, Fraction(deep, vgg), f"{deep} / {vgg} layers with weights")


def _fifty_from_34(claim: Claim, context: Context) -> Finding:
    shallow, deep = (context.cost(name).architecture for name in ("resnet34-A", "resnet50-B"))
    blocks = sum(stage.blocks for stage in shallow.stages)
    same = [s.blocks for s in shallow.stages] == [s.blocks for s in deep.stages]
    around = weighted_layers(context.cost("resnet34-A")) - 2 * blocks
    ours = 3 * blocks + around
    more = (
        f"ResNet-50 has {weighted_layers(context.cost('resnet50-B'))} and "
        f"{'just as many' if same else 'not as many'} blocks in each stage as ResNet-34."
    )
    return judged(claim, ours, f"{blocks} blocks x 3 + {around}", more)


def _map_sides(claim: Claim, context: Context) -> Finding:
    printed = tuple(json.loads(claim.printed))
    found = {name: _sides(context.cost(name)) for name in IMAGENET_NETS}
    differing = [name for name, sides in found.items() if sides != printed]
    where = "the same in every net of Table 1"
    if differing:
        where = f"differs in {listing(label(name) for name in differing)}"
    return Finding(
        ours=str(list(found[IMAGENET_NETS[0]])),
        verdict=Verdict.DIFFERS if differing else Verdict.EXACTLY,
        explanation=f"{where}.",
    )


def _sides(cost: NetworkCost) -> tuple[int, ...]:
    stages = [stage.output[-1] for stage in cost.stages() if stage.stage != "fc"]
    pools = [p.layer.output[-1] for p in cost.layers() if p.layer.kind is Kind.AVG_POOL]
    return (*stages, *pools)


def _stride(_: Claim, context: Context) -> Finding:
    expected = {(block, layer) for block in _DOWNSAMPLING for layer in ("conv1", "downsample.0")}
    found = {
        name: {
            (placed.block, placed.layer.name)
            for placed in context.cost(name).layers()
            if placed.layer.kind is Kind.CONV
            and placed.layer.stride == (2, 2)
            and placed.stage != "conv1"
        }
        for name in ("resnet50-B", "resnet101-B", "resnet152-B")
    }
    v1, v15 = (context.cost(name).total.macs for name in ("resnet50-B", "resnet50-v1.5-B"))
    return held(
        all(places == expected for places in found.values()),
        listing(sorted({block for block, _ in found["resnet50-B"]})),
        "in ResNet-50, 101 and 152 as published (v1); with the stride in the 3x3 (v1.5) ResNet-50 "
        f"has {format_count(v15 - v1)} MACs more ({100 * (v15 - v1) / v1:+.1f}%).",
    )


def _batch_norm(_: Claim, context: Context) -> Finding:
    checked = convs = 0
    for name in IMAGENET_NETS:
        cost = context.cost(name)
        convs += sum(placed.layer.kind is Kind.CONV for placed in cost.layers())
        checked += sum(_normalised(block) for block in cost.blocks)
    ended = all(
        _ends_in_relu(block) for name in IMAGENET_NETS for block in context.cost(name).blocks
    )
    return held(
        checked == convs and ended,
        f"{checked} of {convs} convolutions",
        "in the five nets of Table 1 these are directly followed by batch norm; every residual "
        f"block {'ends' if ended else 'does not end'} in its addition and then a ReLU.",
    )


def _normalised(block: BlockCost) -> int:
    """How many convolutions of a block are followed by batch norm over the same map."""
    return sum(
        layer.kind is Kind.CONV and after.kind is Kind.BN and after.input == layer.output
        for layer, after in zip(block.layers, block.layers[1:], strict=False)
    )


def _ends_in_relu(block: BlockCost) -> bool:
    kinds = [layer.kind for layer in block.layers]
    return Kind.ADD not in kinds or kinds[-2:] == [Kind.ADD, Kind.RELU]


def _cifar(claim: Claim, context: Context) -> Finding:
    described = json.loads(claim.printed)
    wrong = []
    for n in described["n"]:
        depth = 6 * n + 2
        cost = context.cost(f"cifar-resnet{depth}")
        per_map = [
            sum(placed.layer.output[-1] == side for placed in convolutions(cost))
            for side in _CIFAR_MAPS
        ]
        filters = [stage.outer for stage in cost.architecture.stages]
        as_described = per_map == [1 + 2 * n, 2 * n, 2 * n] and filters == described["filters"]
        if weighted_layers(cost) != depth or not as_described:
            wrong.append(depth)
    depths = [6 * n + 2 for n in described["n"]]
    return Finding(
        ours=listing(str(depth) for depth in depths if depth not in wrong),
        verdict=Verdict.DIFFERS if wrong else Verdict.EXACTLY,
        explanation=(
            f"layers with weights, convolutions on maps of {listing(map(str, _CIFAR_MAPS))} and "
            f"filters counted for n = {listing(map(str, described['n']))}"
            + (
                f"; not as described: {listing(map(str, wrong))}."
                if wrong
                else "; all as described."
            )
        ),
    )


EVALUATORS: dict[str, Evaluator] = {
    **{f"layers.{depth}": _layers for depth in (18, 34, 50, 101, 152)},
    "depth.8x": _depth_over_vgg19,
    "bottleneck.50from34": _fifty_from_34,
    "sizes.maps": _map_sides,
    "arch.stride": _stride,
    "arch.bn": _batch_norm,
    "cifar.arch": _cifar,
}
