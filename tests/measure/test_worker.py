"""Children end with their parent from the start, and tell it of errors in two lines."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from resprof.answers.gpu.validation import _in_own_process, workloads
from resprof.errors import NotMeasured, UsageError
from resprof.measure import worker
from resprof.measure.worker import Ended, ask_worker, command, explain, run_worker
from tests.answers.bench.stand_in import ends_soon, is_running

_PARENT = """
import subprocess, sys
subprocess.Popen(sys.argv[1:]).wait()
"""
_SLOW = """
import os, pathlib, time
pathlib.Path("pid").write_text(str(os.getpid()))
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems bind no process to its parent")
def test_a_child_that_still_loads_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(_SLOW)
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, *command("slow:main")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}"},
    )
    written = tmp_path / "pid"
    _wait(lambda: written.exists() and written.read_text() != "")
    child = int(written.read_text())
    assert is_running(child)
    parent.kill()
    parent.wait()
    assert ends_soon(child)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems bind no process to its parent")
def test_a_child_whose_parent_was_killed_before_it_was_bound_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("def main(order, emit):\n    emit('at work')\n")
    path = f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}"

    def run(environment: dict[str, str]) -> tuple[int, str]:
        done = subprocess.run(
            command("slow:main"),
            input="null",
            env=os.environ | environment | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    assert run({"RESPROF_PARENT": str(os.getpid())}) == (0, "at work\n")
    assert run({}) == (0, "at work\n")  # by hand
    # Whoever has inherited it is the parent of another process.
    assert run({"RESPROF_PARENT": str(os.getppid())}) == (1, "")


def test_an_explanation_is_two_lines(capfd: pytest.CaptureFixture[str]) -> None:
    code = explain(UsageError("a\nmessage", hint="of\nlines"))
    lines = capfd.readouterr().err.splitlines()
    assert lines == ["error: a message", "hint: of lines"]
    with pytest.raises(UsageError, match="a message"):
        ended(code, lines).raise_explained()


def ended(code: int, lines: Sequence[str]) -> Ended:
    return Ended(code=code, said=tuple(lines), late_s=None)


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not until():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_a_child_explains_is_raised() -> None:
    lines = ["error: an earlier one", "hint: none", "error: no such thing", "hint: ask for another"]
    lines = ["a library warns", *lines, "and says goodbye"]
    with pytest.raises(UsageError, match="no such thing") as raised:
        ended(UsageError.exit_code, lines).raise_explained()
    assert raised.value.hint == "ask for another"


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        (UsageError.exit_code, []),
        (UsageError.exit_code, ["error: no such thing"]),
        (UsageError.exit_code, ["ValueError: broken", "hint: none"]),
        (UsageError.exit_code, ["error: no such thing", "a warning", "hint: another"]),
        (0, ["error: no such thing", "hint: another"]),
        (1, ["error: no such thing", "hint: another"]),
        (70, ["error: no such thing", "hint: another"]),
        (-9, ["error: no such thing", "hint: another"]),
    ],
)
def test_anything_else_is_not(code: int, lines: list[str]) -> None:
    ended(code, lines).raise_explained()


_TASKS = """
import os, sys, time
def say(order, emit):
    print("a library says something"); os.write(1, b"and something else\\n")
    emit(f"{order} and"); emit("more\\n")
def hang(order, emit):
    emit("begun")
    time.sleep(600)
def chatter(order, emit):
    for number in range(200_000):
        print("a warning", number, file=sys.stderr)
    raise SystemExit(9)
"""


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tasks.py").write_text(_TASKS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_only_what_is_emitted_comes_back(tasks: None) -> None:
    assert ask_worker("tasks:say", {"a": 1}, name="it") == "{'a': 1} and\nmore"


def test_a_worker_that_is_late_is_ended_and_what_it_said_is_kept(tasks: None) -> None:
    lines: list[str] = []
    late = run_worker(command("tasks:hang"), None, sink=lines.append, limit_s=2.0)
    assert (lines, late.late_s, late.why) == (["begun"], 2.0, "still running after 2 s")
    with pytest.raises(NotMeasured, match="it did not end within 2 s"):
        ask_worker("tasks:hang", None, name="it", limit_s=2.0)


def test_what_is_said_last_is_kept_and_no_more(tasks: None) -> None:
    said = run_worker(command("tasks:chatter"), None, sink=print).said
    assert said[-1] == "a warning 199999"
    assert len(said) < 10_000


def test_a_task_that_is_not_there_is_a_failure(tasks: None) -> None:
    with pytest.raises(NotMeasured, match="it failed: ModuleNotFoundError"):
        ask_worker("nothing:at_all", None, name="it")


_TAKEN = "open({!r}, 'a').write(__name__)\nraise ImportError('not a library')\n"
_SCRIPT = "import sys; sys.path[0] = '/nowhere'; from resprof.__main__ import run; run()"
"""As the installed program: Python puts the folder of the script first."""
_BENCH = ("bench", "cifar-resnet8", "--batch", "1", "--device", "cpu", "--time-limit", "1s")


@pytest.fixture
def taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder has files that are called as libraries; one that is loaded makes this."""
    names = ("torch", "numpy", "random", "json", "tempfile", "subprocess", "multiprocessing")
    for name in names:
        (tmp_path / f"{name}.py").write_text(_TAKEN.format(str(tmp_path / "taken")))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return tmp_path / "taken"


@pytest.mark.parametrize(
    "arguments",
    [("-m", "resprof", "doctor"), ("-c", _SCRIPT, "doctor"), ("-m", "resprof", *_BENCH)],
    ids=["module", "script", "bench"],
)
def test_nothing_is_loaded_from_the_folder_that_a_user_is_in(
    taken: Path, arguments: tuple[str, ...]
) -> None:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not taken.exists(), taken.read_text()
    assert done.returncode in {0, 1}, done.stderr


def test_nor_is_it_by_the_process_that_judges_a_prediction(taken: Path) -> None:
    architecture, recipe = next(workloads(["cifar-resnet8"]))
    assert _in_own_process(architecture, recipe).measured_bytes > 0
    assert not taken.exists(), taken.read_text()


def test_what_a_user_names_himself_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('his own')")
    done = subprocess.run(
        [sys.executable, "-m", "resprof", "doctor"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "his own" in done.stdout


_WHERE = """
from resprof.measure import worker
def main(order, emit):
    emit(worker.__file__)
"""


def test_a_child_is_of_the_same_resprof(tmp_path: Path) -> None:
    """Not of another that is installed, where this one was found in the folder it was run in."""
    (tmp_path / "resprof").mkdir()
    (tmp_path / "resprof" / "__init__.py").touch()
    (tmp_path / "where.py").write_text(_WHERE)
    done = subprocess.run(
        command("where:main"),
        input="null",
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()) == Path(worker.__file__)
