"""`resprof memory` and `resprof budget` as a user types them, on a cache of the test's own."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from resprof.answers.memory.budget import BudgetResult, GridRow
from resprof.cli.main import main
from resprof.counting.cost import count
from resprof.memory.allocator import MemoryPeak
from resprof.memory.budget import BudgetRow
from resprof.memory.overlay import Calibration, calibration_text
from resprof.memory.prediction import MemoryResult, StagePrediction
from resprof.model.networks import resolve
from resprof.model.recipe import Recipe

SMALL = ["cifar-resnet20", "--batch", "32"]
MIB = 2**20
CALIBRATION = Calibration(
    device="NVIDIA A10",
    capability=(8, 6),
    torch="2.13.0",
    driver=None,
    date="2026-11-25T00:00:00+00:00",
    total_bytes=2**34,
    context_bytes=300 * MIB,
    cublas_bytes=8 * MIB,
    cublas_handles=2,
)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def results(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    _, out, err = run(capsys, *arguments, "--json")
    assert err == ""
    found: list[dict[str, Any]] = json.loads(out)["results"]
    return found


def test_the_json_of_memory_is_its_record(capsys: pytest.CaptureFixture[str]) -> None:
    (result,) = results(capsys, "memory", *SMALL)
    named = {"total", "timeline"} | {field.name for field in fields(MemoryResult)} - {"phases"}
    assert set(result) == named
    assert list(result["peak"]) == [field.name for field in fields(MemoryPeak)]
    assert list(result["rows"][0]) == [field.name for field in fields(StagePrediction)]


def test_levels_are_in_order_and_parts_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    (result,) = results(capsys, "memory", *SMALL)
    peak = result["peak"]
    assert (
        peak["requested_bytes"]
        <= peak["allocated_bytes"]
        <= peak["reserved_bytes"]
        < peak["process_bytes"]
    )
    assert sum(part["bytes"] for part in result["at_peak"]) == peak["allocated_bytes"]
    assert sum(row["at_peak_bytes"] for row in result["rows"]) == peak["allocated_bytes"]
    assert sum(row["activation_bytes"] for row in result["rows"]) == result["activation_bytes"]
    for level, value in peak.items():
        assert result["band"]["low"][level] <= value <= result["band"]["high"][level]


def test_parameters_at_the_peak_are_those_of_the_walk(capsys: pytest.CaptureFixture[str]) -> None:
    """Each parameter takes its 4 bytes, rounded up to 512 as the allocator does."""
    (result,) = results(capsys, "memory", *SMALL)
    (parameters,) = (p["bytes"] for p in result["at_peak"] if p["kind"] == "parameter")
    exact = 4 * count(resolve("cifar-resnet20")).total.params
    tensors = 1 + 3 * 19 + 1  # a weight per convolution, two vectors per batch norm, fc's two
    assert exact <= parameters <= exact + 512 * tensors


def test_lists_of_batches_and_precisions_give_a_result_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = results(
        capsys, "memory", "cifar-resnet20", "--batch", "8,16", "--precision", "fp32,amp-bf16"
    )
    recipes = [(r["recipe"]["precision"], r["recipe"]["batch"]) for r in found]
    assert recipes == [("fp32", 8), ("fp32", 16), ("amp-bf16", 8), ("amp-bf16", 16)]
    assert found[1]["activation_bytes"] > found[0]["activation_bytes"]
    assert found[3]["activation_bytes"] < found[1]["activation_bytes"]


def test_a_csv_has_recipe_and_peaks_in_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["memory", "cifar-resnet20", "--batch", "8,16", "--expandable"]
    found = results(capsys, *arguments)
    _, out, _ = run(capsys, *arguments, "--csv")
    rows = iter(csv.DictReader(io.StringIO(out)))
    for result in found:
        peak, band = result["peak"], result["band"]
        above = {"model": "cifar-resnet20", "allocator": "expandable"}
        above |= {key: _as_text(value) for key, value in result["recipe"].items()}
        above |= {f"peak_{key}": str(value) for key, value in peak.items()}
        above |= {
            f"band_{side}_allocated_bytes": str(band[side]["allocated_bytes"])
            for side in ("low", "high")
        }
        for row in result["rows"]:
            assert next(rows) == above | {key: str(value) for key, value in row.items()}
    assert list(rows) == []


def test_a_csv_of_inference_leaves_training_empty(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "memory", *SMALL, "--mode", "infer", "--csv")
    (first, *_) = csv.DictReader(io.StringIO(out))
    assert {field.name for field in fields(Recipe)} <= first.keys()
    assert (first["mode"], first["optimizer"], first["accumulate"]) == ("infer", "", "")


def _as_text(value: object) -> str:
    if isinstance(value, list):
        return "x".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def test_a_device_says_how_large_the_cublas_workspaces_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nearly four times as much on compute capability 9.0, and that where no device is named."""
    (of_none,) = results(capsys, "memory", *SMALL)
    (of_h100,) = results(capsys, "memory", *SMALL, "--device", "h100-sxm")
    (of_t4,) = results(capsys, "memory", *SMALL, "--device", "t4")
    assert of_h100 == of_none
    workspaces = [
        part["bytes"]
        for result in (of_h100, of_t4)
        for part in result["at_peak"]
        if part["kind"] == "workspace"
    ]
    assert workspaces == [2 * 32 * MIB, 2 * 8.125 * MIB]
    _, out, _ = run(capsys, "memory", *SMALL, "--device", "t4")
    assert "8.125 MiB from the first matrix" in " ".join(out.split())


def test_a_budget_is_tight(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["budget", "cifar-resnet20", "--memory", "2GiB", "--margin", "0%"]
    (result,) = results(capsys, *arguments)
    answer = {"total", "max_batch", "limit_bytes", "peak"}
    assert set(result) == answer | {field.name for field in fields(BudgetResult)}
    assert list(result["rows"][0]) == [field.name for field in fields(BudgetRow)]
    batch = result["max_batch"]
    (at, over) = results(capsys, "memory", "cifar-resnet20", "--batch", f"{batch},{batch + 64}")
    assert at["peak"]["allocated_bytes"] <= result["limit_bytes"]
    assert over["peak"]["requested_bytes"] > result["limit_bytes"]
    limit = result["limit"]
    parts = limit["context_bytes"] + limit["used_bytes"] + limit["margin_bytes"]
    assert limit["total_bytes"] - parts == limit["limit_bytes"] == result["limit_bytes"]


def test_more_in_use_leaves_a_smaller_batch(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["budget", "cifar-resnet20", "--memory", "4GiB"]
    (free,) = results(capsys, *arguments)
    (busy,) = results(capsys, *arguments, "--used", "2GiB")
    assert 0 < busy["max_batch"] < free["max_batch"]


def test_a_grid_has_a_row_for_each_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    (result,) = results(capsys, "budget", "cifar-resnet8", "--memory", "1GiB", "--grid")
    assert len(result["grid"]) == 24
    assert list(result["grid"][0]) == [field.name for field in fields(GridRow)]
    kept = {
        (r["precision"], r["optimizer"], r["checkpoint"]): r["max_batch"] for r in result["grid"]
    }
    assert kept["fp32", "sgd", "block"] > kept["fp32", "sgd", "none"]
    assert kept["amp-bf16", "sgd", "none"] > kept["fp32", "sgd", "none"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["memory", "cifar-resnet20", "--batch", "8,"], "1 to"),
        (["memory", "cifar-resnet20", "--mode", "infer", "--checkpoint", "block"], "--mode train"),
        (["memory", "cifar-resnet20", "--device", "h101"], "or leave out --device"),
        (["memory", "cifar-resnet20", "--device", "mi300x"], "leave out --device"),
        (["budget", "cifar-resnet20", "--memory", "lots"], "80GiB"),
        (["budget", "cifar-resnet20", "--memory", "80GiB", "--margin", "-5%"], "0% to"),
        (["budget", "cifar-resnet20", "--memory", "80GiB", "--margin", "5"], "5%"),
        (["budget", "cifar-resnet20", "--memory", "400MiB"], "--memory"),
        (["budget", "cifar-resnet20", "--device", "h101"], "h100-sxm"),
        (["budget", "cifar-resnet20", "--device", "h101"], "or give --memory"),
        (["budget", "cifar-resnet20", "--device", "mi300x"], "--memory"),
    ],
)
def test_bad_input_gets_two_lines_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    error, hint = err.splitlines()
    assert error.startswith("error: ")
    assert word in hint


@pytest.mark.parametrize("device", ["h101", "mi300x"])
def test_memory_and_budget_refuse_a_device_in_the_same_words(
    capsys: pytest.CaptureFixture[str], device: str
) -> None:
    errors = [
        run(capsys, command, "cifar-resnet20", "--device", device)[2].splitlines()[0]
        for command in ("memory", "budget")
    ]
    assert errors[0] == errors[1]


@pytest.mark.parametrize("command", ["memory", "budget"])
def test_a_device_beside_a_calibration_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    file = tmp_path / "calibration.json"
    file.write_text(calibration_text(CALIBRATION))
    asked = [command, "cifar-resnet20", "--calibration", str(file)]
    assert run(capsys, *asked)[0] == 0
    code, out, err = run(capsys, *asked, "--device", "t4")
    assert (code, out) == (2, "")
    error, hint = err.splitlines()
    clash = {"memory": "both name the device", "budget": "each give the memory size"}[command]
    assert f"--device and --calibration {clash}" in error
    assert hint == "hint: give one of them"


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"record": "calibration"}', "\x00"])
def test_a_corrupt_calibration_is_two_lines(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str
) -> None:
    file = tmp_path / "calibration.json"
    file.write_text(content)
    code, _, err = run(capsys, "memory", "cifar-resnet20", "--calibration", str(file))
    assert code == 2
    assert len(err.splitlines()) == 2


def test_from_the_cache_no_torch_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "memory", *SMALL)
    run(capsys, "budget", "cifar-resnet20", "--memory", "2GiB")
    script = (
        "import sys; from resprof.cli.main import main; code = main(sys.argv[1:]); "
        "print(sorted({'torch', 'pandas', 'numpy'} & set(sys.modules)), file=sys.stderr); "
        "sys.exit(code)"
    )
    for arguments in (["memory", *SMALL], ["budget", "cifar-resnet20", "--memory", "2GiB"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0
        assert done.stderr == "[]\n"


def test_a_row_of_a_budget_stands_among_those_of_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = []
    for precision, memory in (("fp32", "2GiB"), ("amp-bf16", "3GiB")):
        asked = ("--precision", precision, "--memory", memory, "--csv")
        code, out, err = run(capsys, "budget", "cifar-resnet8", *asked)
        assert (code, err) == (0, "")
        rows += list(csv.DictReader(io.StringIO(out)))
    assert {row["mode"] for row in rows} == {"train"}
    assert [row["precision"] for row in rows] == ["fp32"] * 2 + ["amp-bf16"] * 2
    assert [int(row["total_bytes"]) for row in rows] == [2 * 2**30] * 2 + [3 * 2**30] * 2
    assert all(int(row["limit_bytes"]) < int(row["total_bytes"]) for row in rows)
    assert all(row["training"] == "sgd-momentum (foreach)" for row in rows)


@pytest.mark.parametrize(
    ("typed", "word"),
    [("h100", "did you mean"), ("H100-SMX", "h100-sxm"), ("tpu", "h100-sxm")],
)
def test_a_device_that_is_none_is_met_by_the_nearest(
    capsys: pytest.CaptureFixture[str], typed: str, word: str
) -> None:
    code, _, err = run(capsys, "budget", "resnet18", "--device", typed)
    assert code == 2
    assert word in err.splitlines()[1]


@pytest.mark.parametrize("command", ["memory", "budget"])
def test_a_precision_that_a_device_lacks_is_refused(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    asked = (command, "resnet18", "--device", "t4", "--precision", "amp-bf16")
    code, out, err = run(capsys, *asked)
    assert (code, out) == (2, "")
    assert "no bf16 arithmetic" in err


def test_a_batch_that_is_asked_for_twice_is_answered_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = results(capsys, "memory", "cifar-resnet8", "--batch", "8,1,8")
    assert [each["recipe"]["batch"] for each in found] == [8, 1]
