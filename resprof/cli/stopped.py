"""Ctrl-C and SIGTERM: an exception, or the end at once where an exception would do harm."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from types import FrameType

from resprof.errors import EXIT_INTERRUPTED, EXIT_TERMINATED

_IMPORTING = "<frozen importlib"
"""How the files of Python's own import functions are called."""
_asked: list[Stopped] = []


class Stopped(BaseException):
    """Not a KeyboardInterrupt, which the option parser would swallow.

    ``hint`` says what is left; a command that keeps what it has done says how to go on.
    """

    def __init__(self, word: str, exit_code: int) -> None:
        super().__init__(word)
        self.word = word
        self.exit_code = exit_code
        self.hint = "no file is left half-written"


def listen() -> None:
    """Lets both signals stop the program in two lines."""
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)


def listen_no_more() -> None:
    """Another Ctrl-C would only turn the last words into a traceback."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is _stop:
            signal.signal(number, signal.SIG_IGN)


def asked_to_stop() -> Stopped | None:
    """The signal that has come, also where a library has swallowed the exception."""
    return _asked[0] if _asked else None


def _stop(number: int, frame: FrameType | None) -> None:
    stopped = (
        Stopped("interrupted", EXIT_INTERRUPTED)
        if number == signal.SIGINT
        else Stopped("terminated", EXIT_TERMINATED)
    )
    if _imports(frame):
        # A module that is half loaded swallows an exception, turns it into another or, in C++,
        # aborts; and whatever is being imported, nothing is being written.
        with suppress(OSError):
            os.write(2, f"error: {stopped.word}\nhint: {stopped.hint}\n".encode())
        os._exit(stopped.exit_code)
    _asked.append(stopped)
    raise stopped


def _imports(frame: FrameType | None) -> bool:
    """Whether an import is under way in the frame or in one that has called it."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTING):
            return True
        frame = frame.f_back
    return False
