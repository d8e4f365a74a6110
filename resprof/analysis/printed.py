"""Printed digits against a computed value, in exact integers: 3.85 is no binary float."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from resprof.records.claim import Verdict

if TYPE_CHECKING:
    from fractions import Fraction

_DIGITS = re.compile(r"([0-9]+)(?:\.([0-9]+))?", re.ASCII)


def judge(printed: str, ours: int | Fraction) -> Verdict:
    """How the printed digits arise from our value, which is given in the printed unit.

    Both are at least zero. A value halfway between two printed ones is rounded up. Raises
    ``ValueError`` for a figure that is no plain decimal number.
    """
    digits, places = _parse(printed)
    if ours.numerator * _power(places) == digits * ours.denominator:
        return Verdict.EXACTLY
    by_rounding = _rounded(ours, places) == digits
    by_truncation = _truncated(ours, places) == digits
    if by_rounding and by_truncation:
        return Verdict.BOTH
    if by_rounding:
        return Verdict.ROUNDING
    return Verdict.TRUNCATION if by_truncation else Verdict.DIFFERS


def deviation(printed: str, ours: int | Fraction) -> float:
    """How far ours lies above the printed value, as a share of it; ``ValueError`` for a zero."""
    digits, places = _parse(printed)
    if digits == 0:
        raise ValueError(f"nothing can be a share of {printed}")
    base = digits * ours.denominator
    return (ours.numerator * _power(places) - base) / base


def digits_of(printed: str, ours: int | Fraction) -> str:
    """What our value would be printed as: ``rounding gives 3.9, truncation 3.8``."""
    _, places = _parse(printed)
    rounded = _text(_rounded(ours, places), places)
    truncated = _text(_truncated(ours, places), places)
    if rounded == truncated:
        return f"rounding and truncation give {rounded}"
    return f"rounding gives {rounded}, truncation {truncated}"


def _parse(printed: str) -> tuple[int, int]:
    """A decimal number as an integer and how many of its digits stand after the point."""
    match = _DIGITS.fullmatch(printed)
    if match is None:
        raise ValueError(f"{printed!r} is not a plain decimal number")
    whole, fraction = match[1], match[2] or ""
    return int(whole + fraction), len(fraction)


def _truncated(ours: int | Fraction, places: int) -> int:
    return ours.numerator * _power(places) // ours.denominator


def _rounded(ours: int | Fraction, places: int) -> int:
    return (2 * ours.numerator * _power(places) + ours.denominator) // (2 * ours.denominator)


def _power(places: int) -> int:
    return int(10**places)  # to mypy an int's power may be a float


def _text(digits: int, places: int) -> str:
    if not places:
        return str(digits)
    padded = str(digits).rjust(places + 1, "0")
    return f"{padded[:-places]}.{padded[-places:]}"
