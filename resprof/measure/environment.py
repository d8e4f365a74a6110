"""Collects the environment as far as it is known without torch."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from resprof.records.environment import Environment, Machine


def machine_environment() -> Environment:
    """The interpreter and the machine; torch and the GPU are left unknown."""
    return Environment(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        resprof=_own_version(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        machine=_machine(),
        torch=None,
        gpu=None,
    )


def _machine() -> Machine:
    return Machine(
        architecture=platform.machine(),
        cpu_model=first_match("/proc/cpuinfo", r"(?m)^model name\s*:\s*(.+?)\s*$"),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        memory_bytes=_memory_bytes(),
        system=next(_system_names(), platform.system()),
        kernel=f"{platform.system()} {platform.release()}",
        load=load_average(),
    )


def _system_names() -> Iterator[str]:
    with suppress(OSError, KeyError):
        yield platform.freedesktop_os_release()["PRETTY_NAME"]


def load_average() -> float | None:
    """The one-minute load average; None off Unix."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def _memory_bytes() -> int | None:
    kibibytes = first_match("/proc/meminfo", r"MemTotal:\s*(\d+) kB")
    return None if kibibytes is None else 1024 * int(kibibytes)


def _own_version() -> str | None:
    try:
        return metadata.version("resprof")
    except metadata.PackageNotFoundError:
        return None


def first_match(path: str, pattern: str) -> str | None:
    """The first group of the pattern in a file of the system; None without either."""
    try:
        found = re.search(pattern, Path(path).read_text())
    except OSError:
        return None
    return found[1] if found else None
