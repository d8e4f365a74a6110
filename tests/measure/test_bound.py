"""Children end with their parent from the start, and tell it of errors in two lines."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from resprof.errors import EnvironmentMissing, UsageError
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
