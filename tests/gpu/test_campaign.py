"""The campaign on scripted steps: budgets, resumption, what is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from resprof.cli.main import app
from tests.gpu.campaign import DONE, LOG, Step, campaign, collect, steps


def _step(name: str, code: str, budget_s: int = 20, output: str | None = None) -> Step:
    return Step(name=name, budget_s=budget_s, command=(sys.executable, "-c", code), output=output)


def test_a_step_that_fails_or_runs_over_leaves_the_others_their_time(tmp_path: Path) -> None:
    ran = campaign(
        [
            _step("fails", "raise SystemExit(70)"),
            _step("hangs", "print('half', flush=True); import time; time.sleep(600)", 1, "h.txt"),
            _step("works", "print('all')", output="w.txt"),
        ],
        tmp_path,
    )
    assert [line["code"] for line in ran] == [70, -1, 0]
    assert (tmp_path / "h.txt").read_text() == "half\n"
    assert (tmp_path / "w.txt").read_text() == "all\n"
    assert (tmp_path / LOG).read_text().count("== ") == 3


def test_what_has_answered_is_not_run_again_and_a_no_is_an_answer(tmp_path: Path) -> None:
    chosen = [
        _step("yes", "pass"),
        _step("no", "raise SystemExit(1)"),
        _step("bug", "raise SystemExit(70)"),
    ]
    campaign(chosen, tmp_path)
    chosen = [*chosen[:2], _step("bug", "raise SystemExit(0)")]
    again = campaign(chosen, tmp_path)
    assert [line["step"] for line in again] == ["bug"]
    assert campaign(chosen, tmp_path) == []
    assert len((tmp_path / DONE).read_text().splitlines()) == 4


def test_histories_come_back_as_one_file(tmp_path: Path) -> None:
    steps(tmp_path)
    (tmp_path / "histories" / "00-resnet18.jsonl").write_text("{}\n")
    collect(tmp_path)
    assert (tmp_path / "histories.tar.xz").stat().st_size > 0


def test_it_fits_into_the_visit_and_its_files_into_what_comes_back(tmp_path: Path) -> None:
    chosen = steps(tmp_path)
    assert len({step.name for step in chosen}) == len(chosen)
    outputs = {step.output for step in chosen if step.output}
    # Beside them: log, list of steps, run file, calibration, histories.
    assert len(outputs) + 5 <= 8


@pytest.mark.parametrize("number", range(12))
def test_every_step_is_a_command_whose_options_exist(number: int, tmp_path: Path) -> None:
    step = steps(tmp_path)[number]
    if "pytest" in step.command:
        return
    name = step.command[3]
    shown = subprocess.run(
        [sys.executable, "-m", "resprof", name, "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert name in {command.name for command in app.registered_commands}
    for option in (part for part in step.command if part.startswith("--")):
        assert option in shown
