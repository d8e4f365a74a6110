"""Where a gate closes: at the limit and not before, and what it does without a figure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resprof.answers.compare.comparison import compare_runs
from resprof.answers.compare.fail_on import Limits, Reason, failures
from resprof.measure.run import Outcome
from resprof.measure.run_file import Record
from tests.factories import WORKLOAD, Launched, as_read, run_of, simple, steady

BYTES = 2**20
GONE = Launched(latencies_s=(), peak_bytes=None, outcome=Outcome.OUT_OF_MEMORY)
BROKEN = Launched(latencies_s=(), peak_bytes=None, outcome=Outcome.FAILED)


def _reasons(
    before: tuple[Record, ...], after: tuple[Record, ...], limits: Limits, *, strict: bool = False
) -> list[str]:
    results = compare_runs(as_read(before, "a"), [as_read(after, "b")])
    return [each.reason for each in failures(results, limits, strict=strict)]


def _with_memory(peak_bytes: int | None) -> tuple[Record, ...]:
    return simple(0.01, peak_bytes=peak_bytes)


@pytest.mark.parametrize(
    ("limit", "more", "fails"),
    [
        (0.0, 0, False),
        (0.0, 1, True),
        (0.25, BYTES // 4 - 1, False),
        (0.25, BYTES // 4, True),
        (0.25, -BYTES // 2, False),
    ],
)
def test_memory_fails_from_the_limit_on_to_the_byte(limit: float, more: int, fails: bool) -> None:
    found = _reasons(_with_memory(BYTES), _with_memory(BYTES + more), {"memory": limit})
    assert found == (["memory"] if fails else [])


def _with_energy(*joules: float) -> tuple[Record, ...]:
    return run_of((WORKLOAD, [steady(0.01, energy_per_call_j=each) for each in joules]))


@pytest.mark.parametrize(("factor", "fails"), [(1.04, False), (1.06, True), (0.5, False)])
def test_energy_of_one_window_fails_by_its_ratio(factor: float, fails: bool) -> None:
    found = _reasons(_with_energy(2.0), _with_energy(2.0 * factor), {"energy": 0.05})
    assert found == (["energy"] if fails else [])


def test_energy_over_launches_fails_only_where_its_interval_says_so() -> None:
    quiet = [2.0 + 0.001 * number for number in range(6)]
    loud = [1.0, 1.2, 1.5, 2.8, 3.0, 5.0]
    limits = {"energy": 0.05}
    assert _reasons(_with_energy(*quiet), _with_energy(*[1.1 * e for e in quiet]), limits) == [
        "energy"
    ]
    assert _reasons(_with_energy(*quiet), _with_energy(*quiet), limits, strict=True) == []
    assert _reasons(_with_energy(*loud), _with_energy(*[1.1 * e for e in loud]), limits) == []
    assert _reasons(
        _with_energy(*loud), _with_energy(*[1.1 * e for e in loud]), limits, strict=True
    ) == [Reason.INCONCLUSIVE]


def test_what_nobody_has_measured_is_unknown_and_strict_says_so() -> None:
    limits = {"memory": 0.05, "energy": 0.05}
    unknown = _with_memory(None)
    assert _reasons(unknown, unknown, limits) == []
    assert _reasons(unknown, unknown, limits, strict=True) == [Reason.UNKNOWN] * 2
    assert _reasons(_with_memory(BYTES), unknown, {"memory": 0.05}, strict=True) == [Reason.MISSING]


def test_the_same_answer_on_both_sides_is_no_regression() -> None:
    gone = run_of((WORKLOAD, [GONE]))
    limits = {"slower": 0.02, "memory": 0.05}
    assert _reasons(gone, gone, limits, strict=True) == []
    assert _reasons(gone, simple(0.01), limits, strict=True) == []
    assert _reasons(simple(0.01), gone, limits) == [Reason.BROKEN]


@pytest.mark.parametrize("outcome", [Outcome.OUT_OF_MEMORY, Outcome.FAILED, Outcome.HUNG])
@pytest.mark.parametrize("limits", [{"slower": 0.02}, {"memory": 0.05}, {"energy": 0.05}])
def test_a_candidate_that_broke_fails_whatever_was_asked(outcome: Outcome, limits: Limits) -> None:
    broken = run_of((WORKLOAD, [replace(BROKEN, outcome=outcome)]))
    assert _reasons(simple(0.01), broken, limits) == [Reason.BROKEN]
    assert _reasons(broken, simple(0.01), limits) == []
    assert _reasons(broken, broken, limits) == []


def test_a_candidate_that_was_cut_short_is_missing() -> None:
    cut = run_of((WORKLOAD, [replace(BROKEN, outcome=Outcome.CUT_SHORT)]))
    limits = {"slower": 0.02}
    assert _reasons(simple(0.01), cut, limits) == []
    assert _reasons(simple(0.01), cut, limits, strict=True) == [Reason.MISSING] * 2
