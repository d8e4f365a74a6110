"""Why the simulated device cannot be built."""

from __future__ import annotations


class BuildError(Exception):
    """One line that says what is wrong; ``hint`` says what would help."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint
