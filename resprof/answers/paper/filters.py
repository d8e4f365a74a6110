"""Whether the 34-layer net has fewer filters than VGG: the sentence has more than one reading."""

from __future__ import annotations

from fractions import Fraction

from resprof.answers.paper.context import Context, Evaluator, convolutions, in_parts, listing, ratio
from resprof.counting.cost import NetworkCost
from resprof.model.published import Claim, Finding
from resprof.units import format_count, format_si

_NETS = ("plain34", "vgg19")
"""The nets of Fig. 3 that the sentence compares."""


def _fewer_filters(_: Claim, context: Context) -> Finding:
    ours, vgg = (context.cost(name) for name in _NETS)
    readings = (
        _on_average(ours, vgg),
        _by_map(ours, vgg),
        _in_total(ours, vgg),
        _weights(ours, vgg),
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
        verdict=in_parts(*(holds for holds, _ in readings)),
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


def _weights(ours: NetworkCost, vgg: NetworkCost) -> tuple[bool, str]:
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


EVALUATORS: dict[str, Evaluator] = {"cmp.fewer_filters": _fewer_filters}
