"""Who else computes on the GPU, as far as a process in a container can know."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_INITIAL_PID_NAMESPACE = "pid:[4026531836]"
"""Linux gives the first PID namespace this number (PROC_PID_INIT_INO)."""


def holds_cuda_context() -> bool | None:
    """Whether torch has made a context on its current device; None where it does not tell."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return False
    ask = getattr(torch._C, "_cuda_hasPrimaryContext", None)
    return None if ask is None else bool(ask(torch.cuda.current_device()))


def others(pids: Iterable[int], own: int, *, context: bool | None, namespaced: bool) -> int | None:
    """How many of the listed compute processes are not our own; None where that cannot be told.

    In a container an older driver lists the numbers that processes have outside, where ours is
    unknown to us; a newer one translates them and leaves out the processes of other containers.
    So our own number may be missing from a list that we are on, and 0 means none that is shown.
    """
    listed = set(pids)
    if own in listed:
        return len(listed) - 1
    if context is False or (context is None and not namespaced):
        return len(listed)
    if context is None:
        return None if listed else 0
    # We hold a context, so one of the numbers is ours; an empty list hides even that.
    return len(listed) - 1 if listed else None


def in_pid_namespace() -> bool:
    """Whether this process has another number outside, as in a container."""
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink()) != _INITIAL_PID_NAMESPACE
    return True
