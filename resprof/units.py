"""Quantities: reading what a user types, and the one place where a number becomes text.

Inside and in CSV and JSON everything is in base units (bytes, seconds, operations);
GB is 10^9 bytes, GiB is 2^30.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import SupportsIndex

from resprof.errors import UsageError, printable

UNKNOWN = "\N{EM DASH}"
"""How an unknown value is shown; zero means zero."""

_SIZES = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_SI_STEPS = ((10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
_IEC_STEPS = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
_TIME_STEPS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))
_DURATIONS = {"ms": 1e-3, "s": 1.0, "min": 60.0}
_LONGEST_S = 7 * 24 * 3600.0
"""A week: nobody waits longer for one configuration."""
_FLOAT_NOISE = 1e-12
"""A relative difference below this comes of the arithmetic."""
_MOST_BYTES = 2**63 - 1
"""What an address of 64 bits with a sign reaches; 8,388,608 TiB are one byte more."""
_SIZE_RANGE = "a size is 0 B or more and below 8388608 TiB"
_SIZE_HINT = "write it like 80GiB (2^30 bytes) or 80GB (10^9 bytes)"
_MOST_DIGITS = 18
"""Integers of more digits than this are refused: nothing that resprof counts needs them."""


def parse_size(text: str, what: str = "size") -> int:
    """Reads a size such as ``80GiB`` or ``80GB``; ``80G`` is refused with both readings."""
    compact = text.strip().replace(" ", "")
    number = compact.rstrip("BKMGTIbkmgti")
    unit = compact[len(number) :].upper()
    try:
        value = float(number)
    except ValueError:
        raise UsageError(f"{what} {printable(text)} is not a size", hint=_SIZE_HINT) from None
    if unit in {"K", "M", "G", "T"}:
        raise UsageError(
            f"{what} {printable(text)} can be read in two ways",
            hint=f"write {number}{unit}iB (powers of 1024) or {number}{unit}B (powers of 1000)",
        )
    if unit not in _SIZES:
        raise UsageError(
            f"{what} {printable(text)} has no unit that resprof knows", hint=_SIZE_HINT
        )
    if not 0 <= value * _SIZES[unit] <= _MOST_BYTES:
        raise UsageError(f"{what} {printable(text)} is out of range", hint=_SIZE_RANGE)
    return int(value * _SIZES[unit])


def as_size(given: str | SupportsIndex, what: str = "size") -> int:
    """Bytes, from a text such as ``80GiB`` or a whole number of them."""
    if isinstance(given, str):
        return parse_size(given, what)
    hint = f"{_SIZE_HINT}, or give a whole number of bytes"
    try:
        size = operator.index(given)
    except TypeError:
        raise UsageError(f"{what} {printable(str(given))} is not a size", hint=hint) from None
    if not 0 <= size <= _MOST_BYTES:
        raise UsageError(f"{what} {printable(str(size))} is out of range", hint=_SIZE_RANGE)
    return size


def parse_share(text: str, what: str) -> float:
    """Reads a percentage from 0% to below 100% as a share of one."""
    hint = f"write {what} as a percentage from 0% to below 100%, such as 5%"
    try:
        value = float(text.strip().removesuffix("%")) / 100
    except ValueError:
        raise UsageError(f"{what} {printable(text)} is not a percentage", hint=hint) from None
    if not text.strip().endswith("%") or not 0 <= value < 1:
        raise UsageError(
            f"{what} {printable(text)} is not a percentage from 0% to below 100%", hint=hint
        )
    return value


def as_share(given: str | float, what: str) -> float:
    """A share of one below 1, from a text such as ``5%`` or a number such as 0.05."""
    if isinstance(given, str):
        return parse_share(given, what)
    hint = f"give {what} as a share from 0 to below 1, such as 0.05, or as a text such as 5%"
    try:
        share = float(given)
    except (TypeError, ValueError):
        raise UsageError(f"{what} {printable(str(given))} is not a share", hint=hint) from None
    if not 0 <= share < 1:
        raise UsageError(f"{what} {share:g} is out of range", hint=hint)
    return share


def parse_seconds(text: str, what: str) -> float:
    """Reads a duration above zero with its unit, such as ``60s``, ``500ms`` or ``2min``."""
    hint = f"write {what} with its unit, such as 60s, 500ms or 2min"
    compact = text.strip()
    number = compact.rstrip("mins")
    step = _DURATIONS.get(compact[len(number) :])
    try:
        value = float(number)
    except ValueError:
        raise UsageError(f"{what} {printable(text)} is not a duration", hint=hint) from None
    if step is None:
        raise UsageError(f"{what} {printable(text)} has no unit of time", hint=hint)
    if not 0 < value * step <= _LONGEST_S:
        raise UsageError(f"{what} {printable(text)} is out of range", hint=hint)
    return value * step


def parse_count(text: str, what: str, *, most: int) -> int:
    """Reads a whole number from 1 to ``most``; anything else is a usage error that says so."""
    hint = f"{what} is a whole number from 1 to {most:,}"
    digits = text.strip()
    if not (digits.isascii() and digits.removeprefix("-").isdigit()) or len(digits) > _MOST_DIGITS:
        raise UsageError(f"{what} {printable(text)} is not a whole number", hint=hint)
    return check_count(int(digits), what, most=most)


def check_count(value: SupportsIndex, what: str, *, most: int) -> int:
    """Returns ``value``, an integer of any type, as an int if it lies in 1..``most``."""
    hint = f"{what} is a whole number from 1 to {most:,}"
    try:
        number = operator.index(value)
    except TypeError:
        raise UsageError(
            f"{what} {printable(str(value))} is not a whole number", hint=hint
        ) from None
    if not 1 <= number <= most:
        raise UsageError(f"{what} {number} is out of range", hint=hint)
    return number


def format_count(value: int) -> str:
    """All digits, in groups of three: ``25,557,032``."""
    return f"{value:,}"


def format_si(value: float, digits: int = 4) -> str:
    """A scaled count with ``digits`` significant digits: ``3.858 G``."""
    return _scaled(value, _SI_STEPS, "", digits).strip()


def format_bytes(value: float, digits: int = 4) -> str:
    """A size in binary units: ``20.90 GiB``."""
    return _scaled(value, _IEC_STEPS, "B", digits)


def format_seconds(value: float, digits: int = 4) -> str:
    """A duration: ``12.34 ms``."""
    if not value:
        return "0 s"
    step, unit = _step(value, _TIME_STEPS, digits) or _TIME_STEPS[-1]
    return f"{significant(value / step, digits)} {unit}"


def format_percent(share: float, digits: int = 1) -> str:
    """A share of one as a percentage: ``20.6%``."""
    return f"{100 * share:.{digits}f}%"


def format_deviation(share: float, digits: int = 1) -> str:
    """A relative difference with its sign: ``+1.5%``, ``-0.0021%``; ``0%`` is none at all."""
    if abs(share) < _FLOAT_NOISE:
        return "0%"
    percent = 100 * share
    text = f"{percent:+.{digits}f}%"
    if any(digit in text for digit in "123456789"):
        return text
    # A difference that is there is not rounded to none.
    return f"{'+' if percent > 0 else '-'}{significant(abs(percent), 2)}%"


def format_shape(shape: Sequence[int]) -> str:
    """A shape as the paper writes sizes: ``64x112x112``."""
    return "x".join(str(side) for side in shape)


def significant(value: float, digits: int) -> str:
    """``value`` with that many significant digits, trailing zeros kept, never in exponent form."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    rounded = f"{value:.{digits - 1}e}"
    exponent = int(rounded.partition("e")[2])
    return f"{value:,.{max(digits - 1 - exponent, 0)}f}"


def _scaled(value: float, steps: Sequence[tuple[float, str]], base: str, digits: int) -> str:
    chosen = None if _is_plain(value, steps) else _step(value, steps, digits)
    if chosen is None:
        plain = f"{value:,}" if isinstance(value, int) else significant(value, digits)
        return f"{plain} {base}"
    step, prefix = chosen
    return f"{significant(value / step, digits)} {prefix}"


def _is_plain(value: float, steps: Sequence[tuple[float, str]]) -> bool:
    """A whole number below the first step is written with all its digits."""
    return isinstance(value, int) and abs(value) < steps[-1][0]


def _step(
    value: float, steps: Sequence[tuple[float, str]], digits: int
) -> tuple[float, str] | None:
    """The largest step that the value reaches once it is rounded; None below all of them."""
    above = next((each for each in steps if abs(value) >= each[0]), (1.0, ""))
    rounded = abs(float(f"{value / above[0]:.{digits - 1}e}")) * above[0]
    return next((each for each in steps if rounded >= each[0]), None)
