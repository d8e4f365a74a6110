"""Standard output and standard error: made whole at the start, given up where nobody takes them."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TextIO, cast


def open_streams() -> None:
    """Makes of what the caller has left of the three streams what the program can write to.

    A stream that is closed becomes the null device, under its own number: a file that is opened
    later must not get what is meant for a stream. An unbuffered one takes a part of a text and
    loses the rest; behind a buffer that is flushed it takes all or raises an error.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    sys.stdout = _whole(sys.stdout or os.fdopen(1, "w", closefd=False))
    sys.stderr = _whole(sys.stderr or os.fdopen(2, "w", closefd=False))


def _whole(stream: TextIO) -> TextIO:
    if not isinstance(getattr(stream, "buffer", None), io.RawIOBase):
        return stream
    whole = os.fdopen(stream.fileno(), "w", 1, stream.encoding, stream.errors, closefd=False)
    return cast("TextIO", whole)


def discard(stream: TextIO) -> None:
    """Lets what could not be written go; Python would fail on it again at its exit."""
    with suppress(OSError, ValueError):  # a stand-in has no number
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
