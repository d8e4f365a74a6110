"""Figures of a metric from scripted records, whose answers can be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, median

import pytest

from resprof.answers.bench.figures import DRIFT_SHARE, THROTTLED_SHARE, Flag, Over, ThrottledShare
from resprof.answers.bench.results import BenchRow
from resprof.answers.bench.runs import Configuration, configurations
from resprof.measure.run import MemoryUse, Metric, Outcome, Plan, Round, Stop
from resprof.measure.run_file import Record
from resprof.model.environment import RoundTelemetry, Throttled, ThrottlePolicy
from resprof.model.recipe import train
from tests.factories import (
    BATCH,
    WORKLOAD,
    configuration,
    end,
    energy,
    latency,
    launch_of,
    row,
    start,
    telemetry,
    throughput,
)

STEADY = [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]
"""Values without a trend."""


def latencies(values: Sequence[float], *, launch: int = 0) -> list[Round]:
    """Rounds of which each has that median, and a mean that is another."""
    return [
        latency(index, (value, 0.5 * value, 9.0 * value), launch=launch)
        for index, value in enumerate(values)
    ]


def launches(*values: Sequence[float], plan: Plan | None = None) -> Configuration:
    """A launch of latencies for each sequence."""
    records: list[Record] = []
    for launch, each in enumerate(values):
        records += [start(launch=launch, plan=plan), *latencies(each, launch=launch)]
        records.append(end(launch=launch))
    return configuration(*records)


# The figure.


def test_latency_is_the_median_of_the_rounds_medians() -> None:
    rounds = [latency(0, (1.0, 1.0, 9.0)), latency(1, (2.0,)), latency(2, (5.0, 7.0))]
    samples = [sample for each in rounds for sample in each.samples_s]
    found = row(launch_of(*rounds))
    assert found.latency_median_s == 2.0
    assert found.latency_median_s not in {fmean(samples), fmean((1.0, 2.0, 6.0))}
    assert (found.launches, found.rounds, found.samples) == (1, 3, 6)
    assert found.throughput_images_per_s is None
    assert found.throughput_ci is None


def test_latency_of_several_launches_is_the_median_of_their_medians() -> None:
    found = row(launches([1.0, 2.0, 3.0], [10.0], [5.0, 4.0, 6.0, 6.0, 6.0]))
    assert found.latency_median_s == median([2.0, 10.0, 6.0])
    assert (found.launches, found.rounds, found.samples) == (3, 9, 27)


@pytest.mark.parametrize(
    ("percent", "least", "key"),
    # MLPerf LoadGen's minima.
    [(90, 64, "latency_p90_s"), (95, 130, "latency_p95_s"), (99, 662, "latency_p99_s")],
)
def test_a_percentile_is_unknown_below_its_minimum(percent: int, least: int, key: str) -> None:
    def found(samples: int) -> BenchRow:
        halves = range(1, samples // 2 + 1), range(samples // 2 + 1, samples + 1)
        return row(launch_of(*(latency(index, half) for index, half in enumerate(halves))))

    assert getattr(found(least - 1), key) is None
    value = getattr(found(least), key)
    below = sum(sample <= value for sample in range(1, least + 1))
    assert below - 1 < percent / 100 * least <= below


def test_throughput_is_all_images_over_all_time_and_no_mean_of_rates() -> None:
    found = row(launch_of(throughput(0, 10, 1.0), throughput(1, 30, 6.0)), Metric.THROUGHPUT)
    rates = [BATCH * 10 / 1.0, BATCH * 30 / 6.0]
    assert found.throughput_images_per_s == BATCH * 40 / 7.0
    assert found.throughput_images_per_s != fmean(rates)
    assert found.throughput_ci == (min(rates), max(rates))
    assert (found.rounds, found.samples) == (2, 2)
    assert found.latency_median_s is None
    assert found.latency_ci_s is None
    assert found.latency_p90_s is None


def test_a_sample_is_of_as_many_calls_as_its_round_says() -> None:
    pairs = [replace(latency(index, (3.0,) * 64), calls=2) for index in range(2)]
    found = row(launch_of(*pairs))
    assert (found.latency_median_s, found.latency_p90_s) == (1.5, 1.5)
    several = replace(throughput(0, 10, 1.0), samples_s=(1.0, 2.0))
    rate = row(launch_of(several), Metric.THROUGHPUT)
    assert rate.throughput_images_per_s == BATCH * 20 / 3.0


def test_every_pass_of_an_accumulated_step_has_its_images() -> None:
    recipe = replace(train(batch=BATCH, image=(32, 32)), accumulate=3)
    workload = replace(WORKLOAD, recipe=recipe)
    records: list[Record] = [
        start(workload),
        latency(0, (2.0,), workload=workload),
        throughput(0, 10, 5.0, workload=workload),
        energy(10, 5.0, 60.0, key=workload.text),
        end(workload),
    ]
    found = configuration(*records)
    rate = row(found, Metric.THROUGHPUT)
    assert rate.throughput_images_per_s == 3 * BATCH * 10 / 5.0
    assert rate.energy_per_image_j == 60.0 / (3 * BATCH * 10)
    assert row(found).latency_median_s == 2.0  # of a call, which is the whole step


def test_a_metric_without_rounds_has_no_figures_and_no_flags_of_its_own() -> None:
    found = row(launch_of(latency(0, (1.0,))), Metric.THROUGHPUT)
    assert (found.launches, found.rounds, found.samples) == (0, 0, 0)
    assert found.throughput_images_per_s is None
    assert found.ci_over is None
    assert found.stop is None
    assert found.flags == ()


# Its interval.


def test_an_interval_is_over_rounds_within_one_process() -> None:
    found = row(launches(STEADY))
    assert found.ci_over is Over.ROUNDS
    assert found.latency_ci_s == (1.0, 6.0)
    assert found.ci_coverage == 1 - 2 * 0.5**6
    assert found.flags == (Flag.ONE_PROCESS,)


@pytest.mark.parametrize("number", range(1, 9))
def test_fewer_rounds_than_an_interval_takes_are_flagged(number: int) -> None:
    values = [*STEADY, 3.0, 4.0][:number]
    found = row(launches(values))
    assert (Flag.FEW_ROUNDS in found.flags) is (number < 6)
    assert Flag.FEW_LAUNCHES not in found.flags
    assert Flag.ONE_PROCESS in found.flags
    if number == 1:
        assert found.latency_ci_s is None
        assert found.ci_coverage is None
        assert found.drift is None
    else:
        assert found.latency_ci_s is not None
        assert found.ci_coverage == 1 - 2 * 0.5**number


@pytest.mark.parametrize("number", range(2, 9))
def test_an_interval_of_several_launches_is_over_launches(number: int) -> None:
    medians = [10.0, 30.0, 50.0, 20.0, 40.0, 60.0, 30.0, 40.0][:number]
    found = row(launches(*([value, value + 1, value - 1] for value in medians)))
    assert found.ci_over is Over.LAUNCHES
    assert found.latency_ci_s is not None
    assert set(found.latency_ci_s) <= set(medians)
    assert (Flag.FEW_LAUNCHES in found.flags) is (number < 6)
    assert Flag.FEW_ROUNDS not in found.flags  # three rounds each: they are not what it is over
    assert Flag.ONE_PROCESS not in found.flags


@pytest.mark.parametrize("target", [0.1, 0.04, None])
@pytest.mark.parametrize("several", [False, True])
def test_an_interval_wider_than_asked_for_is_flagged(target: float | None, several: bool) -> None:
    values = [0.95, 1.05, 1.0, 1.0, 1.02, 0.98]
    plan = Plan(target_ci=target)
    found = row(
        launches(*([value] for value in values), plan=plan)
        if several
        else launches(values, plan=plan)
    )
    assert found.latency_ci_s == (0.95, 1.05)
    assert (Flag.WIDE in found.flags) is (target == 0.04)


# Energy.


def measured_energy(*windows: Record) -> BenchRow:
    found = launch_of(throughput(0, 10, 1.0), *windows)
    return row(found, Metric.THROUGHPUT)


def test_energy_is_gross_and_net_of_what_the_idle_device_takes() -> None:
    found = measured_energy(energy(0, 5.0, 100.0), energy(100, 10.0, 500.0))
    images = 100 * BATCH
    assert found.energy_per_image_j == 500.0 / images
    assert found.energy_net_per_image_j == (500.0 - 10.0 * 20.0) / images
    assert found.images_per_j == images / 500.0


def test_energy_of_several_launches_is_all_of_it_over_all_images() -> None:
    records: list[Record] = [start(), energy(0, 5.0, 50.0), throughput(0, 10, 1.0)]
    records += [energy(100, 10.0, 500.0), end(), start(launch=1), throughput(0, 10, 1.0, launch=1)]
    records += [energy(300, 20.0, 900.0, launch=1), end(launch=1)]
    found = row(configuration(*records), Metric.THROUGHPUT)
    assert found.energy_per_image_j == 1400.0 / (400 * BATCH)
    assert found.energy_net_per_image_j == (1400.0 - 30.0 * 10.0) / (400 * BATCH)


def test_idle_power_is_the_devices_whichever_workload_was_next() -> None:
    other = replace(WORKLOAD, classes=11)
    records: list[Record] = [start(other), energy(0, 5.0, 50.0, key=other.text), end(other)]
    records += [start(), throughput(0, 1, 1.0), energy(100, 10.0, 500.0), end()]
    _, found = configurations(records)
    net = row(found, Metric.THROUGHPUT).energy_net_per_image_j
    assert net == (500.0 - 100.0) / (100 * BATCH)


@pytest.mark.parametrize("windows", [(), (energy(0, 5.0, 100.0),), (energy(100, 10.0, 0.0),)])
def test_unknown_energy_stays_unknown(windows: tuple[Record, ...]) -> None:
    found = measured_energy(*windows)
    assert found.energy_per_image_j is None
    assert found.energy_net_per_image_j is None
    assert found.images_per_j is None


def test_without_an_idle_window_net_energy_is_unknown_and_gross_is_not() -> None:
    found = measured_energy(energy(100, 10.0, 500.0))
    assert found.energy_per_image_j is not None
    assert found.energy_net_per_image_j is None


def test_energy_belongs_to_throughput() -> None:
    found = launch_of(latency(0, (1.0,)), throughput(0, 10, 1.0), energy(100, 10.0, 500.0))
    assert row(found, Metric.LATENCY).energy_per_image_j is None


# What disturbed it.


def watched(*telemetries: RoundTelemetry | None) -> BenchRow:
    rounds = (latency(index, (1.0,), telemetry=each) for index, each in enumerate(telemetries))
    return row(launch_of(*rounds))


def lowered(policy: ThrottlePolicy, seconds: float) -> Throttled:
    return Throttled(policy=policy, seconds=seconds)


def test_a_throttled_share_is_of_all_the_time_in_which_it_is_known() -> None:
    found = watched(
        telemetry(seconds=1.0, throttled=[lowered(ThrottlePolicy.POWER, 0.5)]),
        telemetry(seconds=3.0, throttled=[lowered(ThrottlePolicy.POWER, 0.0)]),
        telemetry(seconds=100.0, throttled=None),
        None,
    )
    assert found.throttled == (ThrottledShare(policy=ThrottlePolicy.POWER, share=0.5 / 4.0),)
    assert Flag.THROTTLED in found.flags


def test_no_more_than_all_of_the_time_is_throttled() -> None:
    """A counter moves in steps that may be longer than a round."""
    found = watched(telemetry(seconds=0.05, throttled=[lowered(ThrottlePolicy.POWER, 0.1)]))
    assert found.throttled == (ThrottledShare(policy=ThrottlePolicy.POWER, share=1.0),)


@pytest.mark.parametrize("policy", ThrottlePolicy)
@pytest.mark.parametrize("factor", [0.99, 1.0, 1.01])
def test_throttling_is_flagged_from_its_threshold_on(policy: ThrottlePolicy, factor: float) -> None:
    found = watched(telemetry(throttled=[lowered(policy, factor * THROTTLED_SHARE)]))
    idle = policy is ThrottlePolicy.LOW_UTILIZATION  # the host's fault, and no lack of power
    assert (Flag.THROTTLED in found.flags) is (factor >= 1 and not idle)
    assert found.throttled == (ThrottledShare(policy=policy, share=factor * THROTTLED_SHARE),)


@pytest.mark.parametrize("known", [None, telemetry()])
def test_unknown_throttling_is_no_throttling_of_zero(known: RoundTelemetry | None) -> None:
    found = watched(known)
    assert found.throttled is None
    assert Flag.THROTTLED not in found.flags


def test_the_clock_is_the_median_of_those_that_are_known() -> None:
    found = watched(
        telemetry(sm_clock_hz=3e9),
        telemetry(),
        None,
        telemetry(sm_clock_hz=1e9),
        telemetry(sm_clock_hz=1.5e9),
    )
    assert found.sm_clock_hz == 1.5e9
    assert watched(telemetry()).sm_clock_hz is None


@pytest.mark.parametrize("processes", [None, 0, 1, 2])
def test_other_processes_on_the_gpu_are_flagged_if_any_round_saw_one(
    processes: int | None,
) -> None:
    found = watched(telemetry(processes=0), telemetry(processes=processes), None)
    assert (Flag.SHARED_GPU in found.flags) is (processes in {1, 2})


def rising(share: float) -> list[float]:
    """Six values that rise evenly by that share of their median."""
    return [1 + share * (step / 5 - 0.5) for step in range(6)]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_a_drift_is_flagged_from_its_threshold_on(factor: float, sign: int) -> None:
    share = sign * factor * DRIFT_SHARE
    found = row(launches(rising(share)))
    assert found.drift == pytest.approx(share)
    assert (Flag.DRIFT in found.flags) is (factor > 1)


def test_a_change_that_may_be_chance_is_no_drift() -> None:
    values = rising(0.5)
    values[2], values[3] = values[3], values[2]
    found = row(launches(values))
    assert found.drift is not None
    assert found.drift > DRIFT_SHARE
    assert Flag.DRIFT not in found.flags


def test_a_step_from_launch_to_launch_is_no_drift_and_one_that_drifts_is() -> None:
    level = [1.0, 1.001, 0.999, 1.001, 1.0, 0.999]
    steps = row(launches(level, [2 * value for value in level]))
    assert Flag.DRIFT not in steps.flags
    one = row(launches(level, rising(-0.2)))
    assert one.drift == pytest.approx(-0.2)
    assert Flag.DRIFT in one.flags


@pytest.mark.parametrize("share", [0.79, 0.8, 0.81])
def test_a_latency_is_launch_bound_when_issuing_takes_four_fifths_of_it(share: float) -> None:
    issue = 2.0 * share
    rounds = [latency(index, (2.0, 4.0, 2.0), issue=(issue, 9.0, issue)) for index in range(3)]
    found = row(launch_of(*rounds))
    assert found.issue_share == share
    assert (Flag.LAUNCH_BOUND in found.flags) is (share >= 0.8)


def test_a_host_that_is_the_device_has_no_issue_share() -> None:
    assert row(launches(STEADY)).issue_share is None


def test_neighbouring_samples_that_resemble_each_other_show() -> None:
    alike = [1.0] * 50 + [2.0] * 50
    apart = [1.0, 2.0] * 50
    assert (row(launch_of(latency(0, alike))).lag1 or 0) > 0.9
    assert (row(launch_of(latency(0, apart))).lag1 or 0) < -0.9
    assert row(launches(STEADY)).lag1 is None  # rounds of three samples are too short to tell


# What was observed beside it, and launches that did not end well.


def test_memory_and_stop_stand_beside_the_figure() -> None:
    memory = MemoryUse(peak_allocated_bytes=7, activation_bytes=5)
    records: list[Record] = []
    for launch, stop in enumerate((Stop.TARGET_MET, Stop.TIME_LIMIT, Stop.ROUNDS_DONE)):
        records += [start(launch=launch), latency(0, (1.0,), launch=launch)]
        records.append(end(launch=launch, stop=stop, memory=memory))
    found = configuration(*records)
    assert (found.memory.peak_allocated_bytes, found.memory.activation_bytes) == (7, 5)
    assert found.memory.peak_reserved_bytes is None
    assert row(found).stop is Stop.TIME_LIMIT  # of several the one that leaves most to be desired


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.HUNG, None])
def test_a_launch_that_did_not_end_well_counts_where_no_other_did(outcome: Outcome | None) -> None:
    def bad(launch: int, value: float) -> list[Record]:
        ended = [] if outcome is None else [end(launch=launch, outcome=outcome, message="why")]
        return [start(launch=launch), latency(0, (value,), launch=launch), *ended]

    good: list[Record] = [start(launch=2), latency(0, (3.0,), launch=2), end(launch=2)]
    only = configuration(*bad(0, 1.0), *bad(1, 2.0), start(launch=2))
    assert only.outcome is Outcome.CUT_SHORT
    assert row(only).latency_median_s == 2.0
    assert row(only).launches == 1
    assert row(only).stop is None
    assert only.memory.peak_allocated_bytes is None
    last = configuration(*bad(0, 1.0), *bad(1, 2.0))
    assert last.outcome is (outcome or Outcome.CUT_SHORT)
    assert last.message == (None if outcome is None else "why")
    whole = configuration(*bad(0, 1.0), *bad(1, 2.0), *good)
    assert (whole.outcome, whole.message) == (Outcome.MEASURED, None)
    assert row(whole).latency_median_s == 3.0
    assert row(whole).launches == 1
