"""The environment of a measurement in words, and in what two of them differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from resprof.codec import to_plain
from resprof.model.environment import Environment


class Category(StrEnum):
    """The kind of a difference between environments, the most important first."""

    DEVICE = "device"
    LIBRARIES = "driver and libraries"
    SETTINGS = "settings"
    HOST = "host"
    SPECIMEN = "which card"
    """Another card of the same kind: its own silicon, cooling and place."""
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentDifference:
    """A field of the environment by its path (``torch.version``), and its value on either side."""

    category: Category
    field: str
    baseline: object
    candidate: object

    def json_fields(self) -> Mapping[str, object]:
        """The fields; JSON says which concern a difference is of."""
        return {
            "concern": self.category,
            "field": self.field,
            "baseline": self.baseline,
            "candidate": self.candidate,
        }


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


_NVML = "nvml.settings."
_FIELDS: dict[Category, tuple[str, ...]] = {
    Category.DEVICE: (
        "gpu.name",
        "gpu.capability",
        "gpu.memory_bytes",
        "nvml.settings.mig",
        "machine.cpu_model",
        "machine.architecture",
    ),
    Category.LIBRARIES: (
        "gpu.driver",
        "torch.version",
        "torch.cuda",
        "torch.cudnn",
        "torch.cpu_capability",
        "nvml.settings.cuda_driver",
    ),
    Category.SETTINGS: (
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
    Category.HOST: ("python", "machine.kernel", "machine.system", "machine.memory_bytes"),
    Category.SPECIMEN: ("gpu.uuid", "gpu.pci_bus_id"),
}
_CATEGORIES = {field: category for category, fields in _FIELDS.items() for field in fields}
"""The category of each field, in the order in which differences are listed."""


def differences(baseline: Environment, candidate: Environment) -> tuple[EnvironmentDifference, ...]:
    """Every field that is not the same and may change a figure, in the record's order.

    Where only one of them asked NVML, what it said is no difference.
    """
    asked = baseline.nvml is not None and candidate.nvml is not None
    return tuple(
        each
        for each in _unequal(baseline, candidate)
        if each.field not in _OF_NO_ACCOUNT and (asked or each.field.split(".")[0] != "nvml")
    )


def ranked_differences(
    baseline: Environment, candidate: Environment
) -> tuple[EnvironmentDifference, ...]:
    """The differences by category, without what NVML says again of the same GPU."""
    by_field = {each.field: each for each in differences(baseline, candidate)}
    kept = [each for each in by_field.values() if _said_before(each.field) not in by_field]
    ranks = list(_CATEGORIES)
    # Sorting is stable: fields without a rank keep the record's order.
    kept.sort(key=lambda each: ranks.index(each.field) if each.field in _CATEGORIES else len(ranks))
    return tuple(kept)


def _said_before(field: str) -> str | None:
    """The field of torch's that describes the same as a field of NVML's."""
    return f"gpu.{field.removeprefix(_NVML)}" if field.startswith(_NVML) else None


def holds_for(first: Environment, second: Environment) -> bool:
    """Whether one record can stand for both: nothing differs but what does from start to start."""
    return not _unequal(first, second)


def _unequal(baseline: Environment, candidate: Environment) -> list[EnvironmentDifference]:
    before, after = _flat(to_plain(baseline)), _flat(to_plain(candidate))
    return [
        EnvironmentDifference(
            category=_CATEGORIES.get(field, Category.OTHER),
            field=field,
            baseline=before.get(field),
            candidate=after.get(field),
        )
        for field in dict.fromkeys((*before, *after))
        if field not in _OF_THE_MOMENT and before.get(field) != after.get(field)
    ]


def _flat(plain: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in plain.items():
        path = f"{prefix}{name}"
        flat |= _flat(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return flat
