"""In what two environments differ, as far as it may change a figure."""

from __future__ import annotations

from dataclasses import dataclass

from resprof.records.codec import to_plain
from resprof.records.environment import Environment

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
