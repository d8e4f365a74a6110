"""Two configurations that differ in one thing look different wherever both are shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resprof.answers.bench import tables as bench
from resprof.answers.bench.results import BenchResult, results_of
from resprof.answers.bench.tables import activations_table, measured_table
from resprof.answers.report.charts import batch_charts, energy_chart
from resprof.answers.roofline import tables as roofline
from resprof.answers.roofline.bounds import RooflineResult
from resprof.answers.roofline.roofline import Against, roofline_of_run
from resprof.answers.workloads import network_text, recipe_text, workload_text
from resprof.measure.run import StageMemory
from resprof.model.networks import architecture_of
from resprof.model.recipe import MemoryFormat, Optimizer, Recipe, Workload, train
from resprof.render.chart import Chart
from resprof.render.terminal import Screen, terminal
from tests.cli.scripted_rooflines import CARD
from tests.factories import WORKLOAD, of, run_of, steady, with_gpu

ON_CARD = with_gpu(CARD)
STEP = replace(WORKLOAD, recipe=train(batch=4, image=(32, 32)))


def _with(workload: Workload, **fields: object) -> Workload:
    """The workload with other fields, of its network or of its recipe."""
    of_recipe = {key: fields[key] for key in fields if key in Recipe.__dataclass_fields__}
    of_network = {key: fields[key] for key in fields if key not in of_recipe}
    recipe = replace(workload.recipe, **of_recipe)  # type: ignore[arg-type]
    return replace(workload, recipe=recipe, **of_network)  # type: ignore[arg-type]


PAIRS = {
    "cudnn.benchmark": (WORKLOAD, _with(WORKLOAD, cudnn_benchmark=True)),
    "classes": (WORKLOAD, _with(WORKLOAD, classes=100)),
    "both usual": (WORKLOAD, _with(WORKLOAD, classes=1000)),
    "channels": (WORKLOAD, _with(WORKLOAD, in_channels=1)),
    "width": (WORKLOAD, _with(WORKLOAD, width=0.5)),
    "image": (WORKLOAD, _with(WORKLOAD, image=(64, 64))),
    "layout": (WORKLOAD, _with(WORKLOAD, memory_format=MemoryFormat.CHANNELS_LAST)),
    "optimizer": (STEP, _with(STEP, optimizer=Optimizer.ADAM)),
}
each_pair = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)


def _measured(*workloads: Workload) -> tuple[BenchResult, ...]:
    """Results that are the same in all that was measured."""
    run = run_of(*((each, [steady(0.001)]) for each in workloads), environment=ON_CARD)
    return tuple(results_of(run))


def _rooflines(*workloads: Workload) -> tuple[RooflineResult, ...]:
    """The same workload's figures under the name of each, so that only names tell them apart."""
    run = run_of((workloads[0], [steady(0.001)]), environment=ON_CARD)
    (found,) = roofline_of_run(run, {}, Against(device=None)).results
    return tuple(
        replace(found, recipe=each.recipe, architecture=architecture_of(each)) for each in workloads
    )


def _charts(*workloads: Workload) -> tuple[Chart, ...]:
    batches = [of(batch, each.model, each) for each in workloads for batch in (1, 8)]
    return tuple(batch_charts(ON_CARD, _measured(*batches)))


@each_pair
def test_rows_of_a_bench_differ(pair: tuple[Workload, Workload]) -> None:
    table = measured_table(ON_CARD, _measured(*pair))
    assert len(set(table.rows)) == 2
    *_, first, second = terminal(replace(table, notes=()), Screen()).splitlines()
    assert first != second


@each_pair
def test_rows_of_its_csv_differ(pair: tuple[Workload, Workload]) -> None:
    results = _measured(*pair)
    assert len(set(bench.long_table(results).rows)) == sum(len(each.rows) for each in results)


@each_pair
def test_rows_of_a_roofline_differ(pair: tuple[Workload, Workload]) -> None:
    first, second = _rooflines(*pair)
    assert len(set(roofline.overview_table([first, second]).rows)) == 2
    rows = roofline.long_table([first, second]).rows
    assert len(set(rows)) == len(first.rows) + len(second.rows)


@each_pair
def test_lines_of_a_chart_have_their_own_name(pair: tuple[Workload, Workload]) -> None:
    drawn = _charts(*pair)
    named = {(chart.subtitle, series.name) for chart in drawn for series in chart.series}
    assert len(named) == sum(len(chart.series) for chart in drawn) / 2 == 2  # in each metric
    for chart in drawn:
        for series in chart.series:
            assert [point.x for point in series.points] == [1, 8]


def test_lines_are_named_by_what_is_out_of_the_ordinary() -> None:
    usual = replace(WORKLOAD, model="resnet50", classes=1000)
    others = [_with(usual, width=2.0), _with(usual, width=0.5, in_channels=1)]
    latency, _ = _charts(usual, *others)
    assert [series.name for series in latency.series] == [
        "resnet50",
        "resnet50 (width 2)",
        "resnet50 (channels 1, width 0.5)",
    ]
    latency, _ = _charts(usual, replace(usual, classes=10))
    names = [series.name for series in latency.series]
    assert names == ["resnet50, classes 1000", "resnet50, classes 10"]


def test_a_recipe_in_words_says_that_algorithms_are_tried() -> None:
    plain, tried = (each.recipe for each in PAIRS["cudnn.benchmark"])
    assert recipe_text(tried) == f"{recipe_text(plain)}, cudnn.benchmark"
    assert "cudnn" not in recipe_text(plain)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, ""),
        ({"classes": 1000}, ""),
        ({"classes": 100}, "classes 100, "),
        ({"in_channels": 1, "width": 0.5}, "channels 1, width 0.5, "),
        ({"width": 2.0}, "width 2, "),
    ],
)
def test_what_all_share_is_said_once_and_only_if_it_is_out_of_the_ordinary(
    fields: dict[str, object], said: str
) -> None:
    workload = _with(WORKLOAD, **fields)
    table = measured_table(ON_CARD, _measured(*(of(batch, workload=workload) for batch in (1, 8))))
    ordinary = f"{said}infer, 32x32, fp32, contiguous, eager, 1 launch; "
    assert table.subtitle.startswith(ordinary)
    assert [column.key for column in table.columns][:3] == ["model", "batch", "latency_median_s"]


def test_an_ordinary_overview_has_no_more_columns_than_it_needs() -> None:
    results = _rooflines(WORKLOAD, of(8))
    keys = [column.key for column in roofline.overview_table(results).columns]
    assert keys[:6] == ["model", "mode", "batch", "precision", "engine", "fusion"]


def test_a_workload_in_a_line_says_what_is_out_of_the_ordinary() -> None:
    ordinary = "cifar-resnet8 infer batch 4, 32x32, fp32, contiguous, eager"
    assert workload_text(WORKLOAD) == ordinary
    assert workload_text(_with(WORKLOAD, cudnn_benchmark=True)) == f"{ordinary}, cudnn.benchmark"
    narrow = _with(WORKLOAD, width=0.5)
    assert "width 0.5" in workload_text(narrow)
    assert network_text(narrow) == "cifar-resnet8 (width 0.5)"
    assert network_text(WORKLOAD) == "cifar-resnet8"


@each_pair
def test_activations_and_bars_of_energy_differ(pair: tuple[Workload, Workload]) -> None:
    stages = (StageMemory(stage="conv1", activation_bytes=8),)
    run = run_of(
        *((each, [steady(0.001, energy_per_call_j=0.2, stages=stages)]) for each in pair),
        environment=ON_CARD,
    )
    results = results_of(run)
    assert len(set(activations_table(ON_CARD, results).rows)) == 2
    chart = energy_chart(ON_CARD, results)
    assert chart is not None
    assert len({point.x for point in chart.series[0].points}) == 2
