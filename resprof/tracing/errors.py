"""What can be said when a network or a torch cannot be traced."""

from __future__ import annotations

from resprof.errors import EnvironmentMissing, printable


class NotTraceable(EnvironmentMissing):
    """An operator does not run on tensors without data."""

    def __init__(self, operator: str, error: Exception) -> None:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        super().__init__(
            f"cannot trace {operator}: {printable(reason, 100)}",
            hint="memory is predicted for networks that torch can run on tensors without data",
        )


class UnknownTorch(EnvironmentMissing):
    """Torch does not do what a prediction takes for granted."""

    def __init__(self, version: str, what: str) -> None:
        super().__init__(
            f"torch {version} cannot be predicted: {what}",
            hint="predict with a torch from 2.11 to 2.13, or measure with: resprof bench",
        )
