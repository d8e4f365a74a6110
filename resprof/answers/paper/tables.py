"""The tables that hold our counts against what the paper prints."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from resprof.answers.flops.counts import FlopsResult
from resprof.answers.flops.tables import CONVENTION
from resprof.model.published import CheckedClaim, Verdict
from resprof.render.table import Column, Form, Origin, Table, tabulate

_PAPER = 'He et al. 2015, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385)'


_CLAIM = (
    Column(key="id", title="claim"),
    Column(key="where", title="where", priority=5),
    Column(key="statement", title="what it says", form=Form.PROSE),
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
    Column(key="explanation", title="how it arises", form=Form.PROSE),
)


def claims_table(claims: Sequence[CheckedClaim]) -> Table:
    """Each claim in a row: what is printed, what we get, and how the two stand."""
    verdicts = Counter(claim.verdict for claim in claims)
    counts = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in Verdict if verdicts[verdict])
    return tabulate(
        _CLAIM,
        claims,
        name="paper",
        title=f"What the paper says in figures, computed again: {len(claims)} claims",
        subtitle=_PAPER,
        notes=(f"In all: {counts}.", CONVENTION),
    )


_FIGURE = (
    Column(key="model", title="model"),
    Column(key="where", title="where", priority=2, value=lambda net: net.paper.claim.where),
    Column(
        key="printed",
        title="printed",
        origin=Origin.PUBLISHED,
        value=lambda net: net.paper.claim.printed,
    ),
    Column(key="unit", title="unit", value=lambda net: net.paper.claim.unit),
    Column(
        key="ours",
        title="ours",
        form=Form.NUMBER,
        origin=Origin.COUNTED,
        value=lambda net: net.paper.ours,
    ),
    Column(
        key="deviation",
        title="off by",
        form=Form.DEVIATION,
        origin=Origin.COUNTED,
        value=lambda net: net.paper.deviation,
    ),
    Column(key="verdict", title="digits", priority=1, value=lambda net: net.paper.verdict),
)


def figures_table(name: str, title: str, results: Sequence[FlopsResult]) -> Table:
    """The networks for which the paper prints a figure, in each of their forms."""
    return tabulate(
        _FIGURE,
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
