"""Two runs of scripted samples: verdicts, what has none, and what a gate says to them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resprof.answers.bench.figures import Over
from resprof.answers.bench.quantities import LATENCY, MEMORY, THROUGHPUT, Quantity
from resprof.answers.compare.comparison import ComparedResult, Presence, compare_runs
from resprof.answers.compare.fail_on import Reason, failures
from resprof.errors import UsageError
from resprof.measure.run import LaunchStart, Outcome, Round
from resprof.measure.run_file import Record
from resprof.model.environment import Environment
from resprof.stats.comparison import SpeedVerdict
from tests.bench.regression_rates import caught
from tests.factories import (
    ON_GPU,
    WORKLOAD,
    Launched,
    as_read,
    of,
    run_of,
    simple,
    steady,
    with_gpu,
    with_torch,
)

NOISE = 0.005


def _compared(
    before: tuple[Record, ...], after: tuple[Record, ...], margin: float = 0.01
) -> tuple[ComparedResult, ...]:
    return compare_runs(as_read(before, "a"), [as_read(after, "b")], margin=margin)


def _verdicts(result: ComparedResult) -> dict[Quantity, object]:
    return {row.quantity: row.verdict for row in result.rows if row.verdict is not None}


def test_a_run_against_itself_is_the_same() -> None:
    run = simple(0.01)
    (result,) = _compared(run, run)
    assert _verdicts(result) == dict.fromkeys((LATENCY, THROUGHPUT), SpeedVerdict.SAME)
    assert result.presence is Presence.BOTH
    assert result.differences == ()


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [(1.05, SpeedVerdict.SLOWER), (0.95, SpeedVerdict.FASTER), (1.004, SpeedVerdict.SAME)],
)
def test_more_time_is_slower_and_a_lower_rate_is_too(factor: float, verdict: SpeedVerdict) -> None:
    (result,) = _compared(simple(0.01), simple(0.01 * factor))
    assert set(_verdicts(result).values()) == {verdict}
    latency, throughput = (result.row(q) for q in (LATENCY, THROUGHPUT))
    assert latency is not None
    assert latency.ratio == pytest.approx(factor, rel=1e-3)
    assert throughput is not None
    assert throughput.ratio == pytest.approx(1 / factor, rel=1e-3)


def test_values_are_launches_where_both_have_several_and_rounds_otherwise() -> None:
    one, six = simple(0.01), simple(*(0.01 * (1 + 1e-4 * n) for n in range(6)))
    for before, after, over in ((one, six, Over.ROUNDS), (six, six, Over.LAUNCHES)):
        row = _compared(before, after)[0].row(LATENCY)
        assert row is not None
        assert row.over is over


def test_too_few_launches_decide_nothing() -> None:
    (result,) = _compared(simple(0.01, 0.01), simple(0.02, 0.02))
    assert set(_verdicts(result).values()) == {SpeedVerdict.INCONCLUSIVE}


def test_memory_is_compared_exactly_and_has_no_verdict() -> None:
    more = simple(0.01, peak_bytes=2**20 + 512)
    row = _compared(simple(0.01), more)[0].row(MEMORY)
    assert row is not None
    assert (row.ratio, row.verdict) == ((2**20 + 512) / 2**20, None)


def test_configurations_of_one_side_are_listed_and_not_dropped() -> None:
    before = run_of((of(1), [steady(0.01)]), (of(2), [steady(0.02)]))
    after = run_of((of(2), [steady(0.02)]), (of(4), [steady(0.04)]))
    found = {r.recipe.batch: r.presence for r in _compared(before, after)}
    assert found == {
        1: Presence.BASELINE_ONLY,
        2: Presence.BOTH,
        4: Presence.CANDIDATE_ONLY,
    }


@pytest.mark.parametrize("other", [with_gpu("NVIDIA A100-SXM4-80GB"), with_torch("2.12.0")])
def test_another_device_is_never_faster_or_slower(other: Environment) -> None:
    """A GPU of another name, and a CPU against a GPU."""
    (result,) = _compared(simple(0.01, environment=ON_GPU), simple(0.05, environment=other))
    assert not result.comparable
    assert _verdicts(result) == {}
    assert all(row.ratio is None for row in result.rows)


def test_a_new_library_is_a_difference_and_still_comparable() -> None:
    (result,) = _compared(simple(0.01), simple(0.01, environment=with_torch("9.9.9")))
    assert result.comparable
    assert [each.field for each in result.differences] == ["torch.version"]
    assert result.differences[0].candidate == "9.9.9"


def _reasons(before: tuple[Record, ...], after: tuple[Record, ...], **asked: float) -> list[str]:
    results = _compared(before, after, margin=asked.get("slower", 0.01))
    return [each.reason for each in failures(results, asked, strict=False)]


def test_a_gate_asks_what_it_is_told_to_ask() -> None:
    slow, large = simple(0.0105), simple(0.01, peak_bytes=2**21)
    assert _reasons(simple(0.01), slow, slower=0.02) == ["slower"] * 2
    assert _reasons(simple(0.01), slow, slower=0.10) == []
    assert _reasons(simple(0.01), slow, memory=0.05) == []
    assert _reasons(simple(0.01), large, memory=0.05) == ["memory"]
    hot = simple(0.01, energy_per_call_j=1.2)
    assert _reasons(simple(0.01, energy_per_call_j=1.0), hot, energy=0.1) == ["energy"]


def test_strict_fails_on_what_is_unsure_or_missing() -> None:
    before = run_of((of(1), [steady(0.01)]), (of(2), [steady(0.01, spread=0.2)]))
    after = run_of((of(2), [steady(0.0101, spread=0.2)]))
    results = _compared(before, after)
    assert failures(results, {"slower": 0.01}, strict=False) == ()
    strict = [each.reason for each in failures(results, {"slower": 0.01}, strict=True)]
    assert strict == [Reason.MISSING, Reason.INCONCLUSIVE, Reason.INCONCLUSIVE]


def test_a_batch_that_no_longer_fits_fails() -> None:
    gone = Launched(latencies_s=(), peak_bytes=None, outcome=Outcome.OUT_OF_MEMORY)
    after = run_of((WORKLOAD, [gone]))
    assert _reasons(simple(0.01), after, memory=0.05) == [Reason.BROKEN]


@pytest.mark.slow
def test_a_regression_of_3_percent_is_caught_and_one_of_a_tenth_of_it_is_not() -> None:
    assert caught(0.03, NOISE) >= 0.95
    assert caught(0.003, NOISE) <= 0.05


@pytest.mark.slow
def test_so_it_is_over_launches_that_differ_by_as_much() -> None:
    assert caught(0.03, NOISE, launches=4, between=NOISE) >= 0.95
    assert caught(0.003, NOISE, launches=4, between=NOISE) <= 0.05


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        (lambda run: (), "nothing was measured"),
        (lambda run: run[:1], "nothing was measured"),
        (lambda run: run[1:], "come before"),
        (lambda run: (*run, *run[1:]), "twice"),
        (lambda run: tuple(r for r in run if not isinstance(r, LaunchStart)), "nothing was"),
        (
            lambda run: tuple(
                replace(r, samples_s=(-1.0,)) if isinstance(r, Round) else r for r in run
            ),
            "a time",
        ),
    ],
)
def test_a_run_that_cannot_be_is_refused(broken: object, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        as_read(broken(simple(0.01)))  # type: ignore[operator]
