"""Multiply-adds: Table 1, VGG, and the comparisons drawn from them."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from resprof.answers.paper.evaluation import (
    GIGA,
    IMAGENET_NETS,
    CountNetwork,
    Evaluator,
    conv_macs,
    convolutions,
    judge_figure,
    judge_parts,
    judge_statement,
    label,
    listing,
    mac,
    ratio,
)
from resprof.model.published import Claim, Finding, Verdict, judge
from resprof.model.published import claim as published_claim
from resprof.units import format_count

_TABLE1 = {
    18: ("resnet18-A", ("plain18", "resnet18-B", "resnet18-C")),
    34: ("resnet34-A", ("plain34", "resnet34-B", "resnet34-C")),
    50: ("resnet50-B", ("resnet50-A", "resnet50-C", "resnet50-v1.5-B")),
    101: ("resnet101-B", ("resnet101-A", "resnet101-C", "resnet101-v1.5-B")),
    152: ("resnet152-B", ("resnet152-A", "resnet152-C", "resnet152-v1.5-B")),
}
"""Each column's net with the paper's shortcuts, and the forms that others count instead."""

_SHORT = {
    Verdict.EXACTLY: "exact",
    Verdict.BOTH: "both ways",
    Verdict.ROUNDING: "by rounding",
    Verdict.TRUNCATION: "by truncation",
    Verdict.DIFFERS: "differs",
}


def _table1(claim: Claim, count: CountNetwork) -> Finding:
    name, others = _TABLE1[int(claim.id.rsplit(".", 1)[1])]
    ours = count(name).total.macs
    beside = listing(_beside(other, claim.printed, count) for other in others)
    return judge_figure(
        claim,
        Fraction(ours, GIGA),
        f"{label(name)} {mac(ours)}",
        f"Against {claim.printed}: {beside}.",
    )


def _beside(name: str, printed: str, count: CountNetwork) -> str:
    macs = count(name).total.macs
    return f"{label(name)} {mac(macs)} ({_SHORT[judge(printed, Fraction(macs, GIGA))]})"


def _whole_net(name: str) -> Evaluator:
    def evaluate(claim: Claim, count: CountNetwork) -> Finding:
        total = count(name).total.macs
        return judge_figure(claim, Fraction(total, GIGA), f"{label(name)} {mac(total)}")

    return evaluate


def _res34_as_drawn(claim: Claim, count: CountNetwork) -> Finding:
    drawn = count("resnet34-A").total.macs
    projected = count("resnet34-B").total.macs
    more = f"With projections (option B) it would be {mac(projected)}."
    return judge_figure(claim, Fraction(drawn, GIGA), f"option A {mac(drawn)}", more)


def _fifty(claim: Claim, count: CountNetwork) -> Finding:
    ours = count("resnet50-B").total.macs
    ways = Counter(
        judge(
            published_claim(f"flops.table1.{depth}").printed,
            Fraction(count(name).total.macs, GIGA),
        )
        for depth, (name, _) in _TABLE1.items()
    )
    rounded = ways[Verdict.ROUNDING] + ways[Verdict.BOTH] + ways[Verdict.EXACTLY]
    truncated = ways[Verdict.TRUNCATION] + ways[Verdict.BOTH] + ways[Verdict.EXACTLY]
    return judge_figure(
        claim,
        Fraction(ours, GIGA),
        f"ResNet-50 v1, option B, {mac(ours)}",
        f"Of Table 1's {len(_TABLE1)} figures rounding gives {rounded}, truncation {truncated}.",
    )


def _vgg(claim: Claim, count: CountNetwork) -> Finding:
    _, name, parts = claim.id.split(".")
    cost = count(name)
    counts = {"with fc": cost.total.macs, "convolutions alone": conv_macs(cost)}
    asked, other = sorted(counts, reverse=parts == "convfc")
    ours, rest = counts[asked], counts[other]
    verdict = _SHORT[judge(claim.printed, Fraction(rest, GIGA))]
    return judge_figure(
        claim,
        Fraction(ours, GIGA),
        f"{label(name)}, {asked}, {mac(ours)}",
        f"{other.capitalize()}: {mac(rest)} ({verdict}).",
    )


def _share_of_vgg19(claim: Claim, count: CountNetwork) -> Finding:
    ours, vgg = (count(name).total.macs for name in ("plain34", "vgg19"))
    share = Fraction(100 * ours, vgg)
    printed = tuple(published_claim(f"flops.{x}").printed for x in ("plain34", "vgg19.convfc"))
    of_printed = 100 * Fraction(printed[0]) / Fraction(printed[1])
    return judge_figure(
        claim,
        share,
        f"{mac(ours)} / {mac(vgg)} = {ratio(share, 2)}%",
        f"The printed {printed[0]} / {printed[1]} make {ratio(of_printed, 2)}%.",
    )


def _deepest_below_vgg(_: Claim, count: CountNetwork) -> Finding:
    deep, vgg16, vgg19 = (count(name).total.macs for name in (IMAGENET_NETS[-1], "vgg16", "vgg19"))
    conv16 = conv_macs(count("vgg16"))
    return judge_statement(
        deep < conv16 and deep < vgg16 < vgg19,
        f"{deep / GIGA:.2f} < {vgg16 / GIGA:.2f} < {vgg19 / GIGA:.2f}",
        f"ResNet-152 takes {100 * deep / vgg16:.1f}% of VGG-16 ({100 * deep / conv16:.1f}% of its "
        f"convolutions alone) and {100 * deep / vgg19:.1f}% of VGG-19.",
    )


def _equal_per_layer(_: Claim, count: CountNetwork) -> Finding:
    inner = [p.layer for p in convolutions(count("plain34")) if p.layer.kernel == (3, 3)]
    steady = {layer.cost.macs for layer in inner if layer.stride == (1, 1)}
    halving = [layer for layer in inner if layer.stride != (1, 1)]
    usual = max(steady, default=0)
    halves = all(2 * layer.cost.macs == usual for layer in halving)
    how = "half as much each" if halves else "another cost"
    return Finding(
        ours=f"{len(inner) - len(halving)} of {len(inner)} equal",
        verdict=judge_parts(len(steady) == 1, len({layer.cost.macs for layer in inner}) == 1),
        explanation=(
            f"the {len(inner) - len(halving)} of stride 1 cost {format_count(usual)} MACs each; "
            f"the {len(halving)} that halve the map read the narrower input and cost {how}."
        ),
    )


EVALUATORS: dict[str, Evaluator] = {
    **{f"flops.table1.{depth}": _table1 for depth in _TABLE1},
    "flops.plain34": _whole_net("plain34"),
    "flops.res34.fig3": _res34_as_drawn,
    "flops.50": _fifty,
    "flops.152": _whole_net("resnet152-B"),
    "flops.vgg16.conv": _vgg,
    "flops.vgg16.convfc": _vgg,
    "flops.vgg19.conv": _vgg,
    "flops.vgg19.convfc": _vgg,
    "ratio.34_vs_vgg19": _share_of_vgg19,
    "cmp.152_lt_vgg": _deepest_below_vgg,
    "design.rule_ii": _equal_per_layer,
}
