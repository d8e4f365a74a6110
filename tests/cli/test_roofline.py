"""`resprof roofline` as a user types it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from resprof.cli.main import main
from resprof.model.devices import device
from resprof.model.recipe import Precision, infer
from resprof.render.table import ASCII
from tests.factories import WORKLOAD, run_of, simple, steady, with_gpu, written

CARD = "NVIDIA A100-SXM4-80GB"


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["roofline", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def _measured(folder: Path, name: str, memory_bytes: int = 85_094_825_984) -> str:
    """ResNet-50 v1.5 at batch 256, half as fast as can be."""
    recipe = replace(infer(batch=256, image=(224, 224)), precision=Precision.AMP_BF16)
    workload = replace(WORKLOAD, model="resnet50-v1.5", classes=1000, recipe=recipe)
    environment = with_gpu(name)
    assert environment.gpu is not None
    environment = replace(environment, gpu=replace(environment.gpu, memory_bytes=memory_bytes))
    run = run_of((workload, [steady(0.1)]), environment=environment)
    return str(written(folder / "run.jsonl", run))


def test_csv_has_all_of_the_workload(capsys: pytest.CaptureFixture[str]) -> None:
    network = ("--image", "64", "--classes", "7", "--in-channels", "1", "--width", "0.5")
    training = ("--mode", "train", "--optimizer", "adam", "--memory-format", "channels-last")
    _, text, _ = _run(capsys, "resnet18", "--device", "t4", *network, *training, "--csv")
    expected = {
        "model": "resnet18",
        "classes": "7",
        "in_channels": "1",
        "width": "0.5",
        "mode": "train",
        "batch": "1",
        "image": "64x64",
        "precision": "fp32",
        "memory_format": "channels-last",
        "engine": "eager",
        "training": "adam (foreach)",
        "cudnn_benchmark": "false",
        "fusion": "unfused",
    }
    for row in csv.DictReader(io.StringIO(text)):
        assert {key: row[key] for key in expected} == expected


def test_a_run_is_held_against_its_own_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _measured(tmp_path, CARD)
    code, out, _ = _run(capsys, "resnet50-v1.5", "--run", run, "--json")
    assert code == 0
    (result,) = json.loads(out)["results"]
    card = device("a100-sxm4-80gb")
    assert card is not None
    assert result["peaks"]["flops_per_s"] == card.bf16_flops_per_s
    total = result["total"]
    assert 0 < total["achieved_share"] < 1
    assert total["achieved_share"] == pytest.approx(
        total["least_time_s"] / total["measured_time_s"]
    )


@pytest.mark.parametrize("name", ["NVIDIA H101 SXM", "a card", "NVIDIA A100-SXM4-80GB MIG 1g.10gb"])
def test_an_unknown_card_is_refused_and_not_guessed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    code, out, err = _run(capsys, "resnet50-v1.5", "--run", _measured(tmp_path, name))
    assert (code, out) == (2, "")
    assert "no datasheet" in err.splitlines()[0]
    assert "--device" in err.splitlines()[1]


@pytest.mark.parametrize(("memory_bytes", "said"), [(85_094_825_984, False), (42 * 10**9, True)])
def test_another_build_of_a_card_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], memory_bytes: int, said: bool
) -> None:
    """An A100 of 80 GB as CUDA reports it, and half of one."""
    run = _measured(tmp_path, CARD, memory_bytes)
    _, out, _ = _run(capsys, "resnet50-v1.5", "--run", run, "--json")
    assert ("memory-size" in {note["code"] for note in json.loads(out)["notes"]}) is said


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["resnet50", "--device", "h101"], "h100-sxm"),
        (["resnet50", "--device", "t4", "--optimizer", "adam"], "--mode train"),
        (["resnet5O", "--device", "t4"], "resnet50"),
        (["resnet50", "--run", "{folder}/none.jsonl"], "run file"),
        (["cifar-resnet8", "--run", "{folder}/cpu.jsonl"], "--device"),
        (["resnet50", "--run", "{folder}/cpu.jsonl"], ""),
    ],
)
def test_bad_input_gets_two_lines_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    written(tmp_path / "cpu.jsonl", simple(0.01))
    code, out, err = _run(capsys, *(each.format(folder=tmp_path) for each in arguments))
    assert (code, out) == (2, "")
    error, hint = err.splitlines()
    assert error.startswith("error: ")
    assert word in hint


@pytest.mark.parametrize("width", [120, 80, 40])
def test_no_number_is_cut_on_a_narrow_screen(width: int) -> None:
    from resprof.answers.roofline.roofline import Against, roofline
    from resprof.answers.roofline.tables import roofline_tables
    from resprof.model.networks import resolve
    from resprof.render.terminal import Screen, terminal

    found, notes = roofline(
        resolve("resnet50"), infer(batch=8, image=(224, 224)), Against(device=device("l4"))
    )
    for table in roofline_tables([found], notes):
        text = terminal(table, Screen(width=width, ascii=True))
        assert text == text.translate(ASCII)
        assert max(map(len, text.splitlines())) <= width


def test_no_torch_numpy_or_pandas_is_loaded() -> None:
    script = (
        "import sys; from resprof.cli.main import main; code = main(sys.argv[1:]); "
        "print(sorted({'torch', 'pandas', 'numpy'} & set(sys.modules)), file=sys.stderr); "
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "roofline", "resnet50", "--device", "a10"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "[]\n"
