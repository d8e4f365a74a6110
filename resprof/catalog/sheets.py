"""Reading the published facts, CSV files beside the code; nothing is read at import."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

_FOLDER = Path(__file__).parent / "data"

SheetRow = dict[str, str]
"""A row's cells by their column; an empty cell is unknown."""


def rows(name: str) -> Iterator[SheetRow]:
    """The rows of ``name``.csv in their order."""
    with (_FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def text(cell: str) -> str | None:
    """The cell, or None where it is empty."""
    return cell or None


def whole(cell: str) -> int | None:
    """The cell as a whole number, or None where it is empty."""
    return int(cell) if cell else None


def scaled(cell: str, exponent: int = 0) -> float | None:
    """The cell times 10^``exponent``, as the float nearest to that decimal; None where empty."""
    return float(f"{cell}e{exponent}") if cell else None
