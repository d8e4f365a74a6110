"""The campaign on scripted steps: budgets, resumption, what is kept."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.gpu.campaign import CALIBRATION, DONE, LOG, Step, campaign, steps


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
    assert [line["code"] for line in ran] == [70, -signal.SIGINT, 0]
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


def test_a_step_that_runs_over_is_interrupted_and_says_what_it_has(tmp_path: Path) -> None:
    code = """
import time
try:
    print("begun", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    print("found so far")
    raise SystemExit(130)
"""
    (line,) = campaign([_step("long", code, 1, "l.txt")], tmp_path)
    assert line["code"] == 130
    assert (tmp_path / "l.txt").read_text() == "begun\nfound so far\n"


def test_what_does_not_fit_into_the_call_is_left_for_the_next(tmp_path: Path) -> None:
    chosen = [_step("long", "pass", 100), _step("short", "pass", 10)]
    assert [line["step"] for line in campaign(chosen, tmp_path, seconds=50)] == ["short"]
    assert [line["step"] for line in campaign(chosen, tmp_path, seconds=200)] == ["long"]


def test_what_came_of_each_step_is_brought_at_once(tmp_path: Path) -> None:
    folder, to = tmp_path / "folder", tmp_path / "to"
    (folder / "histories").mkdir(parents=True)
    (folder / "histories" / "00-resnet18.jsonl").write_text("{}\n")
    campaign([_step("first", "print(1)", output="first.txt")], folder, to=to)
    assert {file.name for file in to.iterdir()} == {LOG, DONE, "first.txt", "histories.tar.xz"}
    look = f"import os; print(sorted(os.listdir({str(to)!r})))"
    campaign([_step("second", look, output="second.txt")], folder, to=to)
    assert "first.txt" in (to / "second.txt").read_text()


def test_without_a_calibration_the_defaults_are_held(tmp_path: Path) -> None:
    tell = "import sys; print(sys.argv[1:])"
    words = ("--calibration", str(tmp_path / CALIBRATION), "--json")
    step = Step(name="a", budget_s=20, command=(sys.executable, "-c", tell, *words), output="a.txt")
    campaign([step], tmp_path)
    assert (tmp_path / "a.txt").read_text() == "['--json']\n"
    (tmp_path / CALIBRATION).write_text("{}")
    campaign([replace(step, name="b")], tmp_path)
    assert (tmp_path / "a.txt").read_text() == f"{list(words)}\n"


def test_its_files_are_no_more_than_come_back(tmp_path: Path) -> None:
    chosen = steps(tmp_path)
    assert len({step.name for step in chosen}) == len(chosen)
    outputs = {step.output for step in chosen if step.output}
    # Beside them: log, list of steps, run file, calibration, histories.
    assert len(outputs) + 5 <= 8


def test_one_call_holds_any_step_and_the_first_proves_the_predictions(tmp_path: Path) -> None:
    budgets = {step.name: step.budget_s for step in steps(tmp_path)}
    assert max(budgets.values()) < 540
    names = list(budgets)
    first = names[: names.index("validate") + 1]
    assert sum(budgets[name] for name in first) < 540


@pytest.mark.parametrize("number", range(17))
def test_every_step_is_a_command_whose_options_exist(number: int, tmp_path: Path) -> None:
    chosen = steps(tmp_path)
    assert len(chosen) == 17
    command = chosen[number].command
    if "pytest" in command:
        assert all(Path(word).exists() for word in command if word.startswith("tests/"))
        return
    ours = command[1:3] == ("-m", "resprof")
    shown = subprocess.run(
        [*command[: 4 if ours else 2], "--help"], capture_output=True, text=True, check=True
    ).stdout
    options = [word for word in command[2:] if word.startswith("--")]
    assert len(options) == len(set(options))
    for option in options:
        assert option in shown
