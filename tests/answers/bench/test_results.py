"""A configuration's answer: its flags, its bad ends, and what a CUDA graph says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from resprof.answers.bench.figures import Flag
from resprof.answers.bench.results import BenchResult, bench_result, with_graph_gains
from resprof.answers.bench.runs import configurations
from resprof.codec import to_plain
from resprof.measure.run import MemoryUse, Metric, Outcome, Plan, StageMemory, Tile, TiledRound
from resprof.measure.run_file import Record
from resprof.model.environment import DeviceKind
from resprof.model.recipe import Engine, Phase, Workload
from tests.factories import (
    WORKLOAD,
    configuration,
    end,
    latency,
    start,
    throughput,
)

FORWARD = Tile(phase=Phase.FORWARD)


def result(*records: Record) -> BenchResult:
    return bench_result(configuration(*records), title="a network", macs={FORWARD: 100})


def flags(found: BenchResult) -> set[Flag]:
    """Those that every row has."""
    return set.intersection(*(set(row.flags) for row in found.rows))


ROUNDS = (latency(0, (1.0,)), throughput(0, 10, 10.0))


def test_a_result_says_what_ran_and_how_it_ended() -> None:
    found = result(start(), *ROUNDS, end(first_call_s=0.75))
    assert found.workload == WORKLOAD
    assert found.key == WORKLOAD.text
    assert (found.model, found.title) == ("cifar-resnet8", "a network")
    assert (found.outcome, found.message) == (Outcome.MEASURED, None)
    assert found.device is DeviceKind.CPU
    assert found.first_call_s == 0.75
    assert found.outputs_finite is True
    assert [row.metric for row in found.rows] == [Metric.LATENCY, Metric.THROUGHPUT]


@pytest.mark.parametrize("metrics", [(Metric.LATENCY,), (Metric.THROUGHPUT,), tuple(Metric)[::-1]])
def test_there_is_a_row_for_each_metric_that_was_asked_for(metrics: Sequence[Metric]) -> None:
    plan = Plan(metrics=tuple(metrics))
    assert [row.metric for row in result(start(plan=plan), *ROUNDS, end()).rows] == list(metrics)


def test_a_run_resumed_with_fewer_metrics_loses_none() -> None:
    both, one = Plan(), Plan(metrics=(Metric.LATENCY,))
    resumed = (
        *(start(plan=both), *ROUNDS, end()),
        *(start(plan=one, launch=1), latency(0, (2.0,), launch=1), end(launch=1)),
    )
    rows = {row.metric: row for row in result(*resumed).rows}
    assert {metric: row.launches for metric, row in rows.items()} == {
        Metric.LATENCY: 2,
        Metric.THROUGHPUT: 1,
    }
    assert rows[Metric.THROUGHPUT].throughput_images_per_s is not None


def test_a_good_end_has_no_flags_but_those_of_few_rounds() -> None:
    assert flags(result(start(), *ROUNDS, end())) == {Flag.ONE_PROCESS, Flag.FEW_ROUNDS}


@pytest.mark.parametrize(
    ("records", "flag"),
    [
        ((start(), *ROUNDS, end(steady=False)), Flag.NOT_STEADY),
        ((start(), *ROUNDS, end(finite=False)), Flag.NOT_FINITE),
        ((start(halved_from=8), *ROUNDS, end()), Flag.HALVED),
        ((start(), *ROUNDS), Flag.CUT_SHORT),
        ((start(), *ROUNDS, end(outcome=Outcome.HUNG)), Flag.CUT_SHORT),
    ],
)
def test_what_holds_for_a_configuration_is_flagged_on_every_row(
    records: tuple[Record, ...], flag: Flag
) -> None:
    assert flags(result(*records)) == {Flag.ONE_PROCESS, Flag.FEW_ROUNDS, flag}


def test_one_launch_of_several_is_enough_for_a_flag() -> None:
    second = [latency(0, (1.0,), launch=1), throughput(0, 1, 1.0, launch=1)]
    bad = end(launch=1, steady=False, finite=False)
    found = result(start(), *ROUNDS, end(), start(launch=1), *second, bad)
    assert flags(found) >= {Flag.NOT_STEADY, Flag.NOT_FINITE}
    assert found.outputs_finite is False


def test_instruments_that_change_a_call_are_flagged() -> None:
    def tiled(seconds: float) -> TiledRound:
        return TiledRound(
            key=WORKLOAD.text,
            launch=0,
            device=DeviceKind.CPU,
            index=0,
            tiles=(FORWARD,),
            samples_s=((seconds,),),
        )

    assert Flag.PERTURBED in flags(result(start(), *ROUNDS, tiled(1.5), end()))
    same = result(start(), *ROUNDS, tiled(1.0), end())
    assert Flag.PERTURBED not in flags(same)
    (part,) = same.tiles
    assert part.share == 1.0


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.HUNG, Outcome.OUT_OF_MEMORY])
def test_where_nothing_was_measured_nothing_was_cut_short(outcome: Outcome) -> None:
    found = result(start(), end(outcome=outcome, message="why"))
    assert (found.outcome, found.message) == (outcome, "why")
    assert (found.device, found.first_call_s, found.outputs_finite) == (None, None, None)
    assert all(row.flags == () for row in found.rows)
    assert all(row.rounds == 0 for row in found.rows)


def test_activations_are_those_of_the_stages() -> None:
    stages = (StageMemory(stage="conv1", activation_bytes=8),)
    memory = MemoryUse(activation_bytes=8, stages=stages)
    found = to_plain(result(start(), *ROUNDS, end(memory=memory)))
    assert found["activations"] == [
        {"stage": "conv1", "measured_bytes": 8, "predicted_bytes": None}
    ]


def test_configurations_come_in_the_order_in_which_they_were_first_started() -> None:
    sizes = [3, 1, 2]
    workloads = [replace(WORKLOAD, recipe=replace(WORKLOAD.recipe, batch=n)) for n in sizes]
    records = [start(each, launch) for launch in range(2) for each in workloads[:: 1 - 2 * launch]]
    found = configurations(records)
    assert [each.start.workload.recipe.batch for each in found] == sizes


def test_records_of_no_launch_count_for_nothing() -> None:
    stray: list[Record] = [latency(0, (9.0,), launch=7), end(launch=7)]
    found = configuration(*stray, start(), *ROUNDS, end())
    assert result(*stray, start(), *ROUNDS, end()) == result(start(), *ROUNDS, end())
    assert len(found.launches) == 1


# What a CUDA graph saves is the host's part.


def by(engine: Engine, *, width: float = 1.0, batch: int = 4) -> Workload:
    recipe = replace(WORKLOAD.recipe, engine=engine, batch=batch)
    return replace(WORKLOAD, width=width, recipe=recipe)


def gained(*pairs: tuple[Workload, float]) -> dict[Workload, bool]:
    """Which configurations of these latencies are called launch-bound."""
    records: list[Record] = []
    for workload, seconds in pairs:
        rounds = [
            latency(0, (seconds,), workload=workload),
            throughput(0, 1, seconds, workload=workload),
        ]
        records += [start(workload), *rounds, end(workload)]
    results = [bench_result(each, title="", macs={}) for each in configurations(records)]
    found = with_graph_gains(results)
    assert [each.workload for each in found] == [each.workload for each in results]
    marked = {}
    for each in found:
        of_latency, of_throughput = each.rows
        assert Flag.LAUNCH_BOUND not in of_throughput.flags
        marked[each.workload] = Flag.LAUNCH_BOUND in of_latency.flags
    return marked


@pytest.mark.parametrize("ratio", [1.09, 1.11])
@pytest.mark.parametrize("graph_first", [False, True])
def test_an_eager_latency_is_launch_bound_when_a_graph_gains_a_tenth(
    ratio: float, graph_first: bool
) -> None:
    pairs = [(by(Engine.EAGER), 2.0 * ratio), (by(Engine.GRAPH), 2.0)]
    found = gained(*(pairs[::-1] if graph_first else pairs))
    assert found == {by(Engine.EAGER): ratio > 1.1, by(Engine.GRAPH): False}


@pytest.mark.parametrize("other", [{"width": 2.0}, {"batch": 8}])
def test_only_a_graph_of_the_same_workload_says_anything(other: dict[str, float]) -> None:
    graph = by(Engine.GRAPH, **other)  # type: ignore[arg-type]
    found = gained((by(Engine.EAGER), 10.0), (graph, 1.0))
    assert set(found.values()) == {False}


def test_a_graph_says_nothing_of_other_engines() -> None:
    found = gained((by(Engine.COMPILE), 10.0), (by(Engine.GRAPH), 1.0))
    assert set(found.values()) == {False}


def test_what_is_launch_bound_already_is_flagged_once() -> None:
    eager, graph = by(Engine.EAGER), by(Engine.GRAPH)
    records: list[Record] = [
        *(start(eager), latency(0, (10.0,), workload=eager, issue=(9.5,)), end(eager)),
        *(start(graph), latency(0, (1.0,), workload=graph), end(graph)),
    ]
    results = [bench_result(each, title="", macs={}) for each in configurations(records)]
    first, _ = with_graph_gains(results)
    assert first.rows[0].flags.count(Flag.LAUNCH_BOUND) == 1
