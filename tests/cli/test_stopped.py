"""Ctrl-C and SIGTERM at moments at which an exception is lost, or does harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from resprof.cli import stopped
from resprof.cli.commands import list as list_command
from resprof.cli.main import main

_SWALLOWING = """
import os, signal
try:
    os.kill(os.getpid(), signal.{name})
except BaseException as error:
    raise RuntimeError("half loaded") from error
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_library_that_is_being_loaded_cannot_turn_it_into_an_error(
    tmp_path: Path, name: str, code: int
) -> None:
    (tmp_path / "torch.py").write_text(_SWALLOWING.format(name=name))
    done = subprocess.run(
        [sys.executable, "-m", "resprof", "memory", "cifar-resnet8"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["error", "hint"]


def _then_go_on() -> None:
    """As torch's callbacks do that nobody hears."""


def _then_fail() -> None:
    raise RuntimeError("something else")


@pytest.mark.parametrize("after", [_then_go_on, _then_fail])
def test_one_that_was_swallowed_ends_the_command_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], after: Callable[[], None]
) -> None:
    def list_networks() -> int:
        with pytest.raises(stopped.Stopped):
            stopped._stop(signal.SIGINT, None)
        after()
        return 0

    monkeypatch.setattr(stopped, "_asked", [])
    monkeypatch.setattr(list_command, "list_networks", list_networks)
    assert main(["list"]) == 130
    error, hint = capsys.readouterr().err.splitlines()
    assert (error, hint) == ("error: interrupted", "hint: no file is left half-written")
