"""Starts the child process of a configuration, passes its records on and sees to its end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass

from resprof.errors import EnvironmentMissing
from resprof.measure.plan import Order
from resprof.records.codec import to_plain
from resprof.records.run import Record, Result, from_line

COMMAND = (sys.executable, "-m", "resprof.measure.child")
_TAIL_BYTES = 64 * 1024
"""How much of the child's stderr is read for its last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a child ended. ``result`` is its own, None where it did not get that far."""

    result: Result | None
    hung: bool
    message: str | None


def run_child(order: Order, *, limit_s: float, sink: Callable[[Record], None]) -> Ending:
    """Runs one configuration; every environment and round goes to ``sink`` as it comes.

    A child that is still there after ``limit_s`` is killed, as it is when this process is
    interrupted. Raises ``EnvironmentMissing`` where the device asked for is not there.
    """
    with tempfile.TemporaryFile() as errors:
        # Its own session: an interrupt from the terminal reaches this process, which ends it.
        process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
            start_new_session=True,
        )
        hung = threading.Event()

        def end() -> None:
            hung.set()
            process.kill()

        timer = threading.Timer(limit_s, end)
        timer.start()
        try:
            result = _converse(process, order, sink)
            code = process.wait()
        finally:
            timer.cancel()
            process.kill()
            process.wait()
        size = errors.seek(0, 2)
        errors.seek(max(0, size - _TAIL_BYTES))
        last = errors.read().decode(errors="replace").strip().splitlines()
    if code == EnvironmentMissing.exit_code and len(last) >= 2:
        message, hint = (line.partition(": ")[2] for line in last[-2:])
        raise EnvironmentMissing(message, hint=hint)
    return Ending(
        result=result,
        hung=hung.is_set(),
        message=None if code == 0 else _last_words(code, last),
    )


def _converse(
    process: subprocess.Popen[str], order: Order, sink: Callable[[Record], None]
) -> Result | None:
    """Hands the order over and reads records until the child closes its side."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("the child has no pipes")
    result = None
    try:
        with process.stdin as stdin:
            json.dump(to_plain(order), stdin)
    except BrokenPipeError:
        pass  # it died before it could read; its exit code and last words tell why
    with process.stdout as stdout:
        for line in stdout:
            if not line.endswith("\n"):
                break  # cut off by a kill
            record = from_line(line)
            if isinstance(record, Result):
                result = record
            else:
                sink(record)
    return result


def _last_words(code: int, lines: list[str]) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        why = "; the system does that when memory runs out" if -code == signal.SIGKILL else ""
        return f"the process was ended by {name}{why}"
    return lines[-1].strip() if lines else f"the process ended with exit code {code}"
