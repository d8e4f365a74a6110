"""The library's functions beside the commands', and what they refuse."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import resprof
from resprof.cli.main import main
from resprof.codec import to_plain
from resprof.errors import UsageError
from resprof.render.table import Column, Table
from tests.factories import ON_GPU, of, run_of, steady, with_gpu, written

SMALL = "cifar-resnet8"


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    main([str(argument) for argument in arguments])
    return capsys.readouterr().out


def results(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(printed(capsys, *arguments, "--json"))["results"]
    return found


def test_memory_is_what_the_command_gives(capsys: pytest.CaptureFixture[str]) -> None:
    of_step = ["--precision", "amp-bf16", "--optimizer", "adamw", "--optimizer-impl", "fused"]
    more = ["--accumulate", 2, "--checkpoint", "block", "--memory-format", "channels-last"]
    (theirs,) = results(
        capsys, "memory", SMALL, "--batch", 4, "--image", 48, *of_step, *more, "--expandable"
    )
    ours = resprof.predict_memory(
        SMALL,
        batch=np.int64(4),
        image=48,
        precision="amp-bf16",
        memory_format="channels-last",
        optimizer="adamw",
        optimizer_impl="fused",
        accumulate=2,
        checkpoint="block",
        expandable=True,
    )
    assert to_plain(ours) == theirs


def test_memory_by_default_is_what_the_command_gives(capsys: pytest.CaptureFixture[str]) -> None:
    assert [to_plain(resprof.predict_memory(SMALL))] == results(capsys, "memory", SMALL)
    forward = resprof.predict_memory(resprof.architecture(SMALL), mode="infer")
    assert [to_plain(forward)] == results(capsys, "memory", SMALL, "--mode", "infer")
    assert [to_plain(resprof.predict_memory(SMALL, device="t4"))] == results(
        capsys, "memory", SMALL, "--device", "t4"
    )


def test_budget_is_what_the_command_gives(capsys: pytest.CaptureFixture[str]) -> None:
    ours = resprof.budget(SMALL, memory=2**30)
    assert [to_plain(ours)] == results(capsys, "budget", SMALL, "--memory", "1GiB")
    assert resprof.budget(SMALL, memory="1GiB", used="0B", margin="5%") == ours
    tight = ["--used", "100MiB", "--margin", "10%", "--grid", "--precision", "bf16"]
    (theirs,) = results(capsys, "budget", SMALL, "--memory", "1GiB", *tight)
    with_less = resprof.budget(
        SMALL, memory="1GiB", used=100 * 2**20, margin=0.1, grid=True, precision="bf16"
    )
    assert to_plain(with_less) == theirs
    (on_t4,) = results(capsys, "budget", SMALL, "--device", "t4")
    assert to_plain(resprof.budget(SMALL, device="t4")) == on_t4


@pytest.mark.parametrize(
    ("ask", "word"),
    [
        (lambda: resprof.predict_memory("resnet51"), "resnet50"),
        (lambda: resprof.predict_memory(SMALL, mode="both"), "train"),
        (lambda: resprof.predict_memory(SMALL, batch=0), "1 to"),
        (lambda: resprof.predict_memory(SMALL, batch=None), "1 to"),  # type: ignore[arg-type]
        (lambda: resprof.predict_memory(SMALL, batch=1.5), "1 to"),  # type: ignore[arg-type]
        (lambda: resprof.predict_memory(SMALL, precision="fp8"), "bf16"),
        (lambda: resprof.predict_memory(SMALL, optimizer="lamb"), "adamw"),
        (lambda: resprof.predict_memory(SMALL, accumulate=0), "1 to"),
        (lambda: resprof.predict_memory(SMALL, mode="infer", checkpoint="block"), "--mode train"),
        (lambda: resprof.predict_memory(SMALL, calibration="no-such-file"), "calibrate"),
        (lambda: resprof.predict_memory(SMALL, device="h101"), "h100-sxm"),
        (lambda: resprof.predict_memory(resprof.architecture(SMALL), image=64), "architecture()"),
        (lambda: resprof.budget(SMALL), "--memory"),
        (lambda: resprof.budget(SMALL, memory="80G"), "80GiB"),
        (lambda: resprof.budget(SMALL, memory=80e9), "whole number of bytes"),  # type: ignore[arg-type]
        (lambda: resprof.budget(SMALL, memory=-1), "0 B or more"),
        (lambda: resprof.budget(SMALL, memory=2**70), "below 8388608 TiB"),
        (lambda: resprof.budget(SMALL, memory="1GiB", device="t4"), "one of them"),
        (lambda: resprof.budget(SMALL, device="mi300x"), "--memory"),
        (lambda: resprof.budget(SMALL, memory="1GiB", used=None), "80GiB"),  # type: ignore[arg-type]
        (lambda: resprof.budget(SMALL, memory="1GiB", margin=5), "0.05"),
        (lambda: resprof.budget(SMALL, memory="1GiB", margin=float("nan")), "0.05"),
        (lambda: resprof.budget(SMALL, memory="1GiB", margin="5"), "5%"),
        (lambda: resprof.budget(SMALL, memory="1GiB", margin=None), "5%"),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_exist_is_a_usage_error(ask: Callable[[], object], word: str) -> None:
    with pytest.raises(UsageError) as refusal:
        ask()
    assert word in refusal.value.hint


@pytest.mark.parametrize(
    "image", [224, np.int64(224), np.array(224), (224, 224), [224, 224], np.array([224, 224])]
)
def test_an_image_has_integers_of_any_type(image: Any) -> None:
    found = resprof.count("resnet50", image=image)
    assert found == resprof.count("resnet50")
    assert [type(side) for side in found.architecture.image] == [int, int]


@pytest.mark.parametrize(
    "image", [(224,), (1, 2, 3), (), 224.0, (224, 1.5), "224", "ab", object(), 0, -1, (224, 0)]
)
def test_any_other_image_is_a_usage_error(image: Any) -> None:
    with pytest.raises(UsageError) as refusal:
        resprof.count("resnet50", image=image)
    assert "image " in refusal.value.message
    assert refusal.value.hint


def test_an_architecture_has_its_image_already() -> None:
    with pytest.raises(UsageError, match="already"):
        resprof.count(resprof.architecture("resnet50"), image=160)


def test_classes_and_channels_are_integers_of_any_type() -> None:
    typed = resprof.architecture("resnet50", classes=np.int32(10), in_channels=np.uint8(1))
    assert typed == resprof.architecture("resnet50", classes=10, in_channels=1)
    assert (type(typed.classes), type(typed.in_channels)) == (int, int)
    with pytest.raises(UsageError, match=r"classes '10\.0'"):
        resprof.architecture("resnet50", classes=10.0)  # type: ignore[arg-type]


def _holds(found: pd.DataFrame, sheet: str) -> None:
    """The frame has the CSV's columns and, cell by cell, its values."""
    columns, *rows = csv.reader(io.StringIO(sheet))
    assert list(found.columns) == columns
    assert len(found) == len(rows) > 0
    for row, cells in zip(found.itertuples(index=False, name=None), rows, strict=True):
        for value, text in zip(row, cells, strict=True):
            if isinstance(value, tuple):
                assert text == "x".join(map(str, value))
            elif pd.isna(value):
                assert text == ""
            elif isinstance(value, (bool, np.bool_)):
                assert text == str(value).lower()
            elif isinstance(value, str):
                assert text.removeprefix("'") == value
            else:
                assert float(text) == value


@pytest.mark.parametrize(
    ("ask", "command"),
    [
        (lambda: resprof.architecture("resnet50"), ["show", "resnet50"]),
        (lambda: resprof.count("resnet50"), ["flops", "resnet50"]),
        (
            lambda: [resprof.count(name) for name in ("resnet18", "vgg16")],
            ["flops", "resnet18", "vgg16"],
        ),
        (lambda: resprof.paper("flops.table1"), ["paper", "--only", "flops.table1"]),
        (
            lambda: resprof.roofline("resnet18", "t4", per="block"),
            ["roofline", "resnet18", "--device", "t4", "--per", "block"],
        ),
        (lambda: resprof.predict_memory(SMALL), ["memory", SMALL]),
        (
            lambda: (resprof.predict_memory(SMALL, batch=batch) for batch in (1, 8)),
            ["memory", SMALL, "--batch", "1,8"],
        ),
        (lambda: resprof.budget(SMALL, memory="1GiB"), ["budget", SMALL, "--memory", "1GiB"]),
        (
            lambda: [resprof.budget(SMALL, memory="1GiB", grid=True)],
            ["budget", SMALL, "--memory", "1GiB", "--grid"],
        ),
    ],
)
def test_a_frame_has_the_rows_that_the_command_writes(
    capsys: pytest.CaptureFixture[str], ask: Callable[[], Any], command: list[str]
) -> None:
    _holds(resprof.frame(ask()), printed(capsys, *command, "--csv"))


@pytest.mark.parametrize("device", [ON_GPU, with_gpu("NVIDIA H100 80GB HBM3")])
def test_a_frame_of_runs_has_the_rows_that_compare_writes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, device: Any
) -> None:
    """On one device and between two."""
    before = written(
        tmp_path / "before.jsonl", run_of((of(1), [steady(0.001)] * 4), environment=ON_GPU)
    )
    after = written(
        tmp_path / "after.jsonl", run_of((of(1), [steady(0.0011)] * 4), environment=device)
    )
    found = resprof.frame(resprof.compare(before, after))
    _holds(found, printed(capsys, "compare", before, after, "--csv"))


def test_a_frame_of_a_table_has_its_rows() -> None:
    table = Table(
        name="some",
        title="Some",
        columns=(Column(key="what", title="what"), Column(key="bytes", title="bytes")),
        rows=(("a", 1), ("b", None)),
    )
    found = resprof.frame(table)
    assert list(found.columns) == ["what", "bytes"]
    assert list(found["what"]) == ["a", "b"]
    assert found["bytes"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    "given",
    [[], "resnet50", 3, [resprof.count("resnet18"), resprof.architecture("resnet18")]],
)
def test_what_has_no_rows_makes_no_frame(given: Any) -> None:
    with pytest.raises(UsageError) as refusal:
        resprof.frame(given)
    assert "list of what the same one" in refusal.value.hint
