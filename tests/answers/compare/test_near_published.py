"""Published results beside measured ones: which are near, and in what they differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resprof.answers.compare.published import (
    PublishedBeside,
    near_published,
    published_tables,
)
from resprof.model.environment import Environment
from resprof.model.published import results as published_results
from resprof.model.recipe import Mode, Precision, Workload, infer, train
from tests.factories import ON_CPU, WORKLOAD, as_read, run_of, steady, with_gpu

H100 = with_gpu("NVIDIA H100 80GB HBM3")
V100_16 = with_gpu("Tesla V100-SXM2-16GB")
V100_32 = with_gpu("Tesla V100-SXM2-32GB")


def _workload(
    batch: int, *, precision: Precision = Precision.AMP_FP16, mode: Mode = Mode.INFER
) -> Workload:
    recipe = (train if mode is Mode.TRAIN else infer)(batch=batch, image=(224, 224))
    return replace(
        WORKLOAD,
        model="resnet50-v1.5",
        classes=1000,
        recipe=replace(recipe, precision=precision),
    )


def _near(workload: Workload, environment: Environment = H100) -> tuple[PublishedBeside, ...]:
    run = as_read(run_of((workload, [steady(0.1)]), environment=environment))
    return near_published([run])


def test_near_is_the_network_the_mode_the_batch_and_the_width_of_numbers() -> None:
    (found,) = _near(_workload(256))
    for row in found.rows:
        each = row.published
        assert (each.model, each.mode) == ("resnet50-v1.5", Mode.INFER)
        assert each.batch is None or 128 <= each.batch / each.devices <= 512
        assert each.precision not in {"fp32", "tf32"}
    (full,) = _near(_workload(256, precision=Precision.FP32))
    assert {row.published.precision for row in full.rows} == {"fp32"}


@pytest.mark.parametrize(
    "workload",
    [
        replace(_workload(256), model="resnet50"),
        replace(_workload(256), classes=10),
        replace(_workload(256), width=2.0),
        replace(_workload(256), recipe=replace(_workload(256).recipe, image=(160, 160))),
        _workload(10_000, precision=Precision.FP32),
    ],
)
def test_another_network_or_load_has_nothing_beside_it(workload: Workload) -> None:
    assert _near(workload) == ()


def test_what_we_cannot_run_is_a_landmark_on_its_own_device_only() -> None:
    def int8_devices(environment: Environment) -> set[str]:
        return {
            row.published.device
            for beside in _near(_workload(256), environment)
            for row in beside.rows
            if row.published.precision == "int8"
        }

    assert int8_devices(H100) == {"H100 SXM"}
    assert int8_devices(ON_CPU) == set()


def test_all_that_is_not_the_same_is_listed() -> None:
    (found,) = _near(_workload(256))
    server = next(row for row in found.rows if row.published.scenario == "Server")
    differs = {each.what: (each.published, each.measured) for each in server.differs}
    assert differs["devices"] == ("8", "1")
    assert differs["precision"] == ("int8", "amp-fp16")
    assert differs["layout"] == (None, "contiguous")
    assert differs["engine"] == ("TensorRT", "eager")
    assert differs["batch per device"] == (None, "256")
    assert differs["statistic"] == ("p99", "median")
    assert "device" not in differs


def test_the_same_device_with_other_memory_is_another() -> None:
    for environment, own in ((V100_32, "V100-32GB"), (V100_16, None)):
        (found,) = _near(_workload(256, precision=Precision.FP32, mode=Mode.TRAIN), environment)
        same = {
            row.published.device
            for row in found.rows
            if all(each.what != "device" for each in row.differs)
        }
        assert same == ({own} if own else set())


def test_the_nearest_come_first() -> None:
    (found,) = _near(_workload(256, precision=Precision.FP32, mode=Mode.TRAIN), V100_32)
    assert found.rows[0].published.device == "V100-32GB"
    assert found.rows[0].published.devices == 1


def test_published_figures_have_columns_of_their_own_and_their_digits() -> None:
    tables = published_tables(_near(_workload(512), H100))
    devices = [table.title.split(",")[0] for table in tables]
    assert len(set(devices)) == len(devices)
    printed = {
        f"{each.throughput_images_per_s:,.12g}"
        for each in published_results()
        if each.throughput_images_per_s is not None
    }
    for table in tables:
        keys = [column.key for column in table.columns]
        assert not any("verdict" in key or "ratio" in key for key in keys)
        place = keys.index("published_images_per_s")
        assert {row[place] for row in table.rows} <= printed | {None}
        assert all(row[keys.index("source")] and row[keys.index("locator")] for row in table.rows)


def test_two_runs_of_a_device_share_the_rows_and_not_the_columns() -> None:
    runs = [
        as_read(run_of((_workload(256), [steady(call_s)]), environment=H100), name)
        for name, call_s in (("a", 0.1), ("b", 0.2))
    ]
    one, both = (
        published_tables(near_published(runs[:1])),
        published_tables(near_published(runs)),
    )
    assert [len(table.rows) for table in one] == [len(table.rows) for table in both]
    keys = [column.key for column in both[0].columns]
    first, second = (keys.index(f"latency_median_s_{place}") for place in (0, 1))
    assert both[0].rows[0][first] == pytest.approx(0.1, rel=1e-3)
    assert both[0].rows[0][second] == pytest.approx(0.2, rel=1e-3)
