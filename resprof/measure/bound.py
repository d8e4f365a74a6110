"""A process that ends with the one that started it, bound to it before anything slow is loaded.

``command(MODULE)`` and arguments run ``main(*arguments)`` of the module. The child is of the same
resprof as its parent, and takes no module from the folder that it happens to be started in. The
system binds a child to the thread that started it, which has to be one that waits for it.
"""

from __future__ import annotations

import ctypes
import importlib
import itertools
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from resprof.errors import ResprofError

_DIE_WITH_PARENT = 1
"""Linux: PR_SET_PDEATHSIG of prctl(2)."""
_ORPHANED = 1
"""Nobody is there to read this exit code."""
_PARENT = "RESPROF_PARENT"
_ERROR, _HINT = "error: ", "hint: "
_PACKAGE = Path(__file__).absolute().parents[1] / "__init__.py"
_START = """\
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("resprof", sys.argv[1])
sys.modules["resprof"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["resprof"])
from resprof.measure.bound import main
sys.exit(main(sys.argv[2:]))
"""
"""Loads this very package from where it lies: what found it here may have been the folder."""


def command(module: str) -> tuple[str, ...]:
    """The command line that runs a module so."""
    return sys.executable, "-P", "-c", _START, str(_PACKAGE), module


def inherited() -> dict[str, str]:
    """What a child is to inherit from this process, which it is told is its parent."""
    return os.environ | {_PARENT: str(os.getpid())}


def private_stdout() -> TextIO:
    """Keeps stdout for what the parent reads: what a library prints goes to stderr."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def explain(error: ResprofError) -> int:
    """Tells the parent of an error in two lines; returns its exit code."""
    message, hint = (" ".join(text.split()) for text in (error.message, error.hint))
    print(f"{_ERROR}{message}\n{_HINT}{hint}", file=sys.stderr)  # noqa: T201
    return error.exit_code


def raise_explained(
    code: int | None, lines: Sequence[str], kinds: Sequence[type[ResprofError]]
) -> None:
    """Raises the error of these kinds that a child explained in two lines, if it did.

    The last such lines count: a library may say something more at the exit.
    """
    for message, hint in reversed(list(itertools.pairwise(lines))):
        if message.startswith(_ERROR) and hint.startswith(_HINT):
            for kind in kinds:
                if code == kind.exit_code:
                    raise kind(message.removeprefix(_ERROR), hint=hint.removeprefix(_HINT))
            return


def main(arguments: Sequence[str]) -> int:
    """Binds this process to its parent and becomes the module."""
    if sys.platform == "linux":
        # A parent that is killed can no longer end this process; the system does it then.
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.environ.pop(_PARENT, None) not in {None, str(os.getppid())}:
        return _ORPHANED  # the parent was killed before this process was bound to it
    module, *rest = arguments
    code: int = importlib.import_module(module).main(*rest)
    return code
