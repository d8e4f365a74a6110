"""Runs the command line in this process as on a terminal of a given width, or through a pipe."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from resprof.cli.main import main
from tests.frozen.commands import Form

_REPOSITORY = Path(__file__).parents[2]
_INPUTS = Path(__file__).parent / "inputs"
_UNSET = (
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "FORCE_COLOR",
    "PY_COLORS",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "TERMINAL_WIDTH",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
    "GITHUB_ACTIONS",
    "RESPROF_TRACEBACK",
)
"""What of a caller's environment may change what is printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a user gets: the exit code, both streams, and the files that were written."""

    code: int
    out: str
    err: str
    written: dict[str, bytes]


class _Stream(io.TextIOWrapper):
    """A stream that takes itself for a terminal, or not; it has no file descriptor."""

    def __init__(self, *, encoding: str, terminal: bool) -> None:
        self.taken = io.BytesIO()
        self._terminal = terminal
        super().__init__(self.taken, encoding=encoding, newline="", errors="strict")

    def isatty(self) -> bool:
        return self._terminal

    def text(self) -> str:
        self.flush()
        return self.taken.getvalue().decode("utf-8")


def answer(arguments: list[str], form: Form) -> Answered:
    """Runs the command line in that form, in the current folder."""
    before = _files()
    terminal = form.columns is not None
    encoding = "ascii" if form.ascii else "utf-8"
    out = _Stream(encoding=encoding, terminal=terminal)
    err = _Stream(encoding=encoding, terminal=terminal)
    with _environment(form), _streams(out, err):
        code = main([*arguments, *form.options])
    after = _files()
    written = {name: content for name, content in after.items() if before.get(name) != content}
    return Answered(code=code, out=out.text(), err=err.text(), written=written)


@contextmanager
def folder() -> Iterator[None]:
    """A folder of its own with ``reports/runs`` as committed, and ``inputs``, as the current one.

    The inputs were written once, by the version that the answers are frozen of: runs, peaks, a
    calibration and histories of GPUs that nobody here has.
    """
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(_REPOSITORY / "reports" / "runs", Path(name) / "reports" / "runs")
        shutil.copytree(_INPUTS, Path(name) / "inputs")
        os.chdir(name)
        try:
            yield
        finally:
            os.chdir(before)


def _files() -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in sorted(Path().rglob("*")) if each.is_file()}


@contextmanager
def _environment(form: Form) -> Iterator[None]:
    kept = dict(os.environ)
    for name in _UNSET:
        os.environ.pop(name, None)
    os.environ["TERM"] = "xterm-256color"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if form.columns is not None:
        os.environ["COLUMNS"] = str(form.columns)
    if not form.color:
        os.environ["NO_COLOR"] = "1"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


@contextmanager
def _streams(out: _Stream, err: _Stream) -> Iterator[None]:
    """The originals too, which are asked for a width where no variable tells one."""
    names = ("stdout", "stderr", "__stdout__", "__stderr__")
    kept = {name: getattr(sys, name) for name in names}
    for name in names:
        setattr(sys, name, out if "out" in name else err)
    try:
        yield
    finally:
        for name, stream in kept.items():
            setattr(sys, name, stream)
