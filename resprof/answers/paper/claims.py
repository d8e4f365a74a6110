"""Every claim of the paper, checked with our own counts, and the tables that hold both."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from operator import attrgetter

from resprof.answers.flops.flops import CONVENTION, FlopsResult
from resprof.answers.paper import flops, repeated, shortcuts, structure, training
from resprof.answers.paper.evaluation import CountNetwork, Evaluator
from resprof.counting.cost import NetworkCost, count
from resprof.errors import UsageError, printable
from resprof.model.networks import resolve
from resprof.model.published import CheckedClaim, Claim, claims, count_verdicts, notes
from resprof.render.answer import Answer, Rows
from resprof.render.table import Column, Form, Origin, Table, tabulate

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


_PAPER = 'He et al. 2015, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385)'


_CLAIM = (
    Column(key="id", title="claim"),
    Column(key="where", title="where", priority=5),
    Column(key="statement", title="statement", form=Form.PROSE),
    Column(
        key="printed",
        title="printed",
        form=Form.PROSE,
        origin=Origin.PUBLISHED,
        value=lambda claim: _readable(claim.printed),
    ),
    Column(key="unit", title="unit"),
    Column(key="ours", title="ours", form=Form.PROSE, origin=Origin.COUNTED),
    Column(key="verdict", title="verdict"),
    Column(key="explanation", title="explanation", form=Form.PROSE),
)


def claims_table(claims: Sequence[CheckedClaim]) -> Table:
    """Each claim in a row: what is printed, what we get, and how the two stand."""
    counts = count_verdicts(claim.verdict for claim in claims)
    return tabulate(
        _CLAIM,
        claims,
        name="paper",
        title=f"Numbers in the paper, checked: {len(claims)} claims",
        subtitle=_PAPER,
        notes=(f"Total: {counts}.", CONVENTION),
    )


def paper_answer(claims: Sequence[CheckedClaim]) -> Answer[Rows[CheckedClaim]]:
    """Claims, each held against what computing it again gives."""
    return Answer(
        command="paper",
        results=(Rows(rows=tuple(claims)),),
        tables=lambda: [claims_table(claims)],
        sheets=lambda: [claims_table(claims)],
    )


_PRINTED = (
    Column(key="where", title="where", priority=2),
    Column(key="printed", title="printed", origin=Origin.PUBLISHED),
    Column(key="unit", title="unit"),
)
_OURS = (
    Column(key="ours", title="ours", form=Form.NUMBER, origin=Origin.COUNTED),
    Column(key="deviation", title="off by", form=Form.DEVIATION, origin=Origin.COUNTED),
    Column(key="verdict", title="digits", priority=1),
)


def figures_table(name: str, title: str, results: Sequence[FlopsResult]) -> Table:
    """The networks for which the paper prints a figure, in each of their forms."""
    return tabulate(
        (
            Column(key="model", title="model"),
            *(column.of(attrgetter("paper.claim")) for column in _PRINTED),
            *(column.of(attrgetter("paper")) for column in _OURS),
        ),
        [result for result in results if result.paper],
        name=name,
        title=title,
        subtitle="counted for one image, forward; printed figures as in the paper",
        notes=(CONVENTION,),
    )


def _readable(printed: str | None) -> str | None:
    """What is printed in several figures, which is kept as JSON, as a list that people read."""
    if printed is None or not printed.startswith(("{", "[")):
        return printed
    kept = json.loads(printed)
    if isinstance(kept, dict):
        return "; ".join(
            f"{name.replace('_', ' ')} {_plain(value)}" for name, value in kept.items()
        )
    return _plain(kept)


def _plain(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(_plain(part) for part in value)
    if isinstance(value, float):
        return f"{value:,g}" if value < 1e6 else f"{value:,.0f}"
    return "yes" if value is True else f"{value:,}" if isinstance(value, int) else str(value)
