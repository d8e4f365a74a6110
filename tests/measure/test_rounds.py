"""The measuring loop on scripted time."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, count, cycle, repeat

import pytest

from resprof.measure.clock import Call, CpuClock, Mark, Timing
from resprof.measure.rounds import is_steady
from resprof.measure.run import Metric, Plan, Round, Stop, TiledRound
from resprof.measure.run_file import Record
from tests.measure.scripted import Kept, ScriptedClock, ScriptedTiles, order_of, run, run_on

_LATENCY, _THROUGHPUT = Metric.LATENCY, Metric.THROUGHPUT


def _three_tiles(mark: Mark) -> None:
    for _ in range(3):
        mark()


def _names(rounds: list[Round | TiledRound]) -> list[str]:
    return [each.metric.value if isinstance(each, Round) else "tiles" for each in rounds]


def test_six_rounds_of_each_metric_with_every_sample() -> None:
    plan = Plan(round_s=1.0, warm_up_s=1.0, time_limit_s=60.0)
    course, kept = run(chain([3.0], repeat(0.125)), plan)
    assert course.first_call_s == 3.0
    assert course.stop is Stop.TARGET_MET
    assert [each.index for each in kept.of(_LATENCY)] == list(range(6))
    assert [each.index for each in kept.of(_THROUGHPUT)] == list(range(6))
    assert all(each.samples_s == (0.125,) * 8 for each in kept.of(_LATENCY))
    assert all(each.calls == 1 for each in kept.of(_LATENCY))
    assert all(each.samples_s == (1.0,) and each.calls == 8 for each in kept.of(_THROUGHPUT))


def test_the_first_call_is_no_sample() -> None:
    course, kept = run(chain([50.0], repeat(0.1)), Plan())
    assert 50.0 not in course.warm_up.samples_s
    assert all(50.0 not in each.samples_s for each in kept.of(_LATENCY) + kept.of(_THROUGHPUT))


def test_the_warm_up_lasts_until_times_settle() -> None:
    falling = [0.4 - 0.01 * step for step in range(30)]
    course, _ = run(chain([1.0], falling, repeat(0.1)), Plan())
    assert course.warm_up.steady
    assert len(course.warm_up.samples_s) > len(falling)
    assert is_steady(course.warm_up.samples_s)
    assert not is_steady(falling)


def test_a_warm_up_that_never_settles_ends_at_its_cap_and_says_so() -> None:
    growing = (0.1 * 1.05**step for step in count())
    plan = Plan(time_limit_s=20.0, warm_up_share=0.25)
    course, _ = run(growing, plan)
    assert not course.warm_up.steady
    assert sum(course.warm_up.samples_s) >= 5.0
    assert sum(course.warm_up.samples_s[:-1]) < 5.0


def test_the_rounds_of_an_index_run_forth_and_back() -> None:
    plan = Plan(target_ci=None, least_rounds=3)
    _, kept = run(repeat(0.125), plan, tiled=_three_tiles)
    forth = ["latency", "tiles", "throughput"]
    assert _names(kept.rounds) == [*forth, *forth[::-1], *forth]
    assert [each.index for each in kept.rounds] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert kept.readings == 2 * 9


def test_a_steady_drift_weighs_on_clean_and_instrumented_rounds_alike() -> None:
    """Calls grow by the same amount each: the mean over an even number of indices is the same."""

    def one_tile(mark: Mark) -> None:
        mark()

    growing = (1 + 1e-4 * step for step in count())
    plan = Plan(
        metrics=(_LATENCY,),
        target_ci=None,
        round_s=4.9,
        round_calls=1,
        warm_up_share=0.01,
        time_limit_s=200.0,
    )
    _, kept = run(growing, plan, tiled=one_tile)
    clean = [sample for each in kept.of(_LATENCY) for sample in each.samples_s]
    tiled = [sum(sample) for each in kept.tiles() for sample in each.samples_s]
    assert len(clean) == len(tiled) == 6 * 4
    assert sum(clean) == pytest.approx(sum(tiled), rel=1e-12)
    assert clean != tiled


def test_tiles_are_kept_call_by_call_after_one_untimed_pass() -> None:
    passes: list[int] = []

    def call(mark: Mark) -> None:
        passes.append(1)
        _three_tiles(mark)

    plan = Plan(
        metrics=(_LATENCY,),
        target_ci=None,
        least_rounds=2,
        round_s=1.0,
        warm_up_s=0.0,
        time_limit_s=1000.0,
    )
    # First call, ten of the warm-up, then the untimed pass.
    script = chain([0.25] * 11, [70.0] * 3, repeat(0.125))
    _, kept = run(script, plan, tiled=call)
    assert [each.index for each in kept.tiles()] == [0, 1]
    samples = [sample for each in kept.tiles() for sample in each.samples_s]
    assert all(len(sample) == 3 for sample in samples)
    assert max(max(sample) for sample in samples) < 1
    assert len(passes) == len(samples) + 1


def test_tiles_alone_need_no_metric() -> None:
    course, kept = run(repeat(0.125), Plan(metrics=()), tiled=_three_tiles)
    assert course.stop is Stop.ROUNDS_DONE
    assert _names(kept.rounds) == ["tiles"] * 6


def test_tiles_do_not_count_for_the_rule() -> None:
    def noisy(mark: Mark) -> None:
        mark()

    class Noisy(ScriptedClock):
        def tiled(self, call: object) -> tuple[float, ...]:
            self._now += (seconds := next(wild))
            return (seconds,)

    wild = cycle([0.1, 0.9, 0.5, 3.0, 0.2])
    kept = Kept()
    course = run_on(Noisy(repeat(0.125)), Plan(), kept, tiled=ScriptedTiles(noisy))
    assert course.stop is Stop.TARGET_MET
    assert len(kept.of(_LATENCY)) == len(kept.tiles()) == 6


def _rounds_of(values: Iterator[float], calls: int) -> Iterator[float]:
    """Call times of which each value fills a round."""
    return chain.from_iterable(repeat(value, calls) for value in values)


def _by_rounds(values: list[float], **changes: object) -> tuple[Stop, int]:
    """How a plan of latency alone ends whose rounds are ten calls of these values, over again."""
    plan = Plan(
        metrics=(_LATENCY,),
        round_s=10.9,
        warm_up_share=0.0,
        **{"time_limit_s": 1e9, **changes},  # type: ignore[arg-type]
    )
    script = chain([1.0, 1.0], _rounds_of(cycle(values), 10))
    course, kept = run(script, plan)
    return course.stop, len(kept.of(_LATENCY))


_LOUD = [1.0, 1.01, 0.99, 1.02, 0.98, 1.005, 0.995, 1.015, 0.985]


def test_quiet_rounds_meet_the_target_at_once() -> None:
    assert _by_rounds([1.0, 1.001, 0.999]) == (Stop.TARGET_MET, 6)


def test_louder_rounds_meet_it_with_more() -> None:
    stop, rounds = _by_rounds(_LOUD, target_ci=0.01)
    assert stop is Stop.TARGET_MET
    assert 6 < rounds < 60


def test_most_rounds_end_what_does_not_meet_the_target() -> None:
    assert _by_rounds(_LOUD, target_ci=0.0001) == (Stop.ROUNDS_DONE, 60)
    assert _by_rounds(_LOUD, target_ci=0.0001, most_rounds=7) == (Stop.ROUNDS_DONE, 7)
    assert _by_rounds(_LOUD, target_ci=0.0001, most_rounds=3) == (Stop.ROUNDS_DONE, 3)


def test_without_a_target_the_least_is_taken() -> None:
    assert _by_rounds(_LOUD, target_ci=None) == (Stop.ROUNDS_DONE, 6)
    assert _by_rounds(_LOUD, target_ci=None, least_rounds=9) == (Stop.ROUNDS_DONE, 9)


def test_too_little_time_for_the_rounds_wanted_is_used_and_said() -> None:
    stop, rounds = _by_rounds(_LOUD, target_ci=0.0001, time_limit_s=112.0)
    # The calls before take two seconds, a round ten.
    assert (stop, rounds) == (Stop.TIME_LIMIT, 10)


def test_the_time_limit_ends_the_rounds_and_says_so() -> None:
    course, kept = run(repeat(1.5), Plan(time_limit_s=10.0))
    assert course.stop is Stop.TIME_LIMIT
    assert 0 < len(kept.of(_LATENCY)) < 6
    assert len(kept.of(_LATENCY)) == len(kept.of(_THROUGHPUT))


def test_a_disturbed_warm_up_does_not_starve_the_rounds() -> None:
    plan = Plan(round_s=1.0, time_limit_s=8.0)
    _, kept = run(chain(repeat(0.5, 6), repeat(0.01)), plan)
    samples = [len(each.samples_s) for each in kept.of(_LATENCY)]
    assert samples[0] == 1
    assert min(samples[1:]) > 40


def test_a_first_call_longer_than_the_limit_takes_nothing_from_the_rounds() -> None:
    plan = Plan(round_s=1.0, time_limit_s=60.0)
    compiled, kept = run(chain([500.0], repeat(0.125)), plan)
    _, eager = run(repeat(0.125), plan)
    assert compiled.first_call_s == 500.0
    assert compiled.stop is Stop.TARGET_MET
    assert len(kept.of(_LATENCY)) == len(eager.of(_LATENCY)) == 6


def test_one_index_is_taken_in_full_even_after_the_limit() -> None:
    course, kept = run(repeat(100.0), Plan(time_limit_s=1.0), tiled=_three_tiles)
    assert course.stop is Stop.TIME_LIMIT
    assert _names(kept.rounds) == ["latency", "tiles", "throughput"]


@pytest.mark.parametrize("target", [None, 0.005])
@pytest.mark.parametrize("limit", [6.0, 12.0, 60.0])
@pytest.mark.parametrize("call_s", [0.001, 0.05, 0.4])
def test_the_rounds_fit_into_the_limit(limit: float, call_s: float, target: float | None) -> None:
    plan = Plan(time_limit_s=limit, warm_up_s=1.0, target_ci=target)
    noisy = cycle([call_s, 1.1 * call_s, 0.9 * call_s, 1.05 * call_s, 1.2 * call_s])
    course, kept = run(noisy, plan)
    spent = sum(course.warm_up.samples_s)
    spent += math.fsum(sum(each.samples_s) for each in kept.of(_LATENCY) + kept.of(_THROUGHPUT))
    assert spent <= limit + 2 * (0.1 * plan.round_s + 1.2 * call_s)


def test_host_and_issue_times_stand_beside_the_devices() -> None:
    class Device(ScriptedClock):
        def one(self, call: Call) -> Timing:
            seconds = super().one(call).seconds
            return Timing(seconds=seconds, wall_s=2 * seconds, issue_s=seconds / 2)

    kept = Kept()
    course = run_on(Device(repeat(0.25)), Plan(), kept)
    assert course.first_call_s == 0.5
    for each in kept.of(_LATENCY):
        assert each.wall_s == (0.5,) * len(each.samples_s)
        assert each.issue_s == (0.125,) * len(each.samples_s)
    for each in kept.of(_THROUGHPUT):
        assert each.wall_s is None
        assert each.issue_s is None


class _Told(Kept):
    """Says when the device is read and when a round comes."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def read(self) -> None:
        self.said.append("read")

    def emit(self, record: Record) -> None:
        super().emit(record)
        self.said.append("emit")


def test_the_device_is_read_around_each_round_and_not_in_it() -> None:
    told = _Told()
    plan = Plan(target_ci=None, least_rounds=2, round_s=0.25, round_calls=1, warm_up_s=0.0)
    run_on(ScriptedClock(repeat(0.125)), plan, told, call=lambda: told.said.append("call"))
    rounds = ["read", "call", "call", "read", "emit"] * 4
    assert told.said[-len(rounds) :] == rounds
    assert set(told.said[: -len(rounds)]) == {"call"}


def test_a_round_says_whose_it_is_and_what_its_tiles_are() -> None:
    plan = Plan(target_ci=None, least_rounds=1)
    _, kept = run(repeat(0.125), plan, tiled=_three_tiles)
    assert {(each.key, each.launch) for each in kept.rounds} == {
        (order_of(plan).workload.text, order_of(plan).launch)
    }
    (tiled,) = kept.tiles()
    assert all(len(call) == len(tiled.tiles) == 3 for call in tiled.samples_s)


def test_garbage_is_collected_outside_of_timed_regions_only() -> None:
    was_on = gc.isenabled()
    states: list[bool] = []
    plan = Plan(round_s=1.0)
    kept = Kept()
    run_on(ScriptedClock(repeat(0.5)), plan, kept, call=lambda: states.append(gc.isenabled()))
    assert states
    assert not any(states)
    assert gc.isenabled() is was_on


def test_garbage_is_collected_before_each_round(monkeypatch: pytest.MonkeyPatch) -> None:
    told = _Told()
    monkeypatch.setattr(gc, "collect", lambda: told.said.append("collect"))
    plan = Plan(metrics=(_LATENCY,), target_ci=None, least_rounds=3, round_s=0.5)
    run_on(ScriptedClock(repeat(0.125)), plan, told)
    assert told.said == ["collect", *["collect", "read", "read", "emit"] * 3]


def test_the_collector_comes_back_after_an_error() -> None:
    def fail() -> None:
        raise RuntimeError("broken")

    was_on = gc.isenabled()
    with pytest.raises(RuntimeError, match="broken"):
        run(repeat(0.5), Plan(), call=fail)
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


def test_slow_calls_make_longer_rounds_where_there_is_time() -> None:
    plan = Plan(round_s=0.5, round_calls=5, warm_up_s=0.0, warm_up_calls=1, target_ci=None)
    _, roomy = run(repeat(0.25), replace(plan, time_limit_s=600.0))
    assert {len(each.samples_s) for each in roomy.of(_LATENCY)} == {5}
    _, tight = run(repeat(0.25), replace(plan, time_limit_s=12.0))
    assert {len(each.samples_s) for each in tight.of(_LATENCY)} < {1, 2, 3, 4}


def test_instruments_are_in_place_for_instrumented_calls_only() -> None:
    in_place = False
    seen: set[tuple[str, bool]] = set()

    @contextmanager
    def instruments() -> Iterator[None]:
        nonlocal in_place
        in_place = True
        yield
        in_place = False

    def clean() -> None:
        seen.add(("clean", in_place))

    def tiled(mark: Callable[[], None]) -> None:
        seen.add(("tiled", in_place))
        mark()

    clock = ScriptedClock(repeat(0.125))
    run_on(clock, Plan(), Kept(), call=clean, tiled=ScriptedTiles(tiled, instruments))
    assert seen == {("clean", False), ("tiled", True)}
