"""Shortcuts: what identity, options A, B and C, and the bottleneck bring and cost."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from resprof.answers.paper.evaluation import (
    GIGA,
    MEGA,
    SIMILAR,
    CountNetwork,
    Evaluator,
    judge_figure,
    judge_parts,
    judge_statement,
    label,
    listing,
    mac,
    projections,
    ratio,
)
from resprof.counting.cost import BlockCost, Kind, Layer, NetworkCost
from resprof.model.published import Claim, Finding, Verdict, judge
from resprof.model.published import claim as published_claim
from resprof.units import format_count

_DEPTHS = (18, 34, 50, 101, 152)
_PLAIN_PAIRS = tuple(
    (f"{family}plain{depth}", f"{family}resnet{depth}-A")
    for family, depths in (("", (18, 34)), ("cifar-", (20, 32, 44, 56, 110)))
    for depth in depths
)
"""Plain nets of the paper and the residual nets that differ from them in shortcuts alone."""
_BLOCK = "conv2_2"
"""A block with an identity shortcut; on maps of 56x56, those of Fig. 5."""


def residual_blocks(cost: NetworkCost) -> tuple[BlockCost, ...]:
    """The blocks that end in an addition."""
    return tuple(
        block for block in cost.blocks if any(layer.kind is Kind.ADD for layer in block.layers)
    )


def convolutional(block: BlockCost) -> tuple[int, int]:
    """The weights and the multiply-adds of a block's convolutions."""
    convs = [layer.cost for layer in block.layers if layer.kind is Kind.CONV]
    return sum(cost.params for cost in convs), sum(cost.macs for cost in convs)


def block_of(cost: NetworkCost, name: str = _BLOCK) -> BlockCost:
    """The block of that name."""
    return next(block for block in cost.blocks if block.name == name)


def _changes_shape(block: BlockCost) -> bool:
    return block.layers[0].input != block.output


def _parts(block: BlockCost, kind: Kind) -> Iterator[Layer]:
    return (layer for layer in block.layers if layer.kind is kind)


def _identity_is_free(claim: Claim, count: CountNetwork) -> Finding:
    extra = sum(
        abs(count(residual).total.params - count(plain).total.params)
        + abs(count(residual).total.macs - count(plain).total.macs)
        for plain, residual in _PLAIN_PAIRS
    )
    cost = count("resnet34-A")
    adds = sum(
        layer.cost.elements for block in residual_blocks(cost) for layer in _parts(block, Kind.ADD)
    )
    how = (
        f"parameters and MACs of {len(_PLAIN_PAIRS)} residual nets with option A beyond their "
        "plain nets"
    )
    more = (
        f"The additions of ResNet-34 are {format_count(adds)} elements, "
        f"{100 * adds / cost.total.macs:.2f}% of its MACs."
    )
    return judge_figure(claim, extra, how, more)


def _plain_equals_residual(claim: Claim, count: CountNetwork) -> Finding:
    extra = {
        residual: count(residual).total.params - count(plain).total.params
        for plain, residual in _PLAIN_PAIRS
    }
    pairs = listing(label(plain) for plain, _ in _PLAIN_PAIRS)
    return judge_figure(claim, sum(map(abs, extra.values())), f"with option A against {pairs}")


def _option_a(_: Claim, count: CountNetwork) -> Finding:
    nets = [count(f"resnet{depth}-A") for depth in _DEPTHS]
    pads = [layer for net in nets for block in net.blocks for layer in _parts(block, Kind.PAD)]
    needed = sum(_changes_shape(block) for net in nets for block in residual_blocks(net))
    free = all(pad.cost.params == 0 and pad.cost.macs == 0 for pad in pads)
    projected = sum(len(projections(net)) for net in nets)
    halving = sum(pad.stride == (2, 2) for pad in pads)
    return judge_statement(
        free and projected == 0 and len(pads) == needed,
        f"{projected} projections",
        f"of the nets of Table 1 with option A {needed} blocks change the shape: {halving} of "
        f"their shortcuts subsample and pad, {len(pads) - halving} only pad (conv2_1 of the "
        f"bottleneck nets), all {'without' if free else 'with'} parameters and MACs.",
    )


def _option_b(_: Claim, count: CountNetwork) -> Finding:
    counts = []
    only_there = True
    for depth in _DEPTHS:
        net = count(f"resnet{depth}-B")
        projected = {placed.block for placed in projections(net)}
        changing = {block.name for block in residual_blocks(net) if _changes_shape(block)}
        only_there = only_there and bool(changing) and projected == changing
        counts.append(f"{len(projected)} in ResNet-{depth}")
    return judge_statement(
        only_there,
        listing(counts),
        f"the projections {'sit' if only_there else 'do not sit'} in just the blocks that change "
        "the shape; with bottlenecks conv2_1 is one, from 64 to 256 channels.",
    )


def _option_c(_: Claim, count: CountNetwork) -> Finding:
    counts = []
    everywhere = True
    for depth in _DEPTHS:
        net = count(f"resnet{depth}-C")
        projected = len(projections(net))
        everywhere = everywhere and 0 < projected == len(residual_blocks(net))
        counts.append(f"{projected} in ResNet-{depth}")
    return judge_statement(
        everywhere,
        listing(counts),
        f"{'one' if everywhere else 'not one'} projection for each residual block.",
    )


def _extra_of_c(claim: Claim, count: CountNetwork) -> Finding:
    b, c = (count(f"resnet34-{option}") for option in "BC")
    with_b, with_c = len(projections(b)), len(projections(c))
    more = (
        f"They add {mac(c.total.macs - b.total.macs)} and "
        f"{format_count(c.total.params - b.total.params)} parameters."
    )
    return judge_figure(claim, with_c - with_b, f"{with_c} in option C, {with_b} in B", more)


def _option_used(_: Claim, count: CountNetwork) -> Finding:
    fitting = {f"ResNet-{depth}": _fitting_flops(depth, count) for depth in _DEPTHS}
    cifar = {f"CIFAR {depth}": _fitting_params(depth, count) for depth in (20, 56, 110)}
    used = {"ResNet-18": "A", "ResNet-34": "A", "ResNet-50": "B", "ResNet-101": "B"}
    used |= {"ResNet-152": "B"} | dict.fromkeys(cifar, "A")
    every = fitting | cifar
    consistent = all(option in every[net] for net, option in used.items())
    return Finding(
        ours=listing(f"{net}: {' or '.join(options) or 'none'}" for net, options in every.items()),
        verdict=Verdict.NOT_CHECKABLE if consistent else Verdict.DIFFERS,
        explanation=(
            "the options whose MACs (CIFAR: parameters) give the digits of Table 1 and Table 6, "
            "by rounding or truncation; counting cannot prove which option an experiment used."
        ),
    )


def _fitting_flops(depth: int, count: CountNetwork) -> list[str]:
    printed = published_claim(f"flops.table1.{depth}").printed
    return [
        option
        for option in "ABC"
        if judge(printed, Fraction(count(f"resnet{depth}-{option}").total.macs, GIGA))
        is not Verdict.DIFFERS
    ]


def _fitting_params(depth: int, count: CountNetwork) -> list[str]:
    printed = published_claim(f"params.cifar.{depth}").printed
    return [
        option
        for option in "ABC"
        if judge(printed, Fraction(count(f"cifar-resnet{depth}-{option}").total.params, MEGA))
        is not Verdict.DIFFERS
    ]


def _doubled(claim: Claim, count: CountNetwork) -> Finding:
    b, c = (convolutional(block_of(count(f"resnet50-{option}"))) for option in "BC")
    size, time = Fraction(c[0], b[0]), Fraction(c[1], b[1])
    nets = "; ".join(_c_over_b(depth, count) for depth in (50, 101, 152))
    how = (
        f"{_BLOCK} of ResNet-50: weights {format_count(c[0])} / {format_count(b[0])} = "
        f"{ratio(size)}, MACs {ratio(time)}"
    )
    return judge_figure(claim, size, how, f"Whole nets, C over B: {nets}.")


def _c_over_b(depth: int, count: CountNetwork) -> str:
    b, c = (count(f"resnet{depth}-{option}").total for option in "BC")
    params, macs = Fraction(c.params, b.params), Fraction(c.macs, b.macs)
    return f"ResNet-{depth} parameters {ratio(params)}, MACs {ratio(macs)}"


def _similar(_: Claim, count: CountNetwork) -> Finding:
    basic = convolutional(block_of(count("resnet34-A")))
    bottleneck = convolutional(block_of(count("resnet50-B")))
    size, time = (Fraction(b, a) for a, b in zip(basic, bottleneck, strict=True))
    return Finding(
        ours=float(time),
        verdict=judge_parts(abs(size - 1) <= SIMILAR, abs(time - 1) <= SIMILAR),
        explanation=(
            f"bottleneck over basic block on 56x56: weights {format_count(bottleneck[0])} / "
            f'{format_count(basic[0])} = {ratio(size)}, MACs {ratio(time)}; "similar" means '
            f"within {float(SIMILAR):.0%}."
        ),
    )


EVALUATORS: dict[str, Evaluator] = {
    "identity.no_cost": _identity_is_free,
    "plain_eq_res": _plain_equals_residual,
    "opt.A": _option_a,
    "opt.B": _option_b,
    "opt.C": _option_c,
    "opt.C.thirteen": _extra_of_c,
    "opt.used": _option_used,
    "opt.C.doubled": _doubled,
    "bottleneck.similar": _similar,
}
