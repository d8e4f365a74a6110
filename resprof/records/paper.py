"""What `resprof paper` answers."""

from __future__ import annotations

from dataclasses import dataclass

from resprof.records.claim import CheckedClaim


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperResult:
    """Every claim held against what computing it again gives."""

    model: None = None
    recipe: None = None
    rows: tuple[CheckedClaim, ...]
    total: None = None
