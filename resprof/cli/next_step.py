"""What to do after a comparison: which configuration to measure with more launches."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from resprof.records.bench import Over
from resprof.records.comparison import ComparedResult, ComparedRow, Presence, RunLabel, SpeedVerdict

_SIGNED = 6
"""So many launches a side give an interval of 95% with room to leave out the odd ones."""


def next_step(runs: Sequence[RunLabel], results: Sequence[ComparedResult], *, asks: bool) -> str:
    """A command to type and why, for the first thing that is open."""
    files = " ".join(shlex.quote(run.name) for run in runs)
    rows = [(result, row) for result in results for row in result.rows]
    for verdicts, why in (
        ({SpeedVerdict.INCONCLUSIVE}, "inconclusive so far; the baseline needs as many"),
        (
            {SpeedVerdict.SLOWER, SpeedVerdict.FASTER},
            "signs the verdict; the baseline needs as many",
        ),
    ):
        for result, row in rows:
            open_ = row.over is Over.ROUNDS or row.verdict is SpeedVerdict.INCONCLUSIVE
            if row.verdict in verdicts and open_:
                return f"{_more_launches(result, row)}   ({why})"
    beside = f"resprof compare {files} --published   (beside what others have published)"
    if not all(result.comparable for result in results):
        return beside
    for result in results:
        if result.presence is Presence.BASELINE_ONLY:
            return f"{_bench(result, launches=_SIGNED)}   (the baseline has it)"
    return beside if asks else f"resprof compare {files} --fail-on slower:2%   (for a script)"


def _more_launches(result: ComparedResult, row: ComparedRow) -> str:
    launches = max((side.launches for side in (row.baseline, row.candidate) if side), default=1)
    return _bench(result, launches=_SIGNED if launches < _SIGNED else 2 * launches)


def _bench(result: ComparedResult, *, launches: int) -> str:
    return (
        f"resprof bench {result.workload.text} --device {result.candidate.device.kind} "
        f"--launches {launches} --resume --run {shlex.quote(result.candidate.name)}"
    )
