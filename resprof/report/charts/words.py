"""Words that charts share."""

from __future__ import annotations

import re
from collections.abc import Iterable

from resprof.records.chart import Series
from resprof.records.table import Origin

_LONGEST = 80


def origins_text(series: Iterable[Series]) -> str:
    """The kinds of number in the order of trust: ``counted, predicted and measured``."""
    there = {each.origin for each in series}
    names = [origin.value for origin in Origin if origin in there]
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def slug(name: str) -> str:
    """A name as a part of a file's name: letters, digits, hyphens, and points within numbers."""
    kept = re.sub(r"(?<![0-9])\.|\.(?![0-9])|[^a-z0-9.]", "-", name.lower())
    return re.sub(r"-+", "-", kept).strip("-")[:_LONGEST].strip("-.") or "unknown"
