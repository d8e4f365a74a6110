"""`resprof roofline --run`: what a card reached of what it can do."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from resprof.answers.roofline.peaks import Peaks
from resprof.answers.roofline.roofline import Against, roofline_of_run
from resprof.answers.roofline.tables import overview_table, roofline_tables
from resprof.measure.run import Metric, Outcome
from resprof.measure.run_file import read_run
from resprof.model.recipe import Engine
from resprof.render.terminal import Screen, terminal
from tests.cli.scripted_rooflines import (
    CARD,
    INFER,
    PHASED,
    STAGED,
    STEP,
    TIMES,
    answer,
    notes,
    records,
    run,
)
from tests.factories import simple, steady, written


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A run with a network staged, a training step in phases, and a batch that did not fit."""
    failed = steady(1.0, outcome=Outcome.OUT_OF_MEMORY, rounds=2)
    none = replace(failed, latencies_s=(), throughputs_s=())
    run = records(
        (INFER, steady(0.0331)),
        (STEP, steady(0.061)),
        (replace(INFER, batch=4096), none),
        tiles=[STAGED, PHASED],
    )
    return str(written(tmp_path / "run.jsonl", run))


RESULT = (
    "model title recipe per fusion rows total bounds phases peaks measured_peaks measured_on key "
    "classes in_channels width flags"
)
BOUND = "bytes intensity bound memory_share least_time_s"
PUBLISHED = {
    "rows": f"phase stage block layer ops flops {BOUND} share attainable_time_s measured_time_s "
    "measured_flops_per_s achieved_share",
    "total": f"flops {BOUND} most_images_per_s attainable_time_s measured_by measured_time_s "
    "measured_flops_per_s measured_images_per_s achieved_share",
    "bounds": f"fusion passes {BOUND} most_images_per_s attainable_time_s achieved_share",
    "peaks": " ".join(field.name for field in fields(Peaks)),
}


def test_the_json_has_its_published_fields_in_order(
    capsys: pytest.CaptureFixture[str], file: str
) -> None:
    parsed = answer(capsys, "resnet50-v1.5", "--run", file, "--mode", "infer")
    assert parsed["environment"]["gpu"]["name"] == CARD
    (result,) = parsed["results"]
    assert list(result) == RESULT.split()
    for key, expected in PUBLISHED.items():
        found = result[key] if isinstance(result[key], list) else [result[key]]
        assert all(list(each) == expected.split() for each in found)


def test_each_stage_reaches_its_own_share(capsys: pytest.CaptureFixture[str], file: str) -> None:
    (result,) = answer(capsys, "--run", file, "--mode", "infer")["results"]
    assert [row["measured_time_s"] for row in result["rows"]] == list(TIMES)
    for row in result["rows"]:
        assert row["achieved_share"] == pytest.approx(row["least_time_s"] / row["measured_time_s"])
        rate = row["measured_flops_per_s"]
        assert rate == pytest.approx(row["flops"] / row["measured_time_s"])
    total = result["total"]
    assert total["measured_by"] == Metric.LATENCY
    assert total["measured_time_s"] == pytest.approx(0.0331)
    assert total["measured_images_per_s"] == pytest.approx(256 / 0.0331)
    for bound in result["bounds"]:
        share = bound["least_time_s"] / total["measured_time_s"]
        assert bound["achieved_share"] == pytest.approx(share)


def test_a_step_timed_by_phase_is_shown_by_phase(
    capsys: pytest.CaptureFixture[str], file: str
) -> None:
    arguments = ("--run", file, "--mode", "train")
    (result,) = answer(capsys, *arguments)["results"]
    times = {row["phase"]: row["measured_time_s"] for row in result["phases"]}
    assert times == {"forward": 0.02, "backward": 0.04, "optimizer": 0.001}
    for key in ("flops", "bytes"):
        assert sum(row[key] for row in result["phases"]) == result["total"][key]
    _, out, _ = run(capsys, *arguments)
    assert "By phase" in out
    stages, phases, *_ = roofline_tables_of(file, "train")
    assert "measured_time_s" not in [column.key for column in stages.columns]
    assert "measured_time_s" in [column.key for column in phases.columns]


def roofline_tables_of(file: str, mode: str, **wanted: object) -> list[Any]:
    found = roofline_of_run(read_run(Path(file)), {"mode": mode, **wanted}, Against(device=None))
    return roofline_tables(found.results, found.notes)


def test_several_workloads_are_a_row_each(capsys: pytest.CaptureFixture[str], file: str) -> None:
    parsed = answer(capsys, "--run", file)
    assert [result["recipe"]["mode"] for result in parsed["results"]] == ["infer", "train"]
    _, out, _ = run(capsys, "--run", file)
    assert out.startswith(f"2 workloads on {'A100 SXM4 80GB'}")
    assert "--batch" in out
    # What differs between workloads says whose it is, and what could not be measured is said.
    said = [note["message"] for note in parsed["notes"] if note["code"] == "l2"]
    assert [message.split(":")[0].split()[1] for message in said] == ["infer", "train"]
    (unmeasured,) = (note for note in parsed["notes"] if note["code"] == "not-measured")
    assert "--batch 4096" in unmeasured["message"]
    assert "out of memory" in unmeasured["message"]


@pytest.mark.parametrize(
    "chosen",
    [
        ["--mode", "train"],
        ["--batch", "128"],
        ["--optimizer", "sgd-momentum"],
        ["--accumulate", "1"],
        ["resnet50-v1.5", "--image", "224", "--classes", "1000", "--mode", "train"],
        ["resnet50", "--stride-in", "3x3", "--batch", "128", "--engine", "eager"],
    ],
)
def test_options_beside_a_run_pick_from_it(
    capsys: pytest.CaptureFixture[str], file: str, chosen: list[str]
) -> None:
    (result,) = answer(capsys, "--run", file, *chosen)["results"]
    assert result["recipe"]["mode"] == "train"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["resnet18"], "it has resnet50-v1.5 infer batch 256 amp-bf16; "),
        (["--batch", "7"], "resnet50-v1.5 train batch 128"),
        (["--batch", "0"], "1 to"),
        (["--accumulate", "x"], "1 to"),
        (["--batch", "4096"], "resprof bench"),
        (["--classes", "10"], "name it"),
        (["--fusion", "whole"], "always shown"),
        (["--device", "h101"], "h100-sxm"),
        (["--mode", "infer", "--device", "t4"], "fp16"),
    ],
)
def test_what_a_run_does_not_hold_is_two_lines(
    capsys: pytest.CaptureFixture[str], file: str, arguments: list[str], word: str
) -> None:
    code, out, err = run(capsys, "--run", file, *arguments)
    assert (code, out) == (2, "")
    error, hint = err.splitlines()
    assert error.startswith("error: ")
    assert word in hint


def test_a_run_that_cannot_be_read_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text("")
    code, _, err = run(capsys, "--run", str(broken))
    assert code == 2
    assert str(broken) in err.splitlines()[0]


def test_its_own_card_needs_no_remark_and_another_is_said_everywhere(
    capsys: pytest.CaptureFixture[str], file: str
) -> None:
    own = answer(capsys, "--run", file, "--mode", "infer", "--device", "a100-sxm4-80gb")
    assert not notes(own) & {"other-device", "memory-size", "clock", "mig"}
    assert own["results"] == answer(capsys, "--run", file, "--mode", "infer")["results"]
    other = answer(capsys, "--run", file, "--mode", "infer", "--device", "h100-sxm")
    assert "other-device" in notes(other)
    # The driver's report is of the card that ran, not of the one it is compared with.
    assert not notes(other) & {"memory-size", "clock", "mig"}
    _, out, _ = run(capsys, "--run", file, "--mode", "infer", "--device", "h100-sxm")
    first = out.splitlines()[0]
    assert "on H100 SXM5 80GB" in first
    assert first.endswith(f"measured 33.10 ms on {CARD}")


def test_a_cpu_is_not_compared_with_a_card(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    on_cpu = str(written(tmp_path / "cpu.jsonl", simple(0.01)))
    for more in ([], ["--device", "h100-sxm"]):
        code, out, err = run(capsys, "--run", on_cpu, *more)
        assert (code, out) == (2, "")
        assert "CPU" in err.splitlines()[0]


def test_a_compiled_network_is_held_against_fused_passes(tmp_path: Path) -> None:
    compiled = replace(INFER, engine=Engine.COMPILE)
    found = roofline_of_run(records((compiled, steady(0.02))), {}, Against(device=None))
    (result,) = found.results
    assert result.fusion.value == "fused"
    assert result.total.bytes == result.bounds[1].bytes


@pytest.mark.parametrize("width", [120, 80, 40])
def test_screens_of_runs_hold_what_was_measured_at_every_width(file: str, width: int) -> None:
    for mode in ("infer", "train"):
        for table in roofline_tables_of(file, mode):
            text = terminal(table, Screen(width=width, ascii=True))
            assert text.isascii()
            # A word that is longer than the screen, such as a datasheet's file, is not cut.
            assert all(len(line) <= width or " " not in line for line in text.splitlines())
    (stages, *_) = roofline_tables_of(file, "infer")
    text = terminal(stages, Screen(width=width))
    for column in ("minimum time", "time", "of roofline"):
        assert column in text


def test_an_overview_holds_its_numbers_together(file: str) -> None:
    found = roofline_of_run(read_run(Path(file)), {}, Against(device=None))
    table = overview_table(found.results)
    keys = [column.key for column in table.columns]
    for row in table.rows:
        values = dict(zip(keys, row, strict=True))
        share, least, measured = (
            values[key] for key in ("achieved_share", "least_time_s", "measured_time_s")
        )
        assert isinstance(least, float)
        assert isinstance(measured, float)
        assert share == pytest.approx(least / measured)


def test_a_run_whose_samples_cannot_be_told_apart_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    once = records((INFER, steady(0.04)))
    for broken, why in ((once * 2, "twice"), (once[1:], "environment")):
        file = written(tmp_path / "run.jsonl", broken)
        code, out, err = run(capsys, "--run", str(file))
        assert (code, out) == (2, "")
        assert why in err
