"""What of the host would spoil a measurement: a state of a moment, unlike the environment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """Of the cores that this process may run on; None where the system does not tell.

    ``busy_share`` is the part of their time that was worked in, ``stolen_share`` the part that a
    hypervisor gave to others, both over ``window_s`` seconds in which this process slept. ``load``
    is the one-minute load average. ``governors`` are those of the cores, each named once.
    ``cpu_quota_cores`` is the CPU time that control groups grant, in cores; None also where they
    set no limit. ``memory_available_bytes`` heeds their memory limits too. ``thermal_throttles``
    is how often heat has lowered a core's clock since the system started, that of the core where
    it did so most often. ``nvidia_driver`` is the version of NVIDIA's kernel module.
    """

    window_s: float
    busy_share: float | None
    stolen_share: float | None
    load: float | None
    governors: tuple[str, ...] | None
    boost: bool | None
    cpu_quota_cores: float | None
    memory_available_bytes: int | None
    swap_used_bytes: int | None
    virtual: bool | None
    thermal_throttles: int | None
    nvidia_driver: str | None
