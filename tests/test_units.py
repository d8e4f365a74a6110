from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resprof import units
from resprof.errors import UsageError

UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}


@given(st.integers(0, 10**6), st.sampled_from(sorted(UNITS)))
def test_a_size_is_read_in_its_unit(number: int, unit: str) -> None:
    assert units.parse_size(f"{number}{unit}") == number * UNITS[unit]
    assert units.parse_size(f" {number} {unit} ") == number * UNITS[unit]


def test_an_ambiguous_size_is_refused_with_both_readings() -> None:
    with pytest.raises(UsageError) as refusal:
        units.parse_size("80G")
    assert "80GiB" in refusal.value.hint
    assert "80GB" in refusal.value.hint


@pytest.mark.parametrize("text", ["", "GiB", "80", "80QiB", "-1GiB", "nanGiB", "infB", "1e400GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        units.parse_size(text)


TIMES = {"ms": 1e-3, "s": 1.0, "min": 60.0}
WEEK_S = 7 * 24 * 3600


@given(st.floats(1e-3, 10**4), st.sampled_from(sorted(TIMES)), st.sampled_from(["", " "]))
def test_a_duration_is_read_in_its_unit(number: float, unit: str, space: str) -> None:
    seconds = units.parse_seconds(f" {number!r}{space}{unit} ", "time-limit")
    assert seconds == pytest.approx(number * TIMES[unit])


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("500ms", 0.5), ("2min", 120), ("1.5min", 90), ("1e3s", 1e3)]
)
def test_a_duration_is_in_seconds(text: str, seconds: float) -> None:
    assert units.parse_seconds(text, "time-limit") == seconds


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("60", "unit"),
        ("60 ", "unit"),
        ("1h", "not a duration"),
        ("60S", "not a duration"),
        ("60sec", "not a duration"),
        ("2mins", "unit"),
        ("60sm", "unit"),
        ("", "not a duration"),
        ("s", "not a duration"),
        ("x", "not a duration"),
        ("1,5s", "not a duration"),
        ("0s", "out of range"),
        ("-1s", "out of range"),
        ("nan s", "out of range"),
        ("inf s", "out of range"),
        ("1e400s", "out of range"),
        ("8" * 400 + "s", "out of range"),
        (f"{WEEK_S + 1}s", "out of range"),
    ],
)
def test_what_is_no_duration_is_refused_with_its_reason(text: str, word: str) -> None:
    with pytest.raises(UsageError, match=word) as refusal:
        units.parse_seconds(text, "time-limit")
    assert refusal.value.message.startswith("time-limit ")
    assert "60s" in refusal.value.hint
    assert len(refusal.value.message) < 120


def test_a_week_is_the_longest_duration() -> None:
    assert units.parse_seconds(f"{WEEK_S}s", "time-limit") == WEEK_S


@given(st.integers(1, 10**9))
def test_a_count_is_read_back(value: int) -> None:
    assert units.parse_count(str(value), "batch", most=10**9) == value


@pytest.mark.parametrize(
    "text", ["0", "-1", "", "1.5", "1e3", "x", "9" * 19, "9" * 5000, "\N{SUPERSCRIPT TWO}", "--1"]
)
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        units.parse_count(text, "batch", most=10**9)
    assert "\n" not in refusal.value.message
    assert len(refusal.value.message) < 120


@given(st.integers(0, 10**18))
def test_digits_in_groups_lose_nothing(value: int) -> None:
    assert int(units.format_count(value).replace(",", "")) == value


@given(st.integers(1, 10**17))
def test_a_scaled_count_keeps_four_digits(value: int) -> None:
    number, _, unit = units.format_si(value).partition(" ")
    step = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}[unit]
    assert float(number.replace(",", "")) * step == pytest.approx(value, rel=6e-4)


@given(st.floats(1e-9, 1e5))
def test_a_duration_keeps_four_digits(seconds: float) -> None:
    number, unit = units.format_seconds(seconds).split(" ")
    step = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[unit]
    assert float(number.replace(",", "")) * step == pytest.approx(seconds, rel=6e-4)


def test_bytes_are_scaled_by_powers_of_two() -> None:
    assert units.format_bytes(0) == "0 B"
    assert units.format_bytes(1023) == "1,023 B"
    assert units.format_bytes(2**30) == "1.000 GiB"
    assert units.format_bytes(80 * 2**30) == "80.00 GiB"


@given(
    st.floats(min_value=1e-6, max_value=1e12),
    st.sampled_from([-1, 1]),
    st.integers(min_value=2, max_value=6),
)
def test_digits_that_mean_something_are_as_many_as_asked_for(
    size: float, sign: int, digits: int
) -> None:
    text = units.significant(sign * size, digits).replace(",", "")
    assert abs(float(text) - sign * size) <= 0.5001 * 10 ** (
        math.floor(math.log10(size)) + 1 - digits
    )
    if size < 10 ** (digits - 1):
        assert len(text.lstrip("-0.").replace(".", "")) == digits


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0286, "0.02860"),
        (9.99996, "10.00"),
        (-0.5, "-0.5000"),
        (0.0, "0"),
        (1234.5, "1,234"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_a_number_is_written_to_four_digits(value: float, text: str) -> None:
    assert units.significant(value, 4) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (units.format_si(999_949), "999.9 k"),
        (units.format_si(999_950), "1.000 M"),
        (units.format_si(999), "999"),
        (units.format_si(999.96), "1.000 k"),
        (units.format_bytes(2**20 - 1), "1.000 MiB"),
        (units.format_bytes(1023), "1,023 B"),
        (units.format_seconds(0.999949), "999.9 ms"),
        (units.format_seconds(0.99996), "1.000 s"),
        (units.format_seconds(1e-10), "0.1000 ns"),
        (units.format_seconds(math.nan), "nan ns"),
        (units.format_bytes(-math.inf), "-inf TiB"),
    ],
)
def test_a_number_that_is_rounded_up_to_the_next_step_is_written_in_it(
    text: str, expected: str
) -> None:
    assert text == expected


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"),
        (1.0 - 0.9 - 0.1, "0%"),
        (0.015, "+1.5%"),
        (-1.0, "-100.0%"),
        (-0.0005, "-0.1%"),
        (0.00049, "+0.049%"),
        (-3e-9, "-0.00000030%"),
    ],
)
def test_a_difference_that_is_there_is_never_rounded_to_none(share: float, text: str) -> None:
    assert units.format_deviation(share) == text
