"""Starts the process of a configuration, passes its records on and sees to its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

from resprof.codec import to_plain
from resprof.errors import EnvironmentMissing, UsageError
from resprof.measure.bound import command, inherited, raise_explained
from resprof.measure.run import LaunchEnd, Order, Outcome
from resprof.measure.run_file import Record, from_line

COMMAND = command("resprof.measure.child")
_TAIL_BYTES = 64 * 1024
"""How much of the child's stderr is read for its last words."""
_EXPLAINED = (UsageError, EnvironmentMissing)


def run_child(order: Order, *, limit_s: float, sink: Callable[[Record], None]) -> LaunchEnd:
    """Runs one configuration; every record but the last goes to ``sink`` as it comes.

    A child that is still there after ``limit_s`` is killed, as it is when this process is
    interrupted. Raises what the child explains: ``EnvironmentMissing`` where the device asked for
    is not there, ``UsageError`` for a recipe that it refuses.
    """
    with tempfile.TemporaryFile() as errors:
        with _process(errors, limit_s) as (process, hung):
            own = _converse(process, order, sink)
            code = process.wait()
        last = _last_lines(errors)
    if own is not None:
        return own
    raise_explained(code, last, _EXPLAINED)
    if hung.is_set():
        return _end(order, Outcome.HUNG, f"still running after {limit_s:g} s")
    return _end(order, Outcome.FAILED, _last_words(code, last))


@contextmanager
def _process(
    errors: IO[bytes], limit_s: float
) -> Iterator[tuple[subprocess.Popen[bytes], threading.Event]]:
    """A child that is gone afterwards; the event says whether it was ended for being late."""
    # Its own session: an interrupt from the terminal reaches this process, which ends it.
    process = subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=inherited(),
        start_new_session=True,
    )
    hung = threading.Event()

    def end() -> None:
        hung.set()
        _kill(process)

    def bury() -> None:
        # What it had started may hold on to its stdout, which then never comes to its end.
        process.wait()
        _kill(process)

    timer = threading.Timer(limit_s, end)
    timer.daemon = True  # the program's end does not wait for it
    try:
        timer.start()
        threading.Thread(target=bury, daemon=True).start()
        yield process, hung
    finally:
        timer.cancel()
        _kill(process)
        process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With what it has started: a compiler has workers of its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _converse(
    process: subprocess.Popen[bytes], order: Order, sink: Callable[[Record], None]
) -> LaunchEnd | None:
    """Hands the order over and reads records until the child closes its side."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("the child has no pipes")
    own = None
    # A child that died before it could read tells why by its exit code and its last words.
    with suppress(BrokenPipeError), process.stdin as stdin:
        stdin.write(json.dumps(to_plain(order)).encode())
    with process.stdout as stdout:
        for line in stdout:
            if not line.endswith(b"\n"):
                break  # cut off by a kill
            record = from_line(line.decode())
            if isinstance(record, LaunchEnd):
                own = record
            else:
                sink(record)
    return own


def _last_lines(errors: IO[bytes]) -> list[str]:
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - _TAIL_BYTES))
    return errors.read().decode(errors="replace").strip().splitlines()


def _end(order: Order, outcome: Outcome, message: str) -> LaunchEnd:
    return LaunchEnd(
        key=order.workload.text,
        launch=order.launch,
        outcome=outcome,
        message=message,
        observed=None,
    )


def _last_words(code: int, lines: Sequence[str]) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        why = "; the system does that when memory runs out" if -code == signal.SIGKILL else ""
        return f"the process was ended by {name}{why}"
    return lines[-1].strip() if lines else f"the process ended with exit code {code}"
