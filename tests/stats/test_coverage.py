"""What is said of simulated measurements is right as often as it says, with the stop rule."""

from __future__ import annotations

import random
from itertools import chain, cycle, pairwise, repeat
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resprof.measure.run import Metric, Plan, Stop
from resprof.stats.comparison import SpeedVerdict
from resprof.stats.intervals import percentile
from resprof.stats.series import drift
from tests.measure.scripted import run
from tests.stats.simulation import (
    SEEDS,
    comparisons,
    coverage,
    durations,
    share_of,
    simulate,
)


@pytest.mark.parametrize(
    ("noise", "correlation"),
    # Where the rule has to choose: quieter or louder, nearly all take the fewest or the most.
    [(0.02, 0.0), (0.02, 0.5), (0.01, 0.8)],
)
def test_intervals_cover_what_they_say(noise: float, correlation: float) -> None:
    found = coverage(noise=noise, correlation=correlation)
    assert found.latency >= 0.93
    assert found.throughput >= 0.93
    assert len(found.numbers_of_rounds) >= 10
    assert found.target_met >= 0.5


@pytest.mark.parametrize(("noise", "correlation"), [(0.005, 0.0), (0.01, 0.0), (0.005, 0.8)])
def test_identical_configurations_are_not_told_apart(noise: float, correlation: float) -> None:
    found = comparisons(slower=0.0, noise=noise, correlation=correlation)
    assert share_of(found, SpeedVerdict.SAME, SpeedVerdict.INCONCLUSIVE) >= 0.95
    assert share_of(found, SpeedVerdict.SAME) >= 0.9


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_a_difference_of_two_percent_is_called(correlation: float) -> None:
    found = comparisons(slower=0.02, noise=0.005, correlation=correlation)
    assert share_of(found, SpeedVerdict.SLOWER) >= 0.9
    assert share_of(found, SpeedVerdict.FASTER) == 0


def test_steady_calls_are_rarely_said_to_drift() -> None:
    flagged = 0
    for seed in range(SEEDS):
        found = drift(simulate(durations(seed, noise=0.01)).medians_s)
        flagged += found is not None and found.significant
    assert flagged / SEEDS <= 0.03


def test_a_drift_beyond_the_noise_is_flagged_with_its_size() -> None:
    """From index to index calls grow by 0.6 % and rounds scatter by 0.2 %."""
    for seed in range(20):
        simulated = simulate(durations(seed, noise=0.005, drift=3e-4))
        found = drift(simulated.medians_s)
        assert found is not None
        assert found.significant
        growth = simulated.medians_s[-1] - simulated.medians_s[0]
        assert found.share == pytest.approx(growth / median(simulated.medians_s), rel=0.25)


@pytest.mark.parametrize(("last", "flagged"), [(5, True), (4.5, True), (3.5, False)])
def test_six_rounds_drift_until_one_falls_behind_another(last: float, flagged: bool) -> None:
    """Rounds of 10 equal calls, 1 % longer from one to the next; the last one varies."""
    steps = [0.0, 1.0, 2.0, 3.0, 4.0, last]
    script = [1.0, 1.0]  # the first call and the warm-up
    for step in steps:
        script += [1 + 0.01 * step] * 10
    plan = Plan(
        metrics=(Metric.LATENCY,),
        target_ci=None,
        round_s=10.6,
        warm_up_share=0.0,
        time_limit_s=1e9,
    )
    medians = simulate(iter(script), plan).medians_s
    assert medians == pytest.approx([1 + 0.01 * step for step in steps])
    found = drift(medians)
    assert found is not None
    assert found.significant is flagged


@pytest.mark.parametrize(("percent", "minimum"), [(90, 64), (95, 130), (99, 662)])
def test_a_round_supports_a_percentile_from_loadgens_minimum_on(percent: int, minimum: int) -> None:
    plan = Plan(
        metrics=(Metric.LATENCY,), least_rounds=1, most_rounds=1, warm_up_share=0.0, round_s=1.0
    )
    for samples, known in ((minimum - 1, False), (minimum, True)):
        _, kept = run(repeat(1 / (samples + 0.5)), plan)
        (round_,) = kept.of(Metric.LATENCY)
        assert len(round_.samples_s) == samples
        assert (percentile(round_.samples_s, percent) is not None) is known


def _scattered(seed: int, decades: int) -> list[float]:
    source = random.Random(seed)
    return [10 ** source.uniform(-decades, decades) for _ in range(997)]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.005, None]),
    st.sampled_from([1e-3, 0.1, 3.0]),
    st.tuples(st.integers(1, 8), st.integers(1, 20)),
)
def test_the_loop_ends_whatever_the_calls_take(
    seed: int, decades: int, target: float | None, limit: float, numbers: tuple[int, int]
) -> None:
    least, most = numbers
    plan = Plan(
        target_ci=target,
        least_rounds=least,
        most_rounds=most,
        round_s=limit / 20,
        time_limit_s=limit,
        warm_up_s=0.0,
    )
    course, kept = run(cycle(_scattered(seed, decades)), plan)
    indices = [each.index for each in kept.of(Metric.LATENCY)]
    assert indices == list(range(len(indices)))
    assert 1 <= len(indices) <= most
    assert len(kept.of(Metric.THROUGHPUT)) == len(indices)
    if course.stop is Stop.ROUNDS_DONE:
        assert len(indices) == (min(least, most) if target is None else most)
    if course.stop is Stop.TARGET_MET:
        assert target is not None
        assert len(indices) >= 6


@pytest.mark.parametrize("call_s", [1e-3, 0.7, 1e6])
def test_equal_calls_meet_a_tiny_target_with_the_fewest_rounds(call_s: float) -> None:
    simulated = simulate(repeat(call_s), Plan(target_ci=1e-9, round_s=1.0, time_limit_s=1e9))
    assert simulated.stop is Stop.TARGET_MET
    assert len(simulated.medians_s) == len(simulated.rates) == 6


def test_a_clock_that_reads_zero_in_a_round_ends_too() -> None:
    plan = Plan(warm_up_share=0.0, round_s=0.02, time_limit_s=10.0)
    course, kept = run(chain(repeat(0.002, 2), repeat(0.0, 15), repeat(0.002)), plan)
    samples = [each.samples_s for each in kept.of(Metric.LATENCY)]
    assert samples[0] == (0.0,) * 10
    assert course.stop is Stop.TARGET_MET


def test_the_simulation_has_the_noise_it_says() -> None:
    script = durations(0, noise=0.02, correlation=0.8)
    values = [next(script) for _ in range(50_000)]
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    neighbours = sum((a - mean) * (b - mean) for a, b in pairwise(values))
    assert mean == pytest.approx(1.0, abs=0.001)
    assert variance**0.5 == pytest.approx(0.02, rel=0.05)
    assert neighbours / len(values) / variance == pytest.approx(0.8, abs=0.02)
