"""Progress on stderr, for a person at a terminal: a bar that goes when the work is done.

The one door of rich, which is loaded only where there is a terminal to draw on. There is no thread
that redraws: the screen changes when a step begins, and stays as it is while a child measures.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from resprof.cli.output import say

Tell = Callable[[int, int, str], None]
"""Told before a step: how many are done, how many there are, what it does; of one, 0 and 0."""


@contextmanager
def progress() -> Iterator[Tell]:
    """What tells of steps: a bar, lines where nothing can be redrawn, nothing off a terminal."""
    if not sys.stderr.isatty():
        yield _nothing
    elif _redraws(sys.stderr):
        with _bar() as tell:
            yield tell
    else:
        yield _line


def _nothing(done: int, total: int, step: str) -> None:
    """Off a terminal there is nobody to tell."""


def _line(done: int, total: int, step: str) -> None:
    say(f"[{done + 1}/{total}] {step}" if total else step)


def _redraws(stream: TextIO) -> bool:
    """Whether it is a terminal that knows how to go back to the start of a line."""
    try:
        return os.isatty(stream.fileno()) and os.environ.get("TERM") not in {None, "", "dumb"}
    except (OSError, ValueError):  # a stand-in has no number
        return False


@contextmanager
def _bar() -> Iterator[Tell]:
    """Steps, how long they have taken and the time that is left, in one line."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
        console=Console(stderr=True),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
    ) as bar:
        task = bar.add_task("getting ready", total=None, left="")
        bar.refresh()

        started = time.monotonic()

        def tell(done: int, total: int, step: str) -> None:
            nonlocal started
            if not done:  # a first step; what went before was other work
                started = time.monotonic()
            left = (time.monotonic() - started) / done * (total - done) if done else None
            bar.update(
                task,
                completed=done,
                total=total or None,
                description=step,
                left=f"about {math.ceil(left)} s left" if left is not None else "",
                refresh=True,
            )

        yield tell
