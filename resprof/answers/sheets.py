"""What the library's functions return, as the rows that the commands write as CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from resprof.answers.compare.comparison import ComparedResult
from resprof.answers.compare.tables import compare_sheet
from resprof.answers.flops.counts import flops
from resprof.answers.flops.tables import long_table as counts_sheet
from resprof.answers.memory.budget import BudgetResult, budget_sheets
from resprof.answers.memory.prediction import memory_sheet
from resprof.answers.networks import show, show_rows_table
from resprof.answers.paper.tables import claims_table
from resprof.answers.roofline.bounds import RooflineResult
from resprof.answers.roofline.tables import long_table as roofline_sheet
from resprof.counting.cost import NetworkCost
from resprof.errors import UsageError
from resprof.memory.prediction import MemoryResult
from resprof.model.architecture import Architecture
from resprof.model.published import CheckedClaim
from resprof.render.table import Table

Result = (
    Architecture
    | NetworkCost
    | CheckedClaim
    | ComparedResult
    | RooflineResult
    | MemoryResult
    | BudgetResult
)
_HINT = "give what one of resprof's functions returns, or a list of what the same one returned"


def sheets(results: Sequence[Result]) -> Sequence[Table]:
    """The rows of results of one kind, in tables with the same columns.

    Raises ``UsageError`` where there are none, more than one kind, or one that has no rows.
    """
    kinds = {type(result) for result in results}
    if len(kinds) != 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        what = f"results of several kinds share no rows: {names}" if kinds else "no results"
        raise UsageError(what, hint=_HINT)
    (kind,) = kinds
    if kind not in _SHEETS:
        raise UsageError(f"there are no rows of a {kind.__name__}", hint=_HINT)
    return _SHEETS[kind](results)


def _counts(costs: Sequence[NetworkCost]) -> Sequence[Table]:
    return [counts_sheet([flops(cost.architecture) for cost in costs])]


def _shapes(architectures: Sequence[Architecture]) -> Sequence[Table]:
    return [show_rows_table([show(architecture) for architecture in architectures])]


def _compared(results: Sequence[ComparedResult]) -> Sequence[Table]:
    baselines = [result.baseline for result in results]
    candidates = [result.candidate for result in results]
    return [compare_sheet(list(dict.fromkeys([*baselines, *candidates])), results)]


_SHEETS: Mapping[type, Callable[[Sequence[Any]], Sequence[Table]]] = {
    Architecture: _shapes,
    NetworkCost: _counts,
    CheckedClaim: lambda claims: [claims_table(claims)],
    ComparedResult: _compared,
    RooflineResult: lambda results: [roofline_sheet(results)],
    MemoryResult: lambda results: [memory_sheet(results)],
    BudgetResult: budget_sheets,
}
