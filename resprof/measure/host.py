"""Reads the host's lasting environment and its present state from /proc and /sys."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from resprof.model.environment import Environment, HostState, Machine


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


WINDOW_S = 0.2
"""Long enough for twenty ticks of each core's clock, short enough not to be waited for."""
_DRIVER = r"Module.*?\s(\d+\.[\d.]+)\s"
_BUSY_FIELDS = (0, 1, 2, 5, 6)
"""user, nice, system, irq, softirq; guests are counted in user (proc_stat(5))."""
_IDLE_FIELDS = (3, 4)
_STOLEN_FIELD = 7
_NO_LIMIT_BYTES = 2**60
"""The older control groups write a number near 2^63 where they set no limit."""


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Ticks since the system started."""

    busy: int
    idle: int
    stolen: int


def host_state(
    *,
    root: Path = Path("/"),
    cores: Iterable[int] | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> HostState:
    """The host as it is now; takes ``WINDOW_S`` seconds, in which it only sleeps.

    ``cores`` are those that this process may run on; tests give them with ``root`` and ``wait``.
    """
    usable = frozenset(_usable_cores() if cores is None else cores)
    before = parse_stat(_read(root / "proc/stat"))
    wait(WINDOW_S)
    busy, stolen = shares(before, parse_stat(_read(root / "proc/stat")), usable)
    memory = parse_meminfo(_read(root / "proc/meminfo"))
    cpu = root / "sys/devices/system/cpu"
    groups = tuple(_group_folders(root))
    return HostState(
        window_s=WINDOW_S,
        busy_share=busy,
        stolen_share=stolen,
        load=parse_load(_read(root / "proc/loadavg")),
        governors=_governors(cpu, usable),
        boost=_boost(cpu),
        cpu_quota_cores=min((q for g in groups if (q := _quota(g)) is not None), default=None),
        memory_available_bytes=_available(memory, groups),
        swap_used_bytes=_swap_used(memory),
        virtual=parse_virtual(_read(root / "proc/cpuinfo")),
        thermal_throttles=_thermal_throttles(cpu, usable),
        nvidia_driver=nvidia_driver(root),
    )


def nvidia_driver(root: Path = Path("/")) -> str | None:
    """The version of NVIDIA's kernel module; None where none is loaded."""
    found = re.search(_DRIVER, _read(root / "proc/driver/nvidia/version") or "")
    return found[1] if found else None


def parse_stat(text: str | None) -> dict[int, CpuTime]:
    """The time of each core in /proc/stat."""
    cores = {}
    for number, ticks in re.findall(r"(?m)^cpu(\d+) ([\d ]+)$", text or ""):
        fields = [int(field) for field in ticks.split()]
        if len(fields) > _STOLEN_FIELD:
            cores[int(number)] = CpuTime(
                busy=sum(fields[index] for index in _BUSY_FIELDS),
                idle=sum(fields[index] for index in _IDLE_FIELDS),
                stolen=fields[_STOLEN_FIELD],
            )
    return cores


def shares(
    before: Mapping[int, CpuTime], after: Mapping[int, CpuTime], cores: Iterable[int]
) -> tuple[float | None, float | None]:
    """The busy and the stolen share of the cores' time between two readings."""
    pairs = [(before[core], after[core]) for core in cores if core in before and core in after]
    busy, idle, stolen = (
        # Idle time can step back by a tick when a core wakes up (proc_stat(5)).
        sum(max(getattr(end, name) - getattr(start, name), 0) for start, end in pairs)
        for name in ("busy", "idle", "stolen")
    )
    total = busy + idle + stolen
    return (busy / total, stolen / total) if total else (None, None)


def parse_meminfo(text: str | None) -> dict[str, int]:
    """The entries of /proc/meminfo in bytes."""
    found = re.findall(r"(?m)^(\w+):\s+(\d+) kB$", text or "")
    return {name: 1024 * int(kibibytes) for name, kibibytes in found}


def parse_load(text: str | None) -> float | None:
    """The one-minute load average."""
    found = re.match(r"(\d+\.\d+) ", text or "")
    return float(found[1]) if found else None


def parse_virtual(text: str | None) -> bool | None:
    """Whether the processor says that a hypervisor runs it; only x86 says either."""
    found = re.search(r"(?m)^flags\s*:(.*)$", text or "")
    return "hypervisor" in found[1].split() if found else None


def parse_quota(text: str | None) -> float | None:
    """The cores that ``cpu.max`` grants: microseconds of CPU time, of a period; ``max`` is all."""
    found = re.fullmatch(r"(\d+) (\d+)\s*", text or "")
    return int(found[1]) / int(found[2]) if found and int(found[2]) else None


def parse_groups(text: str | None) -> dict[str, str]:
    """The path of each controller in /proc/self/cgroup; that of version 2 is called ``""``."""
    paths = {}
    for controllers, path in re.findall(r"(?m)^\d+:([^:]*):(.*)$", text or ""):
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def _group_folders(root: Path) -> Iterator[Path]:
    """The folders of the control groups that this process is in, the outer ones among them.

    In a container the path may be the host's, which is not there; the outermost folder, which
    then is the container's own, is.
    """
    paths = parse_groups(_read(root / "proc/self/cgroup"))
    mount = root / "sys/fs/cgroup"
    for controller, base in (
        ("", mount),
        ("", mount / "unified"),
        ("cpu", mount / "cpu"),
        ("cpu", mount / "cpu,cpuacct"),
        ("memory", mount / "memory"),
    ):
        if controller in paths:
            inner = base / paths[controller].lstrip("/")
            yield from (folder for folder in (inner, *inner.parents) if base in folder.parents)
            yield base


def _quota(group: Path) -> float | None:
    newer = parse_quota(_read(group / "cpu.max"))
    if newer is not None:
        return newer
    quota = _integer(group / "cpu.cfs_quota_us")
    period = _integer(group / "cpu.cfs_period_us")
    # The older groups write -1 where they set no limit.
    return quota / period if quota and period and quota > 0 else None


def _available(memory: Mapping[str, int], groups: Iterable[Path]) -> int | None:
    free = [left for group in groups if (left := _left_of_limit(group)) is not None]
    known = [*free, *([memory["MemAvailable"]] if "MemAvailable" in memory else [])]
    return max(min(known), 0) if known else None


def _left_of_limit(group: Path) -> int | None:
    """What a group's memory limit leaves; cached files that can be dropped are not in use."""
    limit = _integer(group / "memory.max") or _integer(group / "memory.limit_in_bytes")
    used = _integer(group / "memory.current") or _integer(group / "memory.usage_in_bytes")
    if limit is None or used is None or limit >= _NO_LIMIT_BYTES:
        return None
    stat = _read(group / "memory.stat") or ""
    # The older groups add up those inside under another name.
    found = re.search(r"(?m)^total_inactive_file (\d+)$", stat) or re.search(
        r"(?m)^inactive_file (\d+)$", stat
    )
    return limit - max(used - (int(found[1]) if found else 0), 0)


def _swap_used(memory: Mapping[str, int]) -> int | None:
    if "SwapTotal" not in memory or "SwapFree" not in memory:
        return None
    return memory["SwapTotal"] - memory["SwapFree"]


def _governors(cpu: Path, cores: Iterable[int]) -> tuple[str, ...] | None:
    texts = (_read(cpu / f"cpu{core}/cpufreq/scaling_governor") for core in cores)
    return tuple(sorted({text.strip() for text in texts if text})) or None


def _boost(cpu: Path) -> bool | None:
    off = _integer(cpu / "intel_pstate/no_turbo")
    if off is not None:
        return not off
    on = _integer(cpu / "cpufreq/boost")
    return None if on is None else bool(on)


def _thermal_throttles(cpu: Path, cores: Iterable[int]) -> int | None:
    counts = (
        _integer(cpu / f"cpu{core}/thermal_throttle/{what}_throttle_count")
        for core in cores
        for what in ("core", "package")
    )
    return max((count for count in counts if count is not None), default=None)


def _usable_cores() -> Iterable[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return range(os.cpu_count() or 0)


def _integer(path: Path) -> int | None:
    found = re.fullmatch(r"\s*(-?\d+)\s*", _read(path) or "")
    return int(found[1]) if found else None


def _read(path: Path) -> str | None:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text()
    return None
