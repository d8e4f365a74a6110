"""The host's state from texts as the kernel writes them, and from folders laid out like its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from resprof.codec import from_plain, to_plain
from resprof.measure.host import (
    WINDOW_S,
    CpuTime,
    host_state,
    nvidia_driver,
    parse_groups,
    parse_load,
    parse_meminfo,
    parse_quota,
    parse_stat,
    parse_virtual,
    shares,
)
from resprof.model.environment import HostState

STAT = """\
cpu  300 10 90 1000 20 1 9 40 5 0
cpu0 100 5 40 400 10 1 4 40 5 0
cpu1 200 5 50 600 10 0 5 0 0 0
intr 280992 0 0
ctxt 123
"""
LATER = """\
cpu  0 0 0 0 0 0 0 0 0 0
cpu0 106 5 42 408 12 1 4 42 5 0
cpu1 200 5 50 619 10 0 5 0 0 0
"""
MEMINFO = """\
MemTotal:       16384000 kB
MemFree:         1000000 kB
MemAvailable:    8000000 kB
SwapTotal:       2000000 kB
SwapFree:        1500000 kB
HugePages_Total:       0
"""
CPUINFO = "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu vme hypervisor lahf_lm\n"
GIB = 2**30


def lay_out(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def state(root: Path, cores: tuple[int, ...] = (0, 1)) -> HostState:
    return host_state(root=root, cores=cores, wait=lambda _: None)


def test_times_of_cores_are_read_and_the_total_is_not() -> None:
    assert parse_stat(STAT) == {
        0: CpuTime(busy=150, idle=410, stolen=40),
        1: CpuTime(busy=260, idle=610, stolen=0),
    }


def test_shares_are_of_the_cores_that_may_be_used() -> None:
    before, after = parse_stat(STAT), parse_stat(LATER)
    assert shares(before, after, (0,)) == (8 / 20, 2 / 20)
    assert shares(before, after, (1,)) == (0, 0)
    assert shares(before, after, (0, 1)) == (8 / 39, 2 / 39)


def test_shares_without_time_or_cores_are_unknown() -> None:
    before = parse_stat(STAT)
    assert shares(before, before, (0, 1)) == (None, None)
    assert shares(before, parse_stat(LATER), (7,)) == (None, None)
    assert shares({}, {}, (0,)) == (None, None)


def test_an_idle_counter_that_steps_back_takes_nothing_from_the_rest() -> None:
    before = {0: CpuTime(busy=10, idle=100, stolen=0)}
    assert shares(before, {0: CpuTime(busy=20, idle=99, stolen=0)}, (0,)) == (1, 0)


@pytest.mark.parametrize("text", [None, "", "nonsense", "cpu0 1 2 3\n", "cpu0 a b c d e f g h\n"])
def test_what_is_no_such_text_tells_nothing(text: str | None) -> None:
    assert parse_stat(text) == {}
    assert parse_meminfo(text) == {}
    assert parse_load(text) is None
    assert parse_virtual(text) is None
    assert parse_quota(text) is None
    assert parse_groups(text) == {}


def test_texts_are_parsed() -> None:
    assert parse_meminfo(MEMINFO)["MemAvailable"] == 8_000_000 * 1024
    assert parse_load("0.75 0.91 0.52 2/83 3365\n") == 0.75
    assert parse_virtual(CPUINFO) is True
    assert parse_virtual(CPUINFO.replace(" hypervisor", "")) is False
    assert parse_virtual("Features\t: fp asimd\n") is None
    assert parse_quota("150000 100000\n") == 1.5
    assert parse_quota("max 100000\n") is None
    assert parse_quota("1 0\n") is None
    assert parse_groups("5:cpu,cpuacct:/a\n4:memory:/b\n1:name=systemd:/\n0::/c\n") == {
        "cpu": "/a",
        "cpuacct": "/a",
        "memory": "/b",
        "name=systemd": "/",
        "": "/c",
    }


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15\n",
            "535.183.01",
        ),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n",
            "580.65.06",
        ),
    ],
)
def test_the_driver_names_its_version(tmp_path: Path, text: str, version: str) -> None:
    lay_out(tmp_path, {"proc/driver/nvidia/version": text})
    assert nvidia_driver(tmp_path) == version


def test_an_empty_machine_tells_nothing_and_raises_nothing(tmp_path: Path) -> None:
    found = to_plain(state(tmp_path))
    assert found.pop("window_s") == WINDOW_S
    assert set(found.values()) == {None}


def test_a_laptop(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu"
    lay_out(
        tmp_path,
        {
            "proc/stat": STAT,
            "proc/meminfo": MEMINFO,
            "proc/loadavg": "0.75 0.91 0.52 2/83 3365\n",
            "proc/cpuinfo": CPUINFO.replace(" hypervisor", ""),
            f"{cpu}/cpu0/cpufreq/scaling_governor": "powersave\n",
            f"{cpu}/cpu1/cpufreq/scaling_governor": "performance\n",
            f"{cpu}/cpu2/cpufreq/scaling_governor": "schedutil\n",
            f"{cpu}/intel_pstate/no_turbo": "0\n",
            f"{cpu}/cpu0/thermal_throttle/core_throttle_count": "3\n",
            f"{cpu}/cpu0/thermal_throttle/package_throttle_count": "12\n",
            f"{cpu}/cpu2/thermal_throttle/core_throttle_count": "99\n",
        },
    )
    slept: list[float] = []

    def wait(seconds: float) -> None:
        slept.append(seconds)
        (tmp_path / "proc/stat").write_text(LATER)

    found = host_state(root=tmp_path, cores=(0, 1), wait=wait)
    assert slept == [WINDOW_S]
    assert found == HostState(
        window_s=WINDOW_S,
        busy_share=8 / 39,
        stolen_share=2 / 39,
        load=0.75,
        governors=("performance", "powersave"),
        boost=True,
        cpu_quota_cores=None,
        memory_available_bytes=8_000_000 * 1024,
        swap_used_bytes=500_000 * 1024,
        virtual=False,
        thermal_throttles=12,
        nvidia_driver=None,
    )
    assert from_plain(HostState, to_plain(found)) == found


@pytest.mark.parametrize(
    ("name", "text", "on"),
    [
        ("intel_pstate/no_turbo", "1\n", False),
        ("intel_pstate/no_turbo", "0\n", True),
        ("cpufreq/boost", "0\n", False),
        ("cpufreq/boost", "1\n", True),
        ("cpufreq/boost", "\n", None),
    ],
)
def test_boost_is_told_by_either_driver(
    tmp_path: Path, name: str, text: str, on: bool | None
) -> None:
    lay_out(tmp_path, {f"sys/devices/system/cpu/{name}": text})
    assert state(tmp_path).boost is on


def test_the_tightest_of_nested_groups_counts(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        {
            "proc/self/cgroup": "0::/outer/inner\n",
            "proc/meminfo": MEMINFO,
            "sys/fs/cgroup/outer/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/outer/inner/cpu.max": "max 100000\n",
            "sys/fs/cgroup/outer/memory.max": f"{4 * GIB}\n",
            "sys/fs/cgroup/outer/memory.current": f"{3 * GIB}\n",
            "sys/fs/cgroup/outer/memory.stat": f"anon 1\ninactive_file {GIB}\n",
            "sys/fs/cgroup/outer/inner/memory.max": "max\n",
        },
    )
    found = state(tmp_path)
    assert found.cpu_quota_cores == 1.5
    assert found.memory_available_bytes == 2 * GIB


def test_a_group_of_the_older_kind_in_a_container(tmp_path: Path) -> None:
    """Its path is the host's; what the container sees is the outermost folder."""
    group = "sys/fs/cgroup"
    lay_out(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n",
            f"{group}/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
            f"{group}/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            f"{group}/memory/memory.limit_in_bytes": f"{2 * GIB}\n",
            f"{group}/memory/memory.usage_in_bytes": f"{GIB}\n",
            f"{group}/memory/memory.stat": f"inactive_file 7\ntotal_inactive_file {GIB // 2}\n",
        },
    )
    found = state(tmp_path)
    assert found.cpu_quota_cores == 0.5
    assert found.memory_available_bytes == 1.5 * GIB


def test_groups_without_limits_set_none(tmp_path: Path) -> None:
    group = "sys/fs/cgroup"
    lay_out(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/\n1:cpu:/\n",
            "proc/meminfo": MEMINFO,
            f"{group}/cpu/cpu.cfs_quota_us": "-1\n",
            f"{group}/cpu/cpu.cfs_period_us": "100000\n",
            f"{group}/memory/memory.limit_in_bytes": "9223372036854771712\n",
            f"{group}/memory/memory.usage_in_bytes": "1\n",
        },
    )
    found = state(tmp_path)
    assert found.cpu_quota_cores is None
    assert found.memory_available_bytes == 8_000_000 * 1024


def test_this_machine_is_read_without_raising() -> None:
    found = host_state(wait=lambda _: None)
    assert found.window_s == WINDOW_S
