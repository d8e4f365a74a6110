"""Text from outside as text of a page, and nothing else."""

from __future__ import annotations

from html import escape

from resprof.report.cells import one_line


def plain(text: str) -> str:
    """The text without markup and without control characters, also within an attribute."""
    return escape(one_line(text), quote=True)
