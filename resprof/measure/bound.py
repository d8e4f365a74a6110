"""A process that ends with the one that started it, bound to it before anything slow is loaded.

``python -m resprof.measure.bound MODULE [ARGUMENT...]`` runs ``main(*arguments)`` of the module.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import TextIO

from resprof.errors import ResprofError

_DIE_WITH_PARENT = 1
"""Linux: PR_SET_PDEATHSIG of prctl(2)."""
_ERROR, _HINT = "error: ", "hint: "


def command(module: str) -> tuple[str, ...]:
    """The command line that runs a module so."""
    return sys.executable, "-m", "resprof.measure.bound", module


def private_stdout() -> TextIO:
    """Keeps stdout for what the parent reads: what a library prints goes to stderr."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def explain(error: ResprofError) -> int:
    """Tells the parent of an error in two lines; returns its exit code."""
    print(f"{_ERROR}{error.message}\n{_HINT}{error.hint}", file=sys.stderr)  # noqa: T201
    return error.exit_code


def raise_explained(
    code: int | None, lines: Sequence[str], kinds: Sequence[type[ResprofError]]
) -> None:
    """Raises the error of these kinds that a child explained in its last two lines, if it did."""
    message, hint = ["", "", *lines][-2:]
    if message.startswith(_ERROR) and hint.startswith(_HINT):
        for kind in kinds:
            if code == kind.exit_code:
                raise kind(message.removeprefix(_ERROR), hint=hint.removeprefix(_HINT))


def main(arguments: Sequence[str]) -> int:
    """Binds this process to its parent and becomes the module."""
    if sys.platform == "linux":
        # A parent that is killed can no longer end this process; the system does it then.
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    module, *rest = arguments
    code: int = importlib.import_module(module).main(*rest)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
