"""Progress: a bar where a terminal can be redrawn, lines on others, nothing off a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

STEPS = """
import sys
from resprof.cli.progress import progress
with progress() as tell:
    tell(0, 0, "looking")
    tell(0, 2, "a first step")
    print("rich" in sys.modules, flush=True)
    tell(1, 2, "a second step")
"""
SHOWN = ["looking", "a first step", "a second step"]
CLEARED = "\x1b[2K"
"""The line is erased."""


def _at_a_terminal(**environment: str) -> tuple[str, str]:
    """What the steps print to standard output, and to a terminal that is standard error."""
    main, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", STEPS],
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
        env={**os.environ, "COLUMNS": "80", **environment},
    ) as process:
        out, _ = process.communicate(timeout=60)
    os.close(terminal)
    shown = b""
    while part := _read(main):
        shown += part
    os.close(main)
    assert process.returncode == 0
    return out, shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 2**16)
    except OSError:  # the other end has been closed
        return b""


def test_a_bar_goes_when_the_work_is_done() -> None:
    out, shown = _at_a_terminal(TERM="xterm-256color")
    assert out == "True\n"
    assert [step for step in SHOWN if step in shown] == SHOWN
    assert "0/2" in shown
    assert "1/2" in shown
    assert "about 1 s left" in shown
    _, _, after = shown.rpartition("a second step")
    assert CLEARED in after
    assert not after.rpartition(CLEARED)[2].strip()


def test_a_terminal_that_cannot_be_redrawn_gets_lines() -> None:
    out, shown = _at_a_terminal(TERM="dumb")
    assert out == "False\n"
    assert shown.split("\r\n") == ["looking", "[1/2] a first step", "[2/2] a second step", ""]


@pytest.mark.parametrize("color", [False, True])
def test_no_colour_is_honoured(color: bool) -> None:
    _, shown = _at_a_terminal(TERM="xterm-256color", **({} if color else {"NO_COLOR": "1"}))
    assert ("\x1b[38;" in shown) is color


def test_off_a_terminal_nothing_is_told_and_rich_is_not_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert done.stderr == ""
