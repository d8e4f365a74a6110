"""Every claim of the paper, evaluated by computing it again; one file for each theme."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from resprof.analysis.claims import (
    accuracy,
    detection,
    filters,
    flops,
    parameters,
    repeated,
    shortcuts,
    structure,
    training,
)
from resprof.analysis.claims.context import Context, CountNetwork, Evaluator
from resprof.records.claim import CheckedClaim, Claim

__all__ = ["EVALUATORS", "THEMES", "Context", "CountNetwork", "check_claims"]

THEMES: tuple[dict[str, Evaluator], ...] = (
    flops.EVALUATORS,
    structure.EVALUATORS,
    filters.EVALUATORS,
    shortcuts.EVALUATORS,
    parameters.EVALUATORS,
    training.EVALUATORS,
    accuracy.EVALUATORS,
    detection.EVALUATORS,
    repeated.EVALUATORS,
)
EVALUATORS: dict[str, Evaluator] = {
    claim: evaluator for theme in THEMES for claim, evaluator in theme.items()
}
"""By the claim's id: each claim has exactly one, which a test holds."""


def check_claims(claims: Iterable[Claim], context: Context) -> tuple[CheckedClaim, ...]:
    """Evaluates each claim; raises ``KeyError`` for one that has no evaluator."""
    counted_once = Context(cost=cache(context.cost))
    return tuple(_checked(claim, counted_once) for claim in claims)


def _checked(claim: Claim, context: Context) -> CheckedClaim:
    finding = EVALUATORS[claim.id](claim, context)
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
