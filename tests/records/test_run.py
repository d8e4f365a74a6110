"""The run file: what is written comes back, whatever cuts it off."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resprof.errors import UsageError
from resprof.records.environment import DeviceKind, Environment, Gpu, Machine, TorchBuild
from resprof.records.recipe import Mode, Recipe, Workload
from resprof.records.run import (
    Interval,
    Latency,
    MemoryUse,
    Metric,
    Observation,
    Record,
    Result,
    Round,
    RunFile,
    StageMemory,
    Throughput,
    WarmUp,
    from_line,
    read_run,
    to_line,
)

_number = st.floats(allow_nan=False, allow_infinity=False)
_numbers = st.lists(_number, max_size=5).map(tuple)
_maybe = st.none() | _number
_interval = st.none() | st.builds(Interval, low=_number, high=_number, coverage=_number)
_machine = st.builds(Machine, load=_maybe)
_environments = st.builds(
    Environment,
    machine=_machine,
    torch=st.none() | st.builds(TorchBuild),
    gpu=st.none() | st.builds(Gpu),
)
_rounds = st.builds(Round, samples_s=_numbers, wall_s=st.none() | _numbers)
_observations = st.builds(
    Observation,
    first_call_s=_number,
    warm_up=st.builds(WarmUp, samples_s=_numbers),
    memory=st.builds(MemoryUse, stages=st.lists(st.builds(StageMemory), max_size=3).map(tuple)),
)
_latencies = st.builds(
    Latency, median_s=_number, interval_s=_interval, p90_s=_maybe, p95_s=_maybe, p99_s=_maybe
)
_throughputs = st.builds(Throughput, images_per_s=_number, interval_images_per_s=_interval)
_results = st.builds(
    Result,
    workload=st.builds(Workload, width=_number),
    latency=st.none() | _latencies,
    throughput=st.none() | _throughputs,
    observed=st.none() | _observations,
)
_records: st.SearchStrategy[Record] = st.one_of(_environments, _rounds, _results)


@given(_records)
@settings(max_examples=200)
def test_a_record_comes_back_from_its_line(record: Record) -> None:
    line = to_line(record)
    assert line.count("\n") == 1
    assert from_line(line) == record


def _round(index: int) -> Round:
    return Round(
        key="resnet18 --mode infer",
        device=DeviceKind.CPU,
        metric=Metric.LATENCY,
        index=index,
        calls=1,
        samples_s=(0.1, 0.25),
    )


def test_a_run_file_grows_and_keeps_its_order(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with RunFile(path) as file:
        file.append(_round(0))
        assert read_run(path) == (_round(0),)
    with RunFile(path) as file:
        assert file.kept == (_round(0),)
        file.append(_round(1))
    assert read_run(path) == (_round(0), _round(1))


@given(st.data())
@settings(max_examples=30)
def test_a_line_that_was_cut_off_costs_that_record_alone(data: st.DataObject) -> None:
    whole, last = to_line(_round(0)).encode(), to_line(_round(1)).encode()
    cut = data.draw(st.integers(0, len(last) - 1))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.jsonl"
        path.write_bytes(whole + last[:cut])
        assert read_run(path) == (_round(0),)
        with RunFile(path) as file:
            file.append(_round(2))
        assert read_run(path) == (_round(0), _round(2))


def test_another_schema_or_record_is_refused_with_a_hint() -> None:
    plain = json.loads(to_line(_round(0)))
    for change in ({"schema": 99}, {"record": "dream"}):
        with pytest.raises(UsageError, match="schema") as caught:
            from_line(json.dumps(plain | change))
        assert "resprof that wrote it" in caught.value.hint


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "1", "{}", '{"schema":1,"record":"round","calls":"many"}']
)
def test_what_is_no_record_is_a_usage_error(line: str) -> None:
    with pytest.raises(UsageError):
        from_line(line)


def test_a_field_that_came_later_takes_its_default() -> None:
    plain = json.loads(to_line(_round(0)))
    del plain["wall_s"]
    assert from_line(json.dumps(plain)) == _round(0)


def test_a_file_that_is_no_run_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\nno line feed")
    with pytest.raises(UsageError), RunFile(path):
        pass
    assert path.read_text() == "buy milk\nno line feed"


def test_numbers_are_written_in_base_units_with_every_digit() -> None:
    recipe = Recipe(mode=Mode.INFER, batch=1, image=(224, 224))
    workload = Workload(model="resnet18", classes=1000, in_channels=3, width=1.0, recipe=recipe)
    plain = json.loads(to_line(_round(0)))
    assert plain["schema"] == 1
    assert plain["record"] == "round"
    assert plain["samples_s"] == [0.1, 0.25]
    assert workload.text.startswith("resnet18 --mode infer --batch 1")
