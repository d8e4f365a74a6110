"""What nets are made of: layers and maps, stride and batch norm, filters, parameters."""

from __future__ import annotations

import json
from fractions import Fraction

from resprof.answers.paper.evaluation import (
    IMAGENET_NETS,
    MEGA,
    CountNetwork,
    Evaluator,
    convolutions,
    judge_figure,
    judge_parts,
    judge_statement,
    label,
    listing,
    not_checkable,
    projections,
    ratio,
    weighted_layers,
)
from resprof.counting.cost import PROJECTION, BlockCost, Kind, NetworkCost
from resprof.model.published import Claim, Finding, Verdict, table6
from resprof.units import format_count, format_si

_CIFAR_MAPS = (32, 16, 8)
_DOWNSAMPLING = ("conv3_1", "conv4_1", "conv5_1")


def _layers(claim: Claim, count: CountNetwork) -> Finding:
    depth = int(claim.id.removeprefix("layers."))
    name = next(net for net in IMAGENET_NETS if net.startswith(f"resnet{depth}-"))
    ours = weighted_layers(count(name))
    convs = len(convolutions(count(name)))
    option_b = len(projections(count(f"resnet{depth}-B")))
    more = f"Option B has {option_b} projections besides."
    return judge_figure(claim, ours, f"{convs} convolutions and {ours - convs} fc", more)


def _depth_over_vgg19(claim: Claim, count: CountNetwork) -> Finding:
    deep, vgg = (weighted_layers(count(name)) for name in ("resnet152-B", "vgg19"))
    return judge_figure(claim, Fraction(deep, vgg), f"{deep} / {vgg} layers with weights")


def _fifty_from_34(claim: Claim, count: CountNetwork) -> Finding:
    shallow, deep = (count(name).architecture for name in ("resnet34-A", "resnet50-B"))
    blocks = sum(stage.blocks for stage in shallow.stages)
    same = [s.blocks for s in shallow.stages] == [s.blocks for s in deep.stages]
    around = weighted_layers(count("resnet34-A")) - 2 * blocks
    ours = 3 * blocks + around
    more = (
        f"ResNet-50 has {weighted_layers(count('resnet50-B'))} and "
        f"{'just as many' if same else 'not as many'} blocks in each stage as ResNet-34."
    )
    return judge_figure(claim, ours, f"{blocks} blocks x 3 + {around}", more)


def _map_sides(claim: Claim, count: CountNetwork) -> Finding:
    printed = tuple(json.loads(claim.printed))
    found = {name: _sides(count(name)) for name in IMAGENET_NETS}
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


def _stride(_: Claim, count: CountNetwork) -> Finding:
    expected = {(block, layer) for block in _DOWNSAMPLING for layer in ("conv1", f"{PROJECTION}.0")}
    found = {
        name: {
            (placed.block, placed.layer.name)
            for placed in count(name).layers()
            if placed.layer.kind is Kind.CONV
            and placed.layer.stride == (2, 2)
            and placed.stage != "conv1"
        }
        for name in ("resnet50-B", "resnet101-B", "resnet152-B")
    }
    v1, v15 = (count(name).total.macs for name in ("resnet50-B", "resnet50-v1.5-B"))
    return judge_statement(
        all(places == expected for places in found.values()),
        listing(sorted({block for block, _ in found["resnet50-B"]})),
        "in ResNet-50, 101 and 152 as published (v1); with the stride in the 3x3 (v1.5) ResNet-50 "
        f"has {format_count(v15 - v1)} MACs more ({100 * (v15 - v1) / v1:+.1f}%).",
    )


def _batch_norm(_: Claim, count: CountNetwork) -> Finding:
    checked = convs = 0
    for name in IMAGENET_NETS:
        cost = count(name)
        convs += sum(placed.layer.kind is Kind.CONV for placed in cost.layers())
        checked += sum(_normalised(block) for block in cost.blocks)
    ended = all(_ends_in_relu(block) for name in IMAGENET_NETS for block in count(name).blocks)
    return judge_statement(
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


def _cifar_nets(claim: Claim, count: CountNetwork) -> Finding:
    described = json.loads(claim.printed)
    wrong = []
    for n in described["n"]:
        depth = 6 * n + 2
        cost = count(f"cifar-resnet{depth}")
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


_FIG_3 = ("plain34", "vgg19")
"""The nets of Fig. 3 that the sentence compares."""


def _fewer_filters(_: Claim, count: CountNetwork) -> Finding:
    ours, vgg = (count(name) for name in _FIG_3)
    readings = (
        _on_average(ours, vgg),
        _by_map(ours, vgg),
        _in_total(ours, vgg),
        _in_weights(ours, vgg),
    )
    fewer = [text for holds, text in readings if holds]
    not_fewer = [text for holds, text in readings if not holds]
    sentences = []
    if fewer:
        sentences.append(f"fewer {listing(fewer)}")
    if not_fewer:
        sentences.append(f"not fewer {listing(not_fewer)}")
    return Finding(
        ours=f"{len(fewer)} of {len(readings)} readings",
        verdict=judge_parts(*(holds for holds, _ in readings)),
        explanation=f"plain-34 against VGG-19: {'; '.join(sentences)}.",
    )


def _on_average(ours: NetworkCost, vgg: NetworkCost) -> tuple[bool, str]:
    a, b = (Fraction(_filters(cost), len(convolutions(cost))) for cost in (ours, vgg))
    return a < b, f"per convolution on average ({ratio(a, 0)} against {ratio(b, 0)})"


def _by_map(ours: NetworkCost, vgg: NetworkCost) -> tuple[bool, str]:
    a, b = _widest(ours), _widest(vgg)
    sides = sorted(a.keys() & b.keys(), reverse=True)
    pairs = listing(f"{a[side]} against {b[side]} at {side}" for side in sides)
    fewer = bool(sides) and all(a[side] < b[side] for side in sides)
    return fewer, f"per convolution on maps of equal side ({pairs})"


def _in_total(ours: NetworkCost, vgg: NetworkCost) -> tuple[bool, str]:
    a, b = _filters(ours), _filters(vgg)
    return a < b, f"in total ({format_count(a)} against {format_count(b)})"


def _in_weights(ours: NetworkCost, vgg: NetworkCost) -> tuple[bool, str]:
    a, b = _conv_weights(ours), _conv_weights(vgg)
    return a < b, f"in convolution weights ({format_si(a)} against {format_si(b)})"


def _filters(cost: NetworkCost) -> int:
    return sum(placed.layer.output[0] for placed in convolutions(cost))


def _widest(cost: NetworkCost) -> dict[int, int]:
    """The most filters of a convolution for each side of its output."""
    widest: dict[int, int] = {}
    for placed in convolutions(cost):
        channels, side = placed.layer.output[0], placed.layer.output[-1]
        widest[side] = max(channels, widest.get(side, 0))
    return widest


def _conv_weights(cost: NetworkCost) -> int:
    return sum(
        placed.layer.cost.params - (placed.layer.output[0] if placed.layer.bias else 0)
        for placed in convolutions(cost)
    )


_CIFAR_DEPTHS = (20, 32, 44, 56, 110, 1202)


def _cifar_params(claim: Claim, count: CountNetwork) -> Finding:
    depth = int(claim.id.rsplit(".", 1)[1])
    ours = count(f"cifar-resnet{depth}").total.params
    return judge_figure(claim, Fraction(ours, MEGA), f"{format_count(ours)} with option A")


def _params_of_others(_: Claim, __: CountNetwork) -> Finding:
    return not_checkable(
        "quoted from the papers of FitNet and Highway, whose networks are not in the catalogue."
    )


def _fewer_than_others(_: Claim, count: CountNetwork) -> Finding:
    ours = count("cifar-resnet110").total.params
    others = {
        f"{row.method}-{row.layers} {row.params_printed} M": Fraction(row.params_printed) * MEGA
        for row in table6()
        if row.params_printed is not None and row.model is None
    }
    above = [name for name, params in others.items() if ours < params]
    below = [name for name, params in others.items() if ours >= params]
    return Finding(
        ours=ours / MEGA,
        verdict=judge_parts(*(ours < params for params in others.values())),
        explanation=(
            f"{format_count(ours)} are fewer than {listing(above) or 'none of them'}, "
            f"but not fewer than {listing(below) or 'any'}, as Table 6 itself prints."
        ),
    )


EVALUATORS: dict[str, Evaluator] = {
    **{f"layers.{depth}": _layers for depth in (18, 34, 50, 101, 152)},
    "depth.8x": _depth_over_vgg19,
    "bottleneck.50from34": _fifty_from_34,
    "sizes.maps": _map_sides,
    "arch.stride": _stride,
    "arch.bn": _batch_norm,
    "cifar.arch": _cifar_nets,
    "cmp.fewer_filters": _fewer_filters,
    **{f"params.cifar.{depth}": _cifar_params for depth in _CIFAR_DEPTHS},
    "params.others": _params_of_others,
    "cifar.110_fewer": _fewer_than_others,
}
