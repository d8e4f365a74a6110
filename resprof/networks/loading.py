"""torch, loaded where the machine has a torch that can be and the memory for it."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from resprof.errors import SEE_TORCH, EnvironmentMissing, first_line, lacking


@contextmanager
def torch_loaded() -> Iterator[None]:
    """A block that uses torch, which is loaded first.

    Raises ``EnvironmentMissing`` where torch cannot be, or where the block lacks something.
    """
    try:
        _refuse_where_it_aborts()
        import torch  # noqa: F401
    except EnvironmentMissing:
        raise
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise _unloadable(first_line(error)) from None
        raise EnvironmentMissing(
            "torch is not installed", hint="install torch 2.11 or newer: pip install torch"
        ) from None
    except Exception as error:  # a broken build may raise anything
        raise _unloadable(first_line(error)) from None
    try:
        yield
    except Exception as error:  # parts of torch are loaded late
        lack = lacking(error)
        if lack is None:
            raise
        raise lack from None


def _refuse_where_it_aborts() -> None:
    """Where memory is limited C++ ends the process; so another one tries first."""
    if "torch" in sys.modules or resource.getrlimit(resource.RLIMIT_AS)[0] < 0:
        return
    tried = subprocess.run(
        [sys.executable, "-P", "-c", "import torch"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # ours is the result and nothing else
        stderr=subprocess.PIPE,
        check=False,
    )
    if tried.returncode:
        said = tried.stderr.decode(errors="replace").strip().splitlines()
        raise _unloadable(said[-1] if said else f"exit code {tried.returncode}")


def _unloadable(why: str) -> EnvironmentMissing:
    return EnvironmentMissing(
        f"torch cannot be loaded: {why}",
        hint=f"install it anew, or raise a limit on memory (ulimit -v); to see why: {SEE_TORCH}",
    )
