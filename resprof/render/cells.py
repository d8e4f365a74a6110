"""One cell becomes text: the only place where a number is scaled or rounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from resprof import units
from resprof.render.table import Column, Form, Value


class _Ascii(dict[int, str]):
    """Characters of names that ASCII lacks become a question mark each: widths stay."""

    def __missing__(self, code: int) -> str:
        return chr(code) if code < 128 else "?"


ASCII = _Ascii(
    str.maketrans(
        {
            "\N{EM DASH}": "-",
            "\N{MULTIPLICATION SIGN}": "x",
            "\N{BOX DRAWINGS LIGHT HORIZONTAL}": "-",
        }
    )
)
"""What stands for the glyphs that we print where a stream knows only ASCII."""

_WRITERS: dict[Form, Callable[[Any], str]] = {
    Form.COUNT: units.format_count,
    Form.SI: units.format_si,
    Form.SHARE: units.format_percent,
    Form.DEVIATION: units.format_deviation,
    Form.BYTES: units.format_bytes,
    Form.SECONDS: units.format_seconds,
}
_NUMERIC = {*_WRITERS, Form.NUMBER}


def cell(value: Value, form: Form) -> str:
    """The value as a reader sees it; unknown is an em dash."""
    if value is None:
        return units.UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return units.format_shape(value)
    if isinstance(value, str):
        return one_line(value)
    return _number(value, form)


def raw(value: Value) -> str:
    """The value in base units, as CSV holds it: floats by their shortest exact form, None empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return units.format_shape(value)
    return value if isinstance(value, str) else repr(value)


def is_numeric(form: Form) -> bool:
    """Whether a column of this form is aligned to the right."""
    return form in _NUMERIC


def headings(columns: Sequence[Column]) -> list[str]:
    """The titles in one line, with what the numbers are where not all are of one kind."""
    several = len({column.origin for column in columns if column.origin}) > 1
    return [
        one_line(f"{column.title} ({origin})" if several and origin else column.title)
        for column, origin in ((column, origin_beside(column)) for column in columns)
    ]


def origin_beside(column: Column) -> str:
    """What the numbers are; empty where the title is that very word, or nothing is known."""
    origin = column.origin.value if column.origin else ""
    return "" if origin == column.title else origin


def one_line(text: str) -> str:
    """The text without control characters, so that a name can carry no escape sequence."""
    return "".join(char if char.isprintable() else " " for char in text)


def _number(value: int | float, form: Form) -> str:
    write = _WRITERS.get(form)
    if write is not None:
        return write(value)
    return f"{value:,}" if isinstance(value, int) else units.significant(value, 4)
