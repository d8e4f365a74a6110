"""What an evaluator is, and the measures, texts and verdicts that evaluators share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Protocol

from resprof.counting.cost import Cost, Kind, NetworkCost, PlacedLayer
from resprof.model.published import Claim, Finding, Verdict, digits_of, judge
from resprof.units import format_si

SIMILAR = Fraction(1, 10)
"""How far a ratio may lie from 1 and still be called similar: ours to choose, so always named."""
GIGA = 10**9
MEGA = 10**6

IMAGENET_NETS = ("resnet18-A", "resnet34-A", "resnet50-B", "resnet101-B", "resnet152-B")
"""The nets of Table 1 with the shortcuts that the paper gives them: 18 and 34 layers have option A
in Table 2 and Figs. 3 and 4, 50 and more have B throughout (Sec. 4.1)."""


class CountNetwork(Protocol):
    """Counts a network by its name."""

    def __call__(self, name: str, image: tuple[int, int] | None = None) -> NetworkCost:
        """For another image than the network's own where one is given."""


Evaluator = Callable[[Claim, CountNetwork], Finding]
"""Computes a claim again; this room counts nothing itself."""


def convolutions(cost: NetworkCost) -> tuple[PlacedLayer, ...]:
    """The convolutions on the main path: projections are left out."""
    return tuple(
        placed
        for placed in cost.layers()
        if placed.layer.kind is Kind.CONV and not placed.layer.on_shortcut
    )


def projections(cost: NetworkCost) -> tuple[PlacedLayer, ...]:
    """The 1x1 convolutions on shortcuts."""
    return tuple(
        placed
        for placed in cost.layers()
        if placed.layer.kind is Kind.CONV and placed.layer.on_shortcut
    )


def weighted_layers(cost: NetworkCost) -> int:
    """The depth in the paper's sense: convolutions and fully connected layers, no projections."""
    linear = sum(placed.layer.kind is Kind.LINEAR for placed in cost.layers())
    return len(convolutions(cost)) + linear


def conv_macs(cost: NetworkCost) -> int:
    """Multiply-adds of the convolutions, projections included."""
    return sum(p.layer.cost.macs for p in cost.layers() if p.layer.kind is Kind.CONV)


def training_macs(cost: Cost) -> int:
    """Multiply-adds of forward and backward, operation by operation."""
    return cost.macs + cost.backward_macs


def label(name: str) -> str:
    """A network as an explanation names it: ``resnet34-A`` is ``ResNet-34-A``."""
    for start, written in (("resnet", "ResNet-"), ("plain", "plain-"), ("vgg", "VGG-")):
        if name.startswith(start):
            return written + name.removeprefix(start)
    return name


def mac(value: int) -> str:
    """Multiply-adds, scaled: ``3.858 GMAC``."""
    return f"{format_si(value)}MAC"


def ratio(value: Fraction, digits: int = 3) -> str:
    """A ratio in decimals."""
    return f"{float(value):.{digits}f}"


def listing(parts: Iterable[str]) -> str:
    """Parts of an explanation in one sentence."""
    return ", ".join(parts)


def judge_figure(claim: Claim, ours: int | Fraction, how: str, more: str = "") -> Finding:
    """A finding of a printed number.

    The explanation is ``how`` ours arises, which digits it would be printed with, and ``more``.
    """
    verdict = judge(claim.printed, ours)
    digits = "" if verdict is Verdict.EXACTLY else f": {digits_of(claim.printed, ours)}"
    return Finding(
        ours=ours if isinstance(ours, int) else float(ours),
        verdict=verdict,
        explanation=f"{how}{digits}. {more}".rstrip(),
    )


def judge_parts(*holds: bool) -> Verdict:
    """The verdict on a statement by its readings, or by the cases that it speaks of."""
    if all(holds):
        return Verdict.HOLDS
    return Verdict.PARTLY if any(holds) else Verdict.DIFFERS


def judge_statement(holds: bool, ours: str, explanation: str) -> Finding:
    """A finding of a statement that either holds or does not."""
    verdict = Verdict.HOLDS if holds else Verdict.DIFFERS
    return Finding(ours=ours, verdict=verdict, explanation=explanation)


def reference(explanation: str, ours: int | float | str | None = None) -> Finding:
    """A finding of an accuracy or a setting: ``explanation`` says what follows from it."""
    return Finding(ours=ours, verdict=Verdict.REFERENCE, explanation=explanation)


def not_checkable(reason: str) -> Finding:
    """A finding of something that no computation reaches."""
    return Finding(ours=None, verdict=Verdict.NOT_CHECKABLE, explanation=reason)
