"""The environment of a measurement in words, and in what two of them differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from resprof.codec import to_plain
from resprof.model.environment import Environment


class Concern(StrEnum):
    """Of what kind a difference between environments is, that which weighs most first."""

    DEVICE = "device"
    LIBRARIES = "driver and libraries"
    SETTINGS = "settings"
    HOST = "host"
    SPECIMEN = "which card"
    """Another card of the same kind: its own silicon, cooling and place."""
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentDifference:
    """A field of the environment by its path, and its value on either side."""

    concern: Concern
    field: str
    baseline: object
    candidate: object


def device_kind(environment: Environment) -> str:
    """What kind of device ran."""
    return "the GPU" if environment.gpu is not None else "the CPU"


def device_name(environment: Environment) -> str:
    """The GPU, or the CPU where none ran."""
    if environment.gpu is not None:
        return environment.gpu.name
    return environment.machine.cpu_model or environment.machine.architecture


def describe(environment: Environment) -> str:
    """What a reader must know of where the samples were taken."""
    parts = [environment.date]
    torch, gpu = environment.torch, environment.gpu
    if torch is not None:
        parts.append(f"torch {torch.version}")
        parts.append(f"CUDA {torch.cuda}" if gpu else f"{torch.threads} threads")
    if gpu is not None and gpu.driver:
        parts.append(f"driver {gpu.driver}")
    parts += [f"Python {environment.python}", environment.machine.system]
    if environment.machine.load is not None:
        parts.append(f"load {environment.machine.load:g} at the start")
    return "; ".join(parts)


_OF_THE_MOMENT = frozenset({"date", "machine.load", "nvml.settings.processes"})
"""What differs from one start to the next."""
_OF_NO_ACCOUNT = frozenset(
    {
        "resprof",
        # Set by the recipe, which says so itself.
        "torch.tf32_matmul",
        "torch.tf32_conv",
        "torch.cudnn_benchmark",
    }
)
"""What changes no figure of a workload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field by its path (``torch.version``) and its value on either side."""

    field: str
    first: object
    second: object


def differences(first: Environment, second: Environment) -> tuple[Difference, ...]:
    """Every field that is not the same and may change a figure, in the record's order.

    Where only one of them asked NVML, what it said is no difference.
    """
    asked = first.nvml is not None and second.nvml is not None
    return tuple(
        each
        for each in _unequal(first, second)
        if each.field not in _OF_NO_ACCOUNT and (asked or each.field.split(".")[0] != "nvml")
    )


def holds_for(first: Environment, second: Environment) -> bool:
    """Whether one record can stand for both: nothing differs but what does from start to start."""
    return not _unequal(first, second)


def _unequal(first: Environment, second: Environment) -> list[Difference]:
    one, other = _flat(to_plain(first)), _flat(to_plain(second))
    return [
        Difference(field=field, first=one.get(field), second=other.get(field))
        for field in dict.fromkeys((*one, *other))
        if field not in _OF_THE_MOMENT and one.get(field) != other.get(field)
    ]


def _flat(plain: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in plain.items():
        path = f"{prefix}{name}"
        flat |= _flat(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return flat


_NVML = "nvml.settings."
_FIELDS: dict[Concern, tuple[str, ...]] = {
    Concern.DEVICE: (
        "gpu.name",
        "gpu.capability",
        "gpu.memory_bytes",
        "nvml.settings.mig",
        "machine.cpu_model",
        "machine.architecture",
    ),
    Concern.LIBRARIES: (
        "gpu.driver",
        "torch.version",
        "torch.cuda",
        "torch.cudnn",
        "torch.cpu_capability",
        "nvml.settings.cuda_driver",
    ),
    Concern.SETTINGS: (
        "nvml.settings.power_limit_w",
        "nvml.settings.power_default_w",
        "nvml.settings.sm_clock_max_hz",
        "nvml.settings.memory_clock_max_hz",
        "nvml.settings.ecc",
        "nvml.settings.compute_mode",
        "nvml.settings.persistence",
        "torch.threads",
        "torch.interop_threads",
        "machine.cores",
    ),
    Concern.HOST: ("python", "machine.kernel", "machine.system", "machine.memory_bytes"),
    Concern.SPECIMEN: ("gpu.uuid", "gpu.pci_bus_id"),
}
_PLACES = {
    field: (place, concern)
    for place, (concern, field) in enumerate(
        (concern, field) for concern, fields in _FIELDS.items() for field in fields
    )
}


def by_concern(baseline: Environment, candidate: Environment) -> tuple[EnvironmentDifference, ...]:
    """The differences that may change a figure; fields that no concern names come last."""
    return sorted_by_concern(differences(baseline, candidate))


def sorted_by_concern(found: Iterable[Difference]) -> tuple[EnvironmentDifference, ...]:
    """The differences in order, without what NVML says again of the same GPU."""
    by_field = {each.field: each for each in found}
    kept = [each for each in by_field.values() if _said_before(each.field) not in by_field]
    # Sorting is stable: fields without a place keep the record's order.
    kept.sort(key=lambda each: _PLACES.get(each.field, (len(_PLACES), Concern.OTHER))[0])
    return tuple(
        EnvironmentDifference(
            concern=_PLACES.get(each.field, (0, Concern.OTHER))[1],
            field=each.field,
            baseline=each.first,
            candidate=each.second,
        )
        for each in kept
    )


def _said_before(field: str) -> str | None:
    """Of a field of NVML's, that which torch has of the same GPU."""
    return f"gpu.{field.removeprefix(_NVML)}" if field.startswith(_NVML) else None
