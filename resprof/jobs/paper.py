"""Evaluating the paper's claims with our own counts."""

from __future__ import annotations

from resprof.analysis.claims import Context, check_claims
from resprof.catalog.networks import resolve
from resprof.catalog.published import claims, notes
from resprof.counting.walk import count
from resprof.errors import UsageError, printable
from resprof.records.claim import CheckedClaim
from resprof.records.cost import NetworkCost


def check_paper(only: str | None = None) -> tuple[CheckedClaim, ...]:
    """Every claim, or those whose id is ``only`` or starts with it, evaluated by computation."""
    every = (*claims(), *notes())
    chosen = tuple(claim for claim in every if only is None or claim.id.startswith(only))
    if not chosen:
        groups = sorted({claim.id.split(".")[0] for claim in every})
        raise UsageError(
            f"no claim {printable(only or '')}", hint=f"ids begin with {', '.join(groups)}"
        )
    return check_claims(chosen, Context(cost=_cost))


def _cost(name: str, image: tuple[int, int] | None = None) -> NetworkCost:
    return count(resolve(name, image=image))
