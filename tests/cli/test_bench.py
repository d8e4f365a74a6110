"""`resprof bench` as a user types it, with a child that is scripted."""

from __future__ import annotations

import csv
import errno
import fcntl
import io
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import NoneType
from typing import Any, get_type_hints

import pytest

from resprof.answers.bench import launches
from resprof.answers.bench.figures import Flag
from resprof.answers.bench.results import (
    BenchResult,
    BenchRow,
    TileTime,
    results_of,
    with_prediction,
)
from resprof.answers.bench.tables import bench_tables, long_table
from resprof.cli.main import main
from resprof.codec import from_plain, to_plain
from resprof.measure.run import (
    MemoryUse,
    Metric,
    Order,
    Outcome,
    Round,
    Tile,
    TiledRound,
    Tiling,
)
from resprof.measure.run_file import Record, read_run
from resprof.model.environment import (
    DeviceKind,
    Environment,
)
from resprof.model.recipe import Engine, Mode, Phase, Workload
from resprof.render.table import ASCII, Origin
from resprof.render.terminal import Screen, terminal
from tests.answers.bench.stand_in import (
    ScriptedChild,
    on_a_gpu,
    put_in_place,
    quiet,
    taken,
)
from tests.factories import environment_of, rounds_of

CPU = ("--device", "cpu")


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ScriptedChild:
    """A child and a look at the machine that are scripted, in a folder of their own."""
    scripted = ScriptedChild()
    put_in_place(monkeypatch, scripted)
    monkeypatch.chdir(tmp_path)
    return scripted


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["bench", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, _ = run(capsys, "cifar-resnet8", *arguments, "--json")
    assert code == 0
    parsed: dict[str, Any] = json.loads(out)
    return parsed


def recorded(path: str | Path = "run.jsonl") -> list[BenchResult]:
    """What the run file answers."""
    return [with_prediction(result) for result in results_of(read_run(Path(path)))]


# What it prints.

PROMISED = {
    "batch",
    "precision",
    "metric",
    "latency_median_s",
    "latency_ci_s",
    "throughput_images_per_s",
    "throughput_ci",
    "peak_allocated_bytes",
    "activation_bytes",
    "energy_per_image_j",
    "flags",
}


@pytest.mark.parametrize("gpu", [False, True])
def test_the_printed_json_is_the_records_field_by_field(
    capsys: pytest.CaptureFixture[str],
    child: ScriptedChild,
    monkeypatch: pytest.MonkeyPatch,
    gpu: bool,
) -> None:
    if gpu:
        on_a_gpu(child, monkeypatch)
    parsed = answer(capsys, "--batch", "1,2", "--run", "run.jsonl")
    assert list(parsed) == ["schema", "command", "results", "environment", "notes"]
    assert parsed["command"] == "bench"
    for result in parsed["results"]:
        assert all(set(row) >= PROMISED for row in result["rows"])
    for result, record in zip(parsed["results"], recorded(), strict=True):
        flat = to_plain(record)
        assert result == flat
        assert list(result) == list(flat)
        for row, of_metric in zip(result["rows"], record.rows, strict=True):
            figures = to_plain(of_metric) | to_plain(record.memory)
            assert {name: row[name] for name in figures if name != "stages"} == {
                name: value for name, value in figures.items() if name != "stages"
            }
    environments = [each for each in read_run(Path("run.jsonl")) if isinstance(each, Environment)]
    assert from_plain(Environment, parsed["environment"]) == environments[-1]


def test_the_environment_of_an_answer_is_that_of_the_last_samples(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild
) -> None:
    child.environment = lambda order: environment_of(f"3.{order.launch}")
    parsed = answer(capsys, "--batch", "2", "--launches", "2", *CPU)
    assert parsed["environment"]["torch"]["version"] == "3.1"


def test_what_a_gpu_tells_is_in_the_answer(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_gpu(child, monkeypatch)
    parsed = answer(capsys, "--batch", "2", "--stages", "--run", "run.jsonl")
    (result,) = parsed["results"]
    latency, throughput = result["rows"]
    assert throughput["energy_per_image_j"] == 3000.0 / (1000 * 2)
    assert throughput["energy_net_per_image_j"] == (3000.0 - 500.0) / (1000 * 2)
    assert latency["throttled"] == [{"policy": "power", "share": 0.25}]
    assert {"throttled", "launch-bound", "shared GPU"} <= set(latency["flags"])
    assert list(result["parts"][0]) == [field.name for field in fields(TileTime)]
    assert sum(part["share"] for part in result["parts"]) == pytest.approx(1)
    assert sum(part["macs_share"] for part in result["parts"]) == pytest.approx(1)


def test_a_prediction_stands_beside_what_was_measured(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild
) -> None:
    (result,) = answer(capsys, "--batch", "2", *CPU)["results"]
    assert result["predicted"]["activation_bytes"] > 0
    assert result["predicted"]["peak_allocated_bytes"] is None  # an allocator's, which a CPU lacks


def parsed_cell(text: str, kind: Any) -> Any:
    """A cell of CSV as the record has it: ``kind`` is the field's type."""
    options = [each for each in getattr(kind, "__args__", (kind,)) if each is not NoneType]
    if text == "":
        return None
    if bool in options:
        return {"true": True, "false": False}[text]
    return options[0](text)


@pytest.mark.parametrize("gpu", [False, True])
def test_csv_read_again_is_the_records(
    capsys: pytest.CaptureFixture[str],
    child: ScriptedChild,
    monkeypatch: pytest.MonkeyPatch,
    gpu: bool,
) -> None:
    if gpu:
        on_a_gpu(child, monkeypatch)
    arguments = ("--batch", "1,2", "--launches", "2", "--run", "run.jsonl")
    code, out, _ = run(capsys, "cifar-resnet8", *arguments, "--csv")
    assert code == 0
    read = list(csv.DictReader(io.StringIO(out)))
    pairs = [(result, row) for result in recorded() for row in result.rows]
    assert len(read) == len(pairs) == 4
    kinds = get_type_hints(BenchRow)
    of_memory = get_type_hints(MemoryUse)
    special = {"latency_ci_s", "throughput_ci", "throttled", "flags"}
    for cells, (result, row) in zip(read, pairs, strict=True):
        for name in set(kinds) - special:
            assert parsed_cell(cells[name], kinds[name]) == getattr(row, name)
        for name in set(of_memory) - {"stages"}:
            assert parsed_cell(cells[name], of_memory[name]) == getattr(result.memory, name)
        for name, unit in (("latency_ci", "_s"), ("throughput_ci", "")):
            ends = tuple(
                parsed_cell(cells[f"{name}_{end}{unit}"], float) for end in ("low", "high")
            )
            assert ends == (getattr(row, f"{name}{unit}") or (None, None))
        assert cells["flags"] == "; ".join(row.flags)
        shares = [f"{each.policy} {each.share!r}" for each in row.throttled or ()]
        assert cells["throttled"] == "; ".join(shares)
        assert cells["model"] == result.model
        assert cells["mode"] == result.recipe.mode
        assert parsed_cell(cells["classes"], int) == result.workload.classes
        assert parsed_cell(cells["in_channels"], int) == result.workload.in_channels
        assert parsed_cell(cells["width"], float) == result.workload.width
        assert cells["image"] == "32x32"
        assert cells["memory_format"] == result.recipe.memory_format
        assert parsed_cell(cells["cudnn_benchmark"], bool) is result.recipe.cudnn_benchmark
        assert cells["outcome"] == result.outcome
        assert parsed_cell(cells["halved_from"], int) == result.configuration.start.halved_from
        assert parsed_cell(cells["first_call_s"], float) == result.first_call_s
        assert cells["device"] == result.device


SCREENS = {
    "pipe": Screen(),
    "120": Screen(width=120),
    "80": Screen(width=80),
    "40": Screen(width=40),
    "ascii": Screen(width=80, ascii=True),
}


def shown(screen: Screen) -> str:
    """The tables of the run file."""
    environment = next(r for r in read_run(Path("run.jsonl")) if isinstance(r, Environment))
    tables = bench_tables(environment, recorded())
    return "\n".join(terminal(table, screen) for table in tables)


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("gpu", [False, True])
def test_a_narrow_table_leaves_columns_out_and_cuts_no_figure(
    capsys: pytest.CaptureFixture[str],
    child: ScriptedChild,
    monkeypatch: pytest.MonkeyPatch,
    screen: str,
    gpu: bool,
) -> None:
    if gpu:
        on_a_gpu(child, monkeypatch)
    run(capsys, "cifar-resnet8", "--batch", "1,200000", "--stages", "--run", "run.jsonl")
    text, whole = map(shown, (SCREENS[screen], Screen()))
    if screen == "ascii":
        assert text.isascii()
    width = SCREENS[screen].width
    if width is not None:
        assert max(map(len, text.splitlines())) <= width
    origins = {f"({origin.value})" for origin in Origin}  # beside the names of stacked cells
    note = {"Not", "shown", "for", "lack", "of", "width:"}
    assert words(text) - words(whole) <= note | origins
    for each in ("1.000 ms", "200.0 s", "200,000", "cifar-resnet8"):  # 1 ms for an image
        assert each in text


def words(text: str) -> set[str]:
    """What a text consists of, whatever its lines and its glyphs."""
    return {word.strip(",.") for word in text.translate(ASCII).split() if word.strip("-")}


def test_the_table_has_a_row_for_each_configuration_and_says_what_flags_mean(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild
) -> None:
    code, out, _ = run(capsys, "cifar-resnet8", "cifar-resnet14", *CPU)
    assert code == 0
    assert out.splitlines()[0] == "Measured on the CPU a processor"
    rows = [line for line in out.splitlines() if line.startswith("cifar-resnet")]
    assert [row.split()[:2] for row in rows] == [
        ["cifar-resnet8", "1"],
        ["cifar-resnet8", "32"],
        ["cifar-resnet14", "1"],
        ["cifar-resnet14", "32"],
    ]
    assert f"\n{Flag.ONE_PROCESS}" in out
    assert Flag.ONE_PROCESS.meaning in out


def test_phases_of_a_training_step_have_a_table_of_their_own(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild
) -> None:
    def rounds(workload: Workload, launch: int) -> Sequence[Record]:
        tiles = tuple(Tile(phase=phase) for phase in (Phase.FORWARD, Phase.BACKWARD))
        tiled = [
            TiledRound(
                key=workload.text,
                launch=launch,
                device=DeviceKind.CPU,
                index=index,
                tiles=tiles,
                samples_s=((0.0015, 0.0005),),
            )
            for index in range(6)
        ]
        return [*rounds_of(workload, launch, 6), *tiled]

    child.rounds = rounds
    _, out, _ = run(capsys, "cifar-resnet8", "--mode", "train", "--batch", "2", *CPU)
    assert "where the time goes" in out
    assert "75.0%" in out
    assert "With stage timing a call takes 2.000 ms, without it 2.000 ms: 0%." in out


def test_a_long_table_has_no_column_twice() -> None:
    keys = [column.key for column in long_table([]).columns]
    assert len(set(keys)) == len(keys)


# What it hands on.


def order_of(child: ScriptedChild) -> Order:
    (order,) = child.orders
    return order


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {"metrics": tuple(Metric), "target_ci": 0.005, "time_limit_s": 60.0, "energy_s": 5.0}),
        (["--metric", "latency"], {"metrics": (Metric.LATENCY,), "energy_s": 0.0}),
        (["--metric", "throughput"], {"metrics": (Metric.THROUGHPUT,), "energy_s": 5.0}),
        (["--metric", "throughput, latency,latency"], {"metrics": tuple(Metric)[::-1]}),
        (["--time-limit", "2min"], {"time_limit_s": 120.0}),
        (["--target-ci", "2.5%"], {"target_ci": 0.025}),
        (["--stages"], {"tiling": Tiling.STAGES}),
        (["--mode", "train"], {"tiling": Tiling.PHASES}),
        (["--mode", "train", "--stages"], {"tiling": Tiling.STAGES}),
        (["--mode", "train", "--metric", "throughput"], {"tiling": Tiling.NONE}),
        (["--engine", "compile"], {"tiling": Tiling.NONE}),
    ],
)
def test_the_plan_is_what_was_asked_for(
    capsys: pytest.CaptureFixture[str],
    child: ScriptedChild,
    arguments: list[str],
    expected: dict[str, object],
) -> None:
    run(capsys, "cifar-resnet8", "--batch", "2", *CPU, *arguments)
    plan = order_of(child).plan
    assert {name: getattr(plan, name) for name in expected} == expected


def test_the_workload_and_the_device_are_what_was_asked_for(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild
) -> None:
    answer(
        capsys,
        *("--mode", "train", "--batch", "3", "--accumulate", "2", "--engine", "compile"),
        *("--image", "40", "--classes", "7", "--width", "0.5", *CPU),
    )
    order = order_of(child)
    recipe = order.workload.recipe
    assert order.device == "cpu"
    assert (recipe.mode, recipe.batch, recipe.accumulate) == (Mode.TRAIN, 3, 2)
    assert (recipe.engine, recipe.image) == (Engine.COMPILE, (40, 40))
    assert (order.workload.classes, order.workload.width) == (7, 0.5)


def test_lists_of_batches_and_precisions_are_all_measured(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild
) -> None:
    answer(capsys, "--batch", "1,2", "--precision", "fp32,bf16", "--launches", "2", *CPU)
    recipes = [order.workload.recipe for order in child.orders]
    once = [(p, batch) for p in ("fp32", "bf16") for batch in (1, 2)]
    assert [(recipe.precision.value, recipe.batch) for recipe in recipes] == [*once, *once]


def test_what_does_not_fit_is_halved_when_asked(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild
) -> None:
    child.becomes = lambda order: (
        Outcome.MEASURED if order.workload.recipe.batch <= 2 else Outcome.OUT_OF_MEMORY
    )
    results = answer(capsys, "--batch", "8", "--on-oom", "halve", *CPU)["results"]
    assert [(r["recipe"]["batch"], r["outcome"], r["halved_from"]) for r in results] == [
        (8, "out of memory", None),
        (4, "out of memory", 8),
        (2, "measured", 8),
    ]


# The run file.


def test_where_no_file_can_be_locked_that_is_said_and_it_is_measured(
    child: ScriptedChild, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    code, out, err = run(capsys, "cifar-resnet8", "--batch", "1", "--run", "run.jsonl", *CPU)
    assert code == 0
    assert "cifar-resnet8" in out
    assert "warning: The run file cannot be locked (No locks available)" in err
    assert taken(read_run(Path("run.jsonl"))) == [(1, 0, Outcome.MEASURED)]


def test_the_run_file_is_named_on_stderr_and_is_a_new_one_each_time(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild
) -> None:
    named = set()
    for _ in range(3):
        code, _, err = run(capsys, "cifar-resnet8", "--batch", "2", *CPU)
        assert code == 0
        named.add(err)
    files = sorted(Path("reports/runs").iterdir())
    assert named == {f"samples are in {file}\n" for file in files}
    assert len(files) == 3
    assert all(taken(read_run(file)) == [(2, 0, Outcome.MEASURED)] for file in files)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"samples_s":[', '"samples_s":[NaN,', "not JSON"),
        ('"record":"environment"', '"record":"enviroment"', "enviroment"),
    ],
)
def test_a_damaged_run_is_not_added_to(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild, old: str, new: str, why: str
) -> None:
    answer(capsys, "cifar-resnet8", "--batch", "1", "--run", "run.jsonl", *CPU)
    text = Path("run.jsonl").read_text()
    assert old in text
    damaged = text.replace(old, new)
    Path("run.jsonl").write_text(damaged)
    code, out, err = run(capsys, "cifar-resnet8", "--run", "run.jsonl", "--resume", *CPU)
    assert (code, out) == (2, "")
    error, _ = err.splitlines()
    assert why in error
    assert Path("run.jsonl").read_text() == damaged


def test_a_run_is_resumed_with_what_it_lacks(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild
) -> None:
    here = ("--run", "some/where/run.jsonl", *CPU)
    answer(capsys, "--batch", "1,2", *here)
    code, out, err = run(capsys, "cifar-resnet8", "--batch", "1,2", *here)
    assert (code, out) == (2, "")
    assert "--resume" in err.splitlines()[1]
    first = answer(capsys, "--batch", "1,2", *here, "--resume")
    assert len(child.orders) == 2
    both = answer(capsys, "--batch", "2,4", *here, "--resume", "--launches", "2")
    assert child.ran == [(1, 0), (2, 0), (4, 0), (2, 1), (4, 1)]
    # Of what is in the file, that which was asked for.
    assert [result["recipe"]["batch"] for result in first["results"]] == [1, 2]
    assert [result["recipe"]["batch"] for result in both["results"]] == [2, 4]


def test_halves_of_what_was_not_asked_for_this_time_are_not_answered(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild
) -> None:
    child.becomes = lambda order: (
        Outcome.MEASURED if order.workload.recipe.batch <= 4 else Outcome.OUT_OF_MEMORY
    )
    here = ("--run", "run.jsonl", "--resume", "--on-oom", "halve", *CPU)
    answer(capsys, "--batch", "8,3", *here)
    results = answer(capsys, "--batch", "3", *here)["results"]
    assert [result["recipe"]["batch"] for result in results] == [3]
    results = answer(capsys, "--batch", "8", *here)["results"]
    assert [result["recipe"]["batch"] for result in results] == [8, 4]


def test_the_result_can_go_to_a_file(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild
) -> None:
    arguments = ("cifar-resnet8", "--batch", "2", *CPU, "--run", "run.jsonl", "-o")
    code, out, err = run(capsys, *arguments, "x.csv")
    assert (code, out) == (0, "")
    assert err == "samples are in run.jsonl\nwrote x.csv\n"
    assert len(list(csv.DictReader(io.StringIO(Path("x.csv").read_text())))) == 2
    child.orders.clear()
    code, _, _ = run(capsys, *arguments, "x.csv", "--resume")
    assert code == 2  # the file exists, which is found out before anything runs
    assert child.orders == []


# What it refuses.

TRAIN_GRAPH = ("--mode", "train", "--engine", "graph")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--metric", "speed"], "latency, throughput"),
        (["--metric", ""], "latency, throughput"),
        (["--device", "gpu0"], "cuda"),
        (["--device", "cuda:"], "cuda:1"),
        (["--device", "CPU"], "cpu"),
        (["--time-limit", "60"], "60s"),
        (["--time-limit", "0s"], "60s"),
        (["--time-limit", "x"], "60s"),
        (["--target-ci", "5"], "5%"),
        (["--target-ci", "100%"], "below 100%"),
        (["--launches", "0"], "1 to 1,000"),
        (["--launches", "1001"], "1 to 1,000"),
        (["--launches", "six"], "1 to 1,000"),
        (["--resume"], "--run"),
        (["--run", "."], "--run"),
        (["--run", "/dev/null"], "--run"),
        (["--batch", "1,0"], "1 to"),
        (["--batch", ""], "1 to"),
        (["--precision", "fp8"], "bf16"),
        (["--on-oom", "explode"], "resprof bench --help"),
        (["--stages", "--engine", "compile"], "--stages"),
        (["--stages", "--engine", "graph", "--device", "cuda"], "--stages"),
        (["--stages", "--metric", "throughput"], "latency"),
        (["--precision", "tf32", *CPU], "--device cuda"),
        (["--engine", "graph", *CPU], "--device cuda"),
        (["--cudnn-benchmark", *CPU], "--device cuda"),
        # A CPU that is found by looking, not asked for.
        (["--precision", "tf32"], "--device cuda"),
        (["--engine", "graph"], "--device cuda"),
        (["--cudnn-benchmark"], "--device cuda"),
        (["--precision", "fp32,tf32"], "--device cuda"),
        (["--optimizer", "sgd"], "--mode train"),
        (["--optimizer-impl", "fused"], "--mode train"),
        (["--accumulate", "2"], "--mode train"),
        (["--checkpoint", "block"], "--mode train"),
        ([*TRAIN_GRAPH, "--precision", "amp-fp16", "--device", "cuda"], "amp-bf16"),
        (["--json", "--csv"], "one format"),
        (["--force"], "-o"),
    ],
)
def test_bad_input_is_two_lines_and_nothing_runs(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild, arguments: list[str], word: str
) -> None:
    code, out, err = run(capsys, "cifar-resnet8", *arguments)
    assert (code, out) == (2, "")
    error, hint = err.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    assert word in hint
    assert child.orders == []
    assert not list(Path("reports").rglob("*.jsonl"))


def test_what_options_alone_rule_out_is_refused_before_anybody_looks_at_the_machine(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str | None] = []
    monkeypatch.setattr(launches, "probe_environment", looked.append)
    code, _, _ = run(capsys, "cifar-resnet8", "--precision", "tf32", *CPU, "--run", "run.jsonl")
    assert code == 2
    assert looked == []
    assert not Path("run.jsonl").exists()


def test_an_unknown_network_is_two_lines(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild
) -> None:
    code, out, err = run(capsys, "cifar-resnet8", "resnet5O")
    assert (code, out) == (2, "")
    assert err.splitlines()[1] == "hint: did you mean resnet50?"
    assert child.orders == []


def test_a_run_from_elsewhere_is_two_lines(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(capsys, "--batch", "2", "--run", "run.jsonl")
    on_a_gpu(child, monkeypatch)
    child.orders.clear()
    code, out, err = run(capsys, "cifar-resnet8", "--run", "run.jsonl", "--resume")
    assert (code, out) == (2, "")
    error, hint = err.splitlines()
    assert "gpu.name was None there and is a GPU here" in error
    assert "--run" in hint
    assert child.orders == []


# What it says beside.


def test_a_configuration_that_failed_is_named_and_the_others_are_printed(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild
) -> None:
    child.becomes = lambda order: (
        Outcome.FAILED if order.workload.recipe.batch == 1 else Outcome.MEASURED
    )
    code, out, err = run(capsys, "cifar-resnet8", "--batch", "1,2", *CPU, "--json")
    assert code == 4
    failed, good = json.loads(out)["results"]
    assert (failed["outcome"], good["outcome"]) == ("failed", "measured")
    first, second = err.splitlines()
    assert first == f"not measured: {failed['key']}: {failed['outcome']}"
    assert second.startswith("samples are in ")


def test_out_of_memory_is_an_answer(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild
) -> None:
    child.becomes = lambda order: Outcome.OUT_OF_MEMORY
    code, out, err = run(capsys, "cifar-resnet8", "--batch", "2", *CPU)
    assert code == 0
    assert "out of memory" in out
    assert "launch" not in out  # nor is there anything to say of a figure's interval
    assert "not measured" not in err


def test_a_configuration_without_a_figure_leaves_what_the_others_share_in_the_subtitle(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild
) -> None:
    child.becomes = lambda order: (
        Outcome.MEASURED if order.workload.recipe.batch == 1 else Outcome.OUT_OF_MEMORY
    )
    _, out, _ = run(capsys, "cifar-resnet8", *CPU)
    assert out.splitlines()[1].startswith("infer, 32x32, fp32, contiguous, eager, 1 launch; ")


def test_what_is_out_of_the_ordinary_stands_in_the_subtitle(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_gpu(child, monkeypatch)
    network = ("--classes", "7", "--in-channels", "1", "--width", "0.5")
    _, out, _ = run(capsys, "cifar-resnet8", *network, "--cudnn-benchmark")
    common = "classes 7, channels 1, width 0.5, infer, 32x32, fp32, contiguous, eager"
    assert out.splitlines()[1].startswith(f"{common}, cudnn.benchmark, 1 launch; ")


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_is_told_on_a_terminal_only_and_never_while_a_child_measures(
    capsys: pytest.CaptureFixture[str],
    child: ScriptedChild,
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    said: list[str] = []

    def rounds(workload: Workload, launch: int) -> list[Round]:
        said.append(capsys.readouterr().err)
        return rounds_of(workload, launch, 6)

    child.rounds = rounds
    run(capsys, "cifar-resnet8", "--batch", "1,2", *CPU)
    told = ["[1/2] cifar-resnet8 infer batch 1 fp32\n", "[2/2] cifar-resnet8 infer batch 2 fp32\n"]
    assert said == (told if terminal else ["", ""])


def test_what_would_spoil_a_measurement_is_said_first_and_kept_as_a_note(
    capsys: pytest.CaptureFixture[str], child: ScriptedChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        launches,
        "host_state",
        lambda: replace(quiet(), busy_share=0.5, virtual=True),
    )
    code, out, err = run(capsys, "cifar-resnet8", "--batch", "2", *CPU, "--json")
    assert code == 0
    warning, samples = err.splitlines()
    assert warning.startswith("warning: The cores were 50% busy")
    assert warning.endswith("Try: top")
    assert samples.startswith("samples are in ")
    notes = json.loads(out)["notes"]
    assert {note["code"] for note in notes} == {"cpu-busy", "virtual-machine"}
    assert notes[0]["message"] in warning
