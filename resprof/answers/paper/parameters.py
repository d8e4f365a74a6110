"""Parameters of the CIFAR nets, Table 6."""

from __future__ import annotations

from fractions import Fraction

from resprof.answers.paper.context import (
    MEGA,
    Context,
    Evaluator,
    in_parts,
    judged,
    listing,
    not_checkable,
)
from resprof.model.published import Claim, Finding, table6
from resprof.units import format_count

_DEPTHS = (20, 32, 44, 56, 110, 1202)


def _cifar(claim: Claim, context: Context) -> Finding:
    depth = int(claim.id.rsplit(".", 1)[1])
    ours = context.cost(f"cifar-resnet{depth}").total.params
    return judged(claim, Fraction(ours, MEGA), f"{format_count(ours)} with option A")


def _others(_: Claim, __: Context) -> Finding:
    return not_checkable(
        "quoted from the papers of FitNet and Highway, whose networks are not in the catalogue."
    )


def _fewer_than_others(_: Claim, context: Context) -> Finding:
    ours = context.cost("cifar-resnet110").total.params
    others = {
        f"{row.method}-{row.layers} {row.params_printed} M": Fraction(row.params_printed) * MEGA
        for row in table6()
        if row.params_printed is not None and row.model is None
    }
    above = [name for name, params in others.items() if ours < params]
    below = [name for name, params in others.items() if ours >= params]
    return Finding(
        ours=ours / MEGA,
        verdict=in_parts(*(ours < params for params in others.values())),
        explanation=(
            f"{format_count(ours)} are fewer than {listing(above) or 'none of them'}, "
            f"but not fewer than {listing(below) or 'any'}, as Table 6 itself prints."
        ),
    )


EVALUATORS: dict[str, Evaluator] = {
    **{f"params.cifar.{depth}": _cifar for depth in _DEPTHS},
    "params.others": _others,
    "cifar.110_fewer": _fewer_than_others,
}
