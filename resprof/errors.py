"""The errors a user can meet: one line that says what is wrong, one that says what would do.

Exit codes are owned by the error classes, so no command decides on a number of its own.
"""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something the reader should know beside the result; ``code`` is stable, for programs."""

    code: str
    message: str


_PACKAGE = os.path.dirname(__file__)  # noqa: PTH120 # pathlib takes milliseconds to load
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


_LACKED = {
    errno.ENOSPC: "free some space, or write elsewhere",
    errno.EDQUOT: "free some space, or write elsewhere",
    errno.EFBIG: "raise the limit of a file's size: ulimit -f",
    errno.EROFS: "write elsewhere: the disk is read-only",
    errno.EIO: "look after the disk, or take another",
    errno.ENOMEM: "free some memory, or raise its limit: ulimit -v",
    errno.EAGAIN: "end other processes, or raise their limit: ulimit -u",
    errno.EMFILE: "raise the limit of open files: ulimit -n",
    errno.ENFILE: "close files that other programs hold open",
}
"""What the system says where the machine lacks something, and what would do."""


def impossible(what: str, error: OSError, *, hint: str) -> UsageError | EnvironmentMissing:
    """That ``what`` the system refused: for want of something, or of what was named."""
    message = f"{what}: {error.strerror or error}"
    lacked = _LACKED.get(error.errno or 0)
    if lacked is not None:
        return EnvironmentMissing(message, hint=lacked)
    return UsageError(message, hint=hint)


def refused(error: BaseException) -> UsageError | None:
    """The error again as a file or folder that somebody named and nobody can use; None for others.

    What lies in the package itself is not of their making.
    """
    if not isinstance(error, OSError) or not isinstance(error.filename, str | bytes | os.PathLike):
        return None
    name = os.fsdecode(error.filename)
    if name.startswith(_PACKAGE):
        return None
    return UsageError(
        f"cannot use {printable_path(name)}: {error.strerror}", hint="name another, or look at it"
    )


def lacking(error: BaseException) -> EnvironmentMissing | None:
    """The error again as what the machine or the installation lacks; None for any other.

    That is a library that cannot be loaded, memory, room on a disk, processes, open files.
    """
    if isinstance(error, MemoryError):
        return EnvironmentMissing("memory has run out", hint=_LACKED[errno.ENOMEM])
    ours = isinstance(error, ImportError) and (error.name or "").startswith("resprof")
    # The dynamic loader's errors come as either kind, these without a number.
    unloadable = isinstance(error, OSError) and error.errno is None and ".so" in str(error)
    if (isinstance(error, ImportError) and not ours) or unloadable:
        return EnvironmentMissing(
            f"a library cannot be loaded: {first_line(error)}",
            hint=f"install it anew, or see why: {SEE_TORCH} for torch",
        )
    if isinstance(error, OSError) and error.errno in _LACKED:
        where = f" ({printable_path(error.filename)})" if error.filename else ""
        return EnvironmentMissing(f"{error.strerror}{where}", hint=_LACKED[error.errno])
    return None


SEE_TORCH = 'python -c "import torch"'


class NotMeasured(ResprofError):
    """At least one configuration could not be measured."""

    exit_code = 4


class UnknownModel(UsageError):
    """No network goes by that name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        near = nearest(name.lower(), known)
        super().__init__(
            f"unknown model {printable(name)}",
            hint=f"did you mean {' or '.join(near)}?" if near else "see: resprof list",
        )


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The names that are nearest to what was typed, all about equally near."""
    near = difflib.get_close_matches(name, list(known), n=3)
    ratios = [difflib.SequenceMatcher(None, name, other).ratio() for other in near]
    return [other for other, ratio in zip(near, ratios, strict=True) if ratio > ratios[0] - 0.05]


def first_line(error: BaseException) -> str:
    """What it is and the first line of what it says: torch lets advice follow, line by line."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


def printable(text: str, limit: int = 60) -> str:
    """Quotes what a user typed so that it fits in one line and carries no terminal escape."""
    quoted = repr(text)
    return quoted if len(quoted) <= limit else f"{quoted[:limit]}...'"


def printable_path(path: object) -> str:
    """Quotes a path in full, however long."""
    return repr(str(path))
