"""Children end with their parent from the start, and tell it of errors in two lines."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from resprof.answers.gpu.validation import _in_own_process, workloads
from resprof.errors import EnvironmentMissing, UsageError
from resprof.measure import bound
from resprof.measure.bound import command, explain, inherited, raise_explained
from tests.jobs.stand_in import ends_soon, is_running

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
        [sys.executable, "-c", _PARENT, *command("slow")],
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
    (tmp_path / "slow.py").write_text("def main():\n    print('at work')\n    return 0\n")
    path = f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}"

    def run(environment: dict[str, str]) -> tuple[int, str]:
        done = subprocess.run(
            command("slow"),
            env=environment | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    assert run(inherited()) == (0, "at work\n")
    assert run(dict(os.environ)) == (0, "at work\n")  # by hand
    # Whoever has inherited it is the parent of another process.
    assert run(inherited() | {"RESPROF_PARENT": str(os.getppid())}) == (1, "")


def test_an_explanation_is_two_lines(capfd: pytest.CaptureFixture[str]) -> None:
    code = explain(UsageError("a\nmessage", hint="of\nlines"))
    lines = capfd.readouterr().err.splitlines()
    assert lines == ["error: a message", "hint: of lines"]
    with pytest.raises(UsageError, match="a message"):
        raise_explained(code, lines, [UsageError])


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not until():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_a_child_explains_is_raised() -> None:
    lines = ["error: an earlier one", "hint: none", "error: no such thing", "hint: ask for another"]
    lines = ["a library warns", *lines, "and says goodbye"]
    with pytest.raises(UsageError, match="no such thing") as raised:
        raise_explained(UsageError.exit_code, lines, [EnvironmentMissing, UsageError])
    assert raised.value.hint == "ask for another"


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        (UsageError.exit_code, []),
        (UsageError.exit_code, ["error: no such thing"]),
        (UsageError.exit_code, ["ValueError: broken", "hint: none"]),
        (UsageError.exit_code, ["error: no such thing", "a warning", "hint: another"]),
        (EnvironmentMissing.exit_code, ["error: no such thing", "hint: another"]),
        (1, ["error: no such thing", "hint: another"]),
        (None, ["error: no such thing", "hint: another"]),
    ],
)
def test_anything_else_is_not(code: int | None, lines: list[str]) -> None:
    raise_explained(code, lines, [UsageError])


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
from resprof.measure import bound
def main():
    print(bound.__file__)
    return 0
"""


def test_a_child_is_of_the_same_resprof(tmp_path: Path) -> None:
    """Not of another that is installed, where this one was found in the folder it was run in."""
    (tmp_path / "resprof").mkdir()
    (tmp_path / "resprof" / "__init__.py").touch()
    (tmp_path / "where.py").write_text(_WHERE)
    done = subprocess.run(
        command("where"),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()) == Path(bound.__file__)
