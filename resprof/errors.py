"""The errors a user can meet: one line that says what is wrong, one that says what would do.

Exit codes are owned by the error classes, so no command decides on a number of its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something the reader should know beside the result; ``code`` is stable, for programs."""

    code: str
    message: str


EXIT_OK = 0
EXIT_NO = 1
"""It ran, and the question that was asked is answered no."""
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class ResprofError(Exception):
    """A failure that resprof explains in two lines instead of a traceback."""

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ResprofError):
    """What was asked for does not exist or contradicts itself."""

    exit_code = 2


def named_after(file: object, error: UsageError, *, hint: str | None = None) -> UsageError:
    """The error with the file in its message, where it is not there already."""
    name = printable_path(file)
    message = error.message if name in error.message else f"{name}: {error.message}"
    return UsageError(message, hint=error.hint if hint is None else hint)


class EnvironmentMissing(ResprofError):
    """The machine or the installation lacks what the question needs (a GPU, NVML, a package)."""

    exit_code = 3


class NotMeasured(ResprofError):
    """At least one configuration could not be measured."""

    exit_code = 4


class UnknownModel(UsageError):
    """No network goes by that name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        near = nearest(name.lower(), known)
        super().__init__(
            f"no model called {printable(name)}",
            hint=f"did you mean {' or '.join(near)}?" if near else "see: resprof list",
        )


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The names that are nearest to what was typed, all about equally near."""
    near = difflib.get_close_matches(name, list(known), n=3)
    ratios = [difflib.SequenceMatcher(None, name, other).ratio() for other in near]
    return [other for other, ratio in zip(near, ratios, strict=True) if ratio > ratios[0] - 0.05]


def printable(text: str, limit: int = 60) -> str:
    """Quotes what a user typed so that it fits in one line and carries no terminal escape."""
    quoted = repr(text)
    return quoted if len(quoted) <= limit else f"{quoted[:limit]}...'"


def printable_path(path: object) -> str:
    """Quotes a path in full, however long."""
    return repr(str(path))
