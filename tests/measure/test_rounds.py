"""The measuring loop on scripted time."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import pytest

from resprof.measure.clock import Call, CpuClock, Timing
from resprof.measure.plan import Plan
from resprof.measure.rounds import Course, Taken, is_steady, run_rounds
from resprof.records.environment import DeviceKind
from resprof.records.run import Metric, Stop


class ScriptedClock:
    """Time passes only while a call is timed, by as much as the script says."""

    kind = DeviceKind.CPU

    def __init__(self, durations: Iterator[float]) -> None:
        self._durations = durations
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def one(self, call: Call) -> Timing:
        call()
        duration = next(self._durations)
        self._now += duration
        return Timing(seconds=duration)

    def back_to_back(self, call: Call, calls: int) -> float:
        return sum(self.one(call).seconds for _ in range(calls))


def _nothing() -> None:
    pass


def _run(
    durations: Iterator[float], plan: Plan, call: Callable[[], object] = _nothing
) -> tuple[Course, list[Taken]]:
    taken: list[Taken] = []
    return run_rounds(call, ScriptedClock(durations), plan, taken.append), taken


def test_six_rounds_of_each_metric_with_every_sample() -> None:
    plan = Plan(round_s=1.0, warm_up_s=1.0, time_limit_s=60.0)
    course, taken = _run(chain([3.0], repeat(0.125)), plan)
    assert course.first_call_s == 3.0
    assert course.stop is Stop.ROUNDS_DONE
    assert [each.index for each in taken if each.metric is Metric.LATENCY] == list(range(6))
    assert [each.index for each in taken if each.metric is Metric.THROUGHPUT] == list(range(6))
    latency = [each for each in taken if each.metric is Metric.LATENCY]
    assert all(each.samples_s == (0.125,) * 8 and each.calls == 1 for each in latency)
    throughput = [each for each in taken if each.metric is Metric.THROUGHPUT]
    assert all(each.samples_s == (1.0,) and each.calls == 8 for each in throughput)


def test_the_first_call_is_no_sample() -> None:
    course, taken = _run(chain([50.0], repeat(0.1)), Plan())
    assert 50.0 not in course.warm_up.samples_s
    assert all(50.0 not in each.samples_s for each in taken)


def test_the_warm_up_lasts_until_times_settle() -> None:
    falling = [0.4 - 0.01 * step for step in range(30)]
    course, _ = _run(chain([1.0], falling, repeat(0.1)), Plan())
    assert course.warm_up.steady
    assert len(course.warm_up.samples_s) > len(falling)
    assert is_steady(course.warm_up.samples_s)
    assert not is_steady(falling)


def test_a_warm_up_that_never_settles_ends_at_its_cap_and_says_so() -> None:
    growing = (0.1 * 1.05**step for step in range(10_000))
    plan = Plan(time_limit_s=20.0, warm_up_share=0.25)
    course, _ = _run(growing, plan)
    assert not course.warm_up.steady
    assert sum(course.warm_up.samples_s) >= 5.0
    assert sum(course.warm_up.samples_s[:-1]) < 5.0


def test_the_time_limit_ends_the_rounds_and_says_so() -> None:
    plan = Plan(time_limit_s=10.0)
    course, taken = _run(repeat(1.5), plan)
    assert course.stop is Stop.TIME_LIMIT
    assert 0 < len(taken) < 2 * plan.rounds
    assert {each.metric for each in taken} == set(plan.metrics)


def test_a_disturbed_warm_up_does_not_starve_the_rounds() -> None:
    plan = Plan(round_s=1.0, time_limit_s=8.0)
    _, taken = _run(chain(repeat(0.5, 6), repeat(0.01)), plan)
    samples = [len(each.samples_s) for each in taken if each.metric is Metric.LATENCY]
    assert samples[0] == 1
    assert min(samples[1:]) > 40


def test_one_round_is_taken_even_after_the_limit() -> None:
    course, taken = _run(repeat(100.0), Plan(time_limit_s=1.0))
    assert course.stop is Stop.TIME_LIMIT
    assert [each.metric for each in taken] == [Metric.LATENCY, Metric.THROUGHPUT]


@pytest.mark.parametrize("limit", [6.0, 12.0, 60.0])
@pytest.mark.parametrize("call_s", [0.001, 0.05, 0.4])
def test_the_rounds_fit_into_the_limit(limit: float, call_s: float) -> None:
    plan = Plan(time_limit_s=limit, warm_up_s=1.0)
    course, taken = _run(repeat(call_s), plan)
    spent = course.first_call_s + sum(course.warm_up.samples_s)
    spent += sum(sum(each.samples_s) for each in taken)
    assert spent <= limit + len(plan.metrics) * (plan.round_s + call_s)


def test_garbage_is_collected_outside_of_timed_regions_only() -> None:
    was_on = gc.isenabled()
    states: list[bool] = []
    _run(repeat(0.5), Plan(), lambda: states.append(gc.isenabled()))
    assert states
    assert not any(states)
    assert gc.isenabled() is was_on


def test_the_collector_comes_back_after_an_error() -> None:
    def fail() -> None:
        raise RuntimeError("broken")

    was_on = gc.isenabled()
    with pytest.raises(RuntimeError, match="broken"):
        _run(repeat(0.5), Plan(), fail)
    assert gc.isenabled() is was_on


def test_the_host_clock_times_a_call_and_many() -> None:
    clock = CpuClock()
    ran: list[int] = []
    before = clock.now()
    one = clock.one(lambda: ran.append(1))
    many = clock.back_to_back(lambda: ran.append(1), 7)
    assert len(ran) == 8
    assert one.wall_s is None
    assert 0 <= one.seconds + many <= clock.now() - before + 1e-6
