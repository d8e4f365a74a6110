"""Validation on the CPU: what it says of a prediction that is right, and of one that is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from resprof.answers.gpu import validation
from resprof.answers.gpu.validation import validate_on_cpu, workloads
from resprof.answers.memory.traces import LivePeaks
from resprof.cli.main import main
from resprof.model.architecture import Architecture
from resprof.model.recipe import Phase, Recipe


def judge(predicted: int, measured: int = 1_000_000) -> LivePeaks:
    return LivePeaks(predicted={Phase.FORWARD: predicted}, measured={Phase.FORWARD: measured})


@pytest.mark.parametrize(
    ("predicted", "within"),
    [(1_000_000, True), (1_000_500, True), (1_000_501, False), (999_500, True), (999_499, False)],
)
def test_the_tolerance_is_kept_to_the_byte(predicted: int, within: bool) -> None:
    def scripted(_: Architecture, __: Recipe) -> LivePeaks:
        return judge(predicted)

    result = validate_on_cpu(tuple(workloads(["resnet18"])), tolerance=0.0005, judge=scripted)
    assert [row.within for row in result.rows] == [within] * len(result.rows)
    assert result.rows[0].peaks.error == pytest.approx(predicted / 1_000_000 - 1)


def test_the_recipes_cover_what_changes_memory() -> None:
    recipes = [recipe for _, recipe in workloads(["resnet18"])]
    assert len({recipe.mode for recipe in recipes}) == 2
    for field in ("optimizer", "precision", "checkpoint", "accumulate"):
        assert len({getattr(recipe, field) for recipe in recipes}) > 1


def test_a_real_run_agrees_within_the_tolerance(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "cifar-resnet20", "--json"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    parsed = json.loads(out)
    assert parsed["environment"]["machine"]["cores"]
    rows = parsed["results"][0]["rows"]
    assert len(rows) == 5
    for row in rows:
        assert row["within"] is True
        assert row["measured_bytes"] > 0
        assert abs(row["predicted_bytes"] / row["measured_bytes"] - 1) <= 0.0005


def test_a_prediction_outside_is_an_answer_and_exit_code_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "_in_own_process", lambda *_: judge(2_000_000))
    assert main(["validate", "resnet18"]) == 1
    assert "0 of 5 within 0.05%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--device", "tpu"], 2),
        (["--tolerance", "x"], 2),
        (["resnet5O"], 2),
    ],
)
def test_bad_input_gets_two_lines(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    assert main(["validate", *arguments]) == code
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.fixture
def dying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets the judge do that in the place of its task."""

    def of(ending: str) -> None:
        (tmp_path / "dying.py").write_text(f"import os, signal\ndef judge(*_):\n    {ending}\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr(validation, "TASK", "dying:judge")

    return of


@pytest.mark.parametrize(
    ("dies_of", "said", "advice"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "cifar-resnet8 was killed", "memory"),
        ("raise RuntimeError('half')", "cifar-resnet8 failed: RuntimeError: half", "report"),
    ],
)
def test_a_process_that_ends_before_its_time_is_not_a_bug(
    dying: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
    dies_of: str,
    said: str,
    advice: str,
) -> None:
    dying(dies_of)
    assert main(["validate", "cifar-resnet8"]) == 4
    error, hint = capsys.readouterr().err.splitlines()
    assert said in error
    assert advice in hint
