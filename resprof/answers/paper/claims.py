"""Every claim of the paper with its evaluator, checked with our own counts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from resprof.answers.paper import flops, repeated, shortcuts, structure, training
from resprof.answers.paper.evaluation import CountNetwork, Evaluator
from resprof.counting.cost import NetworkCost
from resprof.counting.walk import count
from resprof.errors import UsageError, printable
from resprof.model.networks import resolve
from resprof.model.published import CheckedClaim, Claim, claims, notes

THEMES = (
    flops.EVALUATORS,
    structure.EVALUATORS,
    shortcuts.EVALUATORS,
    training.EVALUATORS,
    repeated.EVALUATORS,
)
EVALUATORS: dict[str, Evaluator] = {
    claim: evaluator for theme in THEMES for claim, evaluator in theme.items()
}
"""By the claim's id: each claim has exactly one, which a test holds."""


def check_claims(claims: Iterable[Claim], count: CountNetwork) -> tuple[CheckedClaim, ...]:
    """Evaluates each claim; raises ``KeyError`` for one that has no evaluator."""
    count_once = cache(count)
    return tuple(_checked(claim, count_once) for claim in claims)


def _checked(claim: Claim, count: CountNetwork) -> CheckedClaim:
    finding = EVALUATORS[claim.id](claim, count)
    return CheckedClaim(
        id=claim.id,
        where=claim.where,
        statement=claim.statement,
        printed=claim.printed or None,
        unit=claim.unit or None,
        ours=finding.ours,
        verdict=finding.verdict,
        explanation=finding.explanation,
    )


def check_paper(only: str | None = None) -> tuple[CheckedClaim, ...]:
    """Every claim, or those whose id is ``only`` or starts with it, evaluated by computation."""
    every = (*claims(), *notes())
    chosen = tuple(claim for claim in every if only is None or claim.id.startswith(only))
    if not chosen:
        groups = sorted({claim.id.split(".")[0] for claim in every})
        raise UsageError(
            f"no claim {printable(only or '')}", hint=f"ids begin with {', '.join(groups)}"
        )
    return check_claims(chosen, _count)


def _count(name: str, image: tuple[int, int] | None = None) -> NetworkCost:
    return count(resolve(name, image=image))
