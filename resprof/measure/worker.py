"""A process of its own for one task: how it is started, talked to, bound, ended and explained.

A task is ``module:function`` and is called with its order, which is of what JSON knows, and with
``emit``, which writes a line. The order goes in on stdin, lines come out of stdout, and what a
library prints goes to stderr. An error that resprof explains is two lines on stderr and its exit
code.

A worker is of the same resprof as its parent and takes no module from the folder that it happens to
be started in. It is bound to its parent before anything slow is loaded, and ends with it. The
system binds it to the thread that started it, which has to be one that waits for it.
"""

from __future__ import annotations

import ctypes
import importlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from resprof.codec import to_plain
from resprof.errors import EnvironmentMissing, NotMeasured, ResprofError, UsageError, lacking

Emit = Callable[[str], None]
"""Writes a line for the parent, which sees it at once."""

_DIE_WITH_PARENT = 1
"""Linux: PR_SET_PDEATHSIG of prctl(2)."""
_ORPHANED = 1
"""Nobody is there to read this exit code."""
_PARENT = "RESPROF_PARENT"
_ERROR, _HINT = "error: ", "hint: "
_EXPLAINED: tuple[type[ResprofError], ...] = (UsageError, EnvironmentMissing, NotMeasured)
_TAIL_BYTES = 64 * 1024
"""How much of a worker's stderr is read for its last words."""
_PACKAGE = Path(__file__).absolute().parents[1] / "__init__.py"
_START = """\
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("resprof", sys.argv[1])
sys.modules["resprof"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["resprof"])
from resprof.measure.worker import main
sys.exit(main(sys.argv[2]))
"""
"""Loads this very package from where it lies: what found it here may have been the folder."""


# The parent's side.


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a worker ended: its exit code, and the last of what it said on stderr, line by line.

    ``late_s`` is the limit after which it was killed, None where it ended before.
    """

    code: int
    said: tuple[str, ...]
    late_s: float | None

    @property
    def why(self) -> str:
        """Why it did not end well, in one line."""
        if self.late_s is not None:
            return f"still running after {self.late_s:g} s"
        if self.code < 0:
            name = signal.Signals(-self.code).name
            full = "; the system does that when memory runs out"
            return f"the process was ended by {name}{full if name == 'SIGKILL' else ''}"
        if not self.said:
            return f"the process ended with exit code {self.code}"
        return self.said[-1].strip().removeprefix(_ERROR)

    def raise_explained(self) -> None:
        """Raises the error that the worker explained in two lines, if it did.

        The last such lines count: a library may say something more at the exit.
        """
        for message, hint in reversed(list(itertools.pairwise(self.said))):
            if message.startswith(_ERROR) and hint.startswith(_HINT):
                for kind in _EXPLAINED:
                    if self.code == kind.exit_code:
                        raise kind(message.removeprefix(_ERROR), hint=hint.removeprefix(_HINT))
                return


def command(task: str) -> tuple[str, ...]:
    """The command line of a task's worker."""
    return sys.executable, "-P", "-c", _START, str(_PACKAGE), task


def run_worker(
    command: Sequence[str],
    order: object,
    *,
    sink: Callable[[str], None],
    limit_s: float | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Ended:
    """Runs a worker to its end; every line that it emits goes to ``sink`` as it comes.

    One that is still there after ``limit_s`` is killed with all that it started, as it is when this
    process is interrupted or ``sink`` raises. A line that was cut off by a death is none. Raises
    ``OSError`` where no process can be started.
    """
    with tempfile.TemporaryFile() as errors:
        with _process(command, errors, limit_s, environ) as (process, late):
            _converse(process, order, sink)
            code = process.wait()
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - _TAIL_BYTES))
        said = errors.read().decode(errors="replace").strip().splitlines()
    return Ended(code=code, said=tuple(said), late_s=limit_s if late.is_set() else None)


def ask_worker(
    task: str,
    order: object,
    *,
    name: str,
    limit_s: float | None = None,
    environ: Mapping[str, str] = os.environ,
) -> str:
    """What a task's worker, which errors call ``name``, has to say, as one text.

    Raises what the worker explains, and ``NotMeasured`` where it dies or is late.
    """
    lines: list[str] = []
    ended = run_worker(command(task), order, sink=lines.append, limit_s=limit_s, environ=environ)
    if ended.late_s is not None:
        raise NotMeasured(
            f"{name} did not end within {ended.late_s:g} s",
            hint="check what keeps the machine busy",
        )
    if ended.code < 0:
        raise NotMeasured(
            f"{name} was killed",
            hint="the system usually does that when memory runs out: choose a smaller network, "
            "or free some memory",
        )
    ended.raise_explained()
    if ended.code:
        raise NotMeasured(
            f"{name} failed: {ended.why}",
            hint="run it again, and report this line if it happens again",
        )
    return "\n".join(lines)


@contextmanager
def _process(
    command: Sequence[str], errors: IO[bytes], limit_s: float | None, environ: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], threading.Event]]:
    """A process that is gone afterwards; the event says whether it was ended for being late."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env={**environ, _PARENT: str(os.getpid())},
        start_new_session=True,  # an interrupt reaches this process, which ends that one
    )
    late = threading.Event()

    def end() -> None:
        late.set()
        _kill(process)

    def bury() -> None:
        # What it had started may hold on to its stdout, which then never comes to its end.
        process.wait()
        _kill(process)

    timer = threading.Timer(limit_s or 0.0, end)
    timer.daemon = True  # the program's end does not wait for it
    try:
        if limit_s is not None:
            timer.start()
        threading.Thread(target=bury, daemon=True).start()
        yield process, late
    finally:
        timer.cancel()
        _kill(process)
        process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With what it has started: a compiler has workers of its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _converse(process: subprocess.Popen[bytes], order: object, sink: Callable[[str], None]) -> None:
    """Hands the order over and reads lines until the worker closes its side."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("the worker has no pipes")
    # One that died before it could read tells why by its exit code and its last words.
    with suppress(BrokenPipeError), process.stdin as stdin:
        stdin.write(json.dumps(to_plain(order)).encode())
    with process.stdout as stdout:
        for line in stdout:
            if line.endswith(b"\n"):
                sink(line[:-1].decode(errors="replace"))


# The worker's side.


def main(task: str) -> int:
    """Binds this process to its parent and runs the task; the exit code is that of the error."""
    if sys.platform == "linux":
        # A parent that is killed can no longer end this process; the system does it then.
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.environ.pop(_PARENT, None) not in {None, str(os.getppid())}:
        return _ORPHANED  # the parent was killed before this process was bound to it
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # stdout is what the parent reads: what a library prints goes to stderr

    def emit(line: str) -> None:
        out.write(line if line.endswith("\n") else f"{line}\n")
        out.flush()

    try:
        named(task)(json.load(sys.stdin), emit)
    except ResprofError as error:
        return explain(error)
    except Exception as error:
        lack = lacking(error)
        unknown = isinstance(error, ImportError) and error.name == task.partition(":")[0]
        if lack is None or unknown:
            raise
        return explain(lack)
    return 0


def named(name: str) -> Callable[..., Any]:
    """The function that ``module:function`` names."""
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def explain(error: ResprofError) -> int:
    """Tells the parent of an error in two lines; returns its exit code."""
    message, hint = (" ".join(text.split()) for text in (error.message, error.hint))
    print(f"{_ERROR}{message}\n{_HINT}{hint}", file=sys.stderr)  # noqa: T201
    return error.exit_code
