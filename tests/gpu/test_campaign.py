"""The campaign on scripted steps: budgets, resumption, what is kept."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.answers.bench.stand_in import ends_soon
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


def test_each_kind_of_step_has_answers_of_its_own(tmp_path: Path) -> None:
    kinds = {step.command[1:3]: step.answers for step in steps(tmp_path)}
    assert kinds["-m", "resprof"] == (0, 1, 4)
    assert kinds["-m", "pytest"] == (0, 1)  # 5 is that no test was found
    assert kinds["tests/bench/measuring.py", "agreement"] == (0,)  # 1 may be a traceback
    broken = replace(_step("script", "raise SystemExit(1)"), answers=(0,))
    assert [len(campaign([broken], tmp_path)) for _ in range(2)] == [1, 1]


def test_what_ends_the_campaign_ends_the_step(tmp_path: Path) -> None:
    written = tmp_path / "pid"
    code = f"import os, time; open({str(written)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    caller = f"""
from pathlib import Path
from tests.gpu.campaign import Step, campaign
import sys
step = Step(name="a", budget_s=600, command=(sys.executable, "-c", {code!r}))
campaign([step], Path({str(tmp_path)!r}))
"""
    process = subprocess.Popen([sys.executable, "-c", caller], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 20
    while not (written.exists() and written.read_text()):
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=20)
    assert ends_soon(int(written.read_text()))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(["here", "--to", "./here"], "folder itself"), (["here", "no-such-step"], "bench-train")],
)
def test_a_command_line_that_cannot_be_meant_is_refused(
    tmp_path: Path, arguments: list[str], why: str
) -> None:
    program = Path(campaign.__code__.co_filename).resolve()
    done = subprocess.run(
        [sys.executable, program, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert why in done.stderr
    assert list(tmp_path.iterdir()) == []


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


NAMES = tuple(step.name for step in steps(Path("folder")))


@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_a_command_whose_options_exist(name: str, tmp_path: Path) -> None:
    (command,) = (step.command for step in steps(tmp_path) if step.name == name)
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
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", shown), option
