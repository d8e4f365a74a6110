"""Claims often repeated about these networks but not made in the paper, checked."""

from __future__ import annotations

from fractions import Fraction

from resprof.answers.paper.evaluation import (
    SIMILAR,
    CountNetwork,
    Evaluator,
    conv_macs,
    judge_figure,
    judge_parts,
    label,
    listing,
    ratio,
    training_macs,
)
from resprof.answers.paper.shortcuts import block_of, convolutional
from resprof.counting.cost import Kind, NetworkCost
from resprof.model.published import Claim, Finding

_BY_INPUT = (
    "resnet18-B",
    "resnet34-B",
    "resnet50-B",
    "resnet50-v1.5-B",
    "resnet101-B",
    "resnet101-v1.5-B",
    "resnet152-B",
    "resnet152-v1.5-B",
    "vgg16",
)


def _by_input_size(_: Claim, count: CountNetwork) -> Finding:
    excess = {name: _input_formula(count(name)) for name in _BY_INPUT}
    wrong = {name: times for name, times in excess.items() if times != 1}
    exact = [label(name) for name in excess if name not in wrong]
    too_much = listing(f"{label(name)} {100 * (times - 1):+.1f}%" for name, times in wrong.items())
    return Finding(
        ours=f"off in {len(wrong)} of {len(excess)} nets",
        verdict=judge_parts(*(times == 1 for times in excess.values())),
        explanation=(
            "the output size matters: counted at the input size, a convolution of stride 2 comes "
            f"out 4 times too expensive. Over all convolutions: {too_much or 'none'}; exact "
            f"where nothing strides: {listing(exact) or 'none'}."
        ),
    )


def _input_formula(cost: NetworkCost) -> float:
    """The multiply-adds that the formula with the input's size gives, over the true ones."""
    claimed = 0
    for placed in cost.layers():
        layer = placed.layer
        if layer.kind is Kind.CONV:
            weights = layer.cost.params - (layer.output[0] if layer.bias else 0)
            claimed += layer.input[1] * layer.input[2] * weights
    return claimed / conv_macs(cost)


def _fifty_for_34(_: Claim, count: CountNetwork) -> Finding:
    pairs = {
        "option B": ("resnet50-B", "resnet34-B"),
        "option A": ("resnet50-A", "resnet34-A"),
        "v1.5 with B": ("resnet50-v1.5-B", "resnet34-B"),
        "as the paper has them (50 with B, 34 with A)": ("resnet50-B", "resnet34-A"),
    }
    macs = {name: [count(net).total.macs for net in pair] for name, pair in pairs.items()}
    times = {name: Fraction(deep, shallow) for name, (deep, shallow) in macs.items()}
    parts = listing(_over(name, *pair, count) for name, pair in pairs.items())
    return Finding(
        ours=float(times["option B"]),
        verdict=judge_parts(*(abs(value - 1) <= SIMILAR for value in times.values())),
        explanation=(
            f'ResNet-50 over ResNet-34 in MACs and parameters: {parts}; "the same" means '
            f"within {float(SIMILAR):.0%}; time has to be measured."
        ),
    )


def _over(name: str, deep: str, shallow: str, count: CountNetwork) -> str:
    a, b = count(deep).total, count(shallow).total
    return f"{name} {a.macs / b.macs:.3f} and {a.params / b.params:.3f}"


def _projections_double(claim: Claim, count: CountNetwork) -> Finding:
    blocks = listing(
        f"{kind} {ratio(_block_ratio(net, count))}"
        for kind, net in (("bottleneck", "resnet50"), ("basic", "resnet34"))
    )
    nets = listing(
        _net_ratio(f"{net}-{more}", f"{net}-{less}", count)
        for net, more, less in (
            ("resnet50", "C", "B"),
            ("resnet101", "C", "B"),
            ("resnet152", "C", "B"),
            ("resnet34", "C", "B"),
            ("resnet50", "B", "A"),
            ("resnet34", "B", "A"),
        )
    )
    return judge_figure(
        claim,
        _block_ratio("resnet50", count),
        f"a projection in place of identity multiplies a block's weights and MACs: {blocks}",
        f"Whole nets, parameters and training MACs: {nets}; time has to be measured.",
    )


def _block_ratio(net: str, count: CountNetwork) -> Fraction:
    b, c = (convolutional(block_of(count(f"{net}-{option}"))) for option in "BC")
    return Fraction(c[0], b[0])


def _net_ratio(more: str, less: str, count: CountNetwork) -> str:
    a, b = count(more).total, count(less).total
    params, macs = a.params / b.params, training_macs(a) / training_macs(b)
    return f"{label(more)} over {less[-1]} {params:.3f} and {macs:.3f}"


EVALUATORS: dict[str, Evaluator] = {
    "note.input_size": _by_input_size,
    "note.50_for_34": _fifty_for_34,
    "note.projections_double": _projections_double,
}
