"""What `resprof doctor` answers, and what a measurement checks before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from resprof.records.host import HostState


class Severity(StrEnum):
    """What a finding does to a measurement, the worst first."""

    BLOCKS = "blocks"
    """There can be none, or none on the GPU that is there."""
    SPOILS = "spoils"
    """Samples scatter or drift: what comes out is not the network's doing."""
    CHANGES = "changes"
    """Samples are steady, and differ from those of a machine set up otherwise."""
    HIDES = "hides"
    """What would spoil a measurement would go unseen."""
    NOTE = "note"
    """Nothing to mend, but to be known when figures are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about this machine; ``code`` is stable, for programs.

    ``fix`` is what a user can type, None where there is nothing to type.
    """

    code: str
    severity: Severity
    message: str
    fix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorResult:
    """The findings, the worst first; ``failure`` says why torch or the GPU could not be asked."""

    model: None = None
    recipe: None = None
    rows: tuple[Finding, ...]
    total: None = None
    host: HostState
    failure: str | None
