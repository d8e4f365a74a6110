"""The front page's table of speeds: whose rows are whose, and how many there are."""

from __future__ import annotations

from dataclasses import replace

from resprof.answers.flops.flops import flops
from resprof.answers.report.content import MeasuredDevice, measured_device
from resprof.answers.report.page import MOST_ROWS, costs_table, speeds_table
from resprof.model.networks import resolve
from resprof.model.recipe import Optimizer, Recipe, Workload, infer, train
from tests.factories import WORKLOAD, run_of, steady, with_gpu


def _device(*measured: Workload | Recipe, name: str = "a GPU") -> MeasuredDevice:
    workloads = [
        replace(WORKLOAD, recipe=each) if isinstance(each, Recipe) else each for each in measured
    ]
    run = run_of(*((each, [steady(0.001)]) for each in workloads), environment=with_gpu(name))
    return measured_device(run)


def test_recipes_that_differ_in_what_goes_without_saying_are_told_apart() -> None:
    small, large = (infer(batch=8, image=(side, side)) for side in (32, 64))
    sgd = train(batch=8, image=(32, 32))
    adam = replace(sgd, optimizer=Optimizer.ADAM)
    classes = replace(WORKLOAD, recipe=replace(small, cudnn_benchmark=True), classes=100)
    rows = speeds_table([_device(small, large, sgd, adam, classes)]).rows
    labels = [str(row[1]) for row in rows]
    assert len(set(labels)) == len(rows) == 5
    assert labels[0].startswith("inference, fp32, ")
    assert "64x64" in labels[1]
    assert "adam" in labels[3]
    assert "cudnn.benchmark" in labels[4]
    assert "100" in labels[4]


def test_one_recipe_is_told_in_its_words_alone() -> None:
    (row,) = speeds_table([_device(infer(batch=8, image=(32, 32)))]).rows
    assert row[1] == "inference, fp32"


def test_devices_are_shown_beside_each_other_or_not_at_all() -> None:
    recipes = [infer(batch=8, image=(side, side)) for side in range(32, 32 + 8 * 7, 8)]
    devices = [_device(*recipes, name=name) for name in ("one", "another", "a third")]
    table = speeds_table(devices)
    assert len(table.rows) == 15 < MOST_ROWS
    assert [row[0] for row in table.rows] == 5 * ["one", "another", "a third"]
    assert table.notes == ("The first 15 of 21; all of them are below.",)


def test_the_papers_figure_stands_beside_the_papers_network_alone() -> None:
    rows = costs_table([flops(resolve(name)) for name in ("resnet50", "resnet50-v1.5")]).rows
    assert [row[3] for row in rows] == ["3.8 GMAC", None]
