"""What environments differ in, sorted by how much it weighs on speed, each thing once."""

from __future__ import annotations

from collections.abc import Iterable

from resprof.analysis.environments import Difference, differences
from resprof.records.comparison import Concern, EnvironmentDifference
from resprof.records.environment import Environment

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
