from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resprof.model.published import Verdict, deviation, digits_of, judge

WHOLE = st.integers(0, 10**14)
PLACES = st.integers(0, 4)


def as_decimal(value: Fraction) -> Decimal:
    """Exact: the denominators here are powers of ten."""
    with localcontext() as context:
        context.prec = 60
        return Decimal(value.numerator) / Decimal(value.denominator)


def by_decimal(printed: str, ours: Fraction) -> Verdict:
    """The same verdict by the decimal module's own rounding."""
    wanted, exact = Decimal(printed), as_decimal(ours)
    with localcontext() as context:
        context.prec = 60
        rounded = exact.quantize(wanted, ROUND_HALF_UP) == wanted
        truncated = exact.quantize(wanted, ROUND_DOWN) == wanted
    if exact == wanted:
        return Verdict.EXACTLY
    if rounded and truncated:
        return Verdict.BOTH
    if rounded:
        return Verdict.ROUNDING
    return Verdict.TRUNCATION if truncated else Verdict.DIFFERS


@given(ours=WHOLE, scale=st.sampled_from([1, 10**3, 10**6, 10**9]), places=PLACES, off=st.data())
def test_judges_as_the_decimal_module_does(
    ours: int, scale: int, places: int, off: st.DataObject
) -> None:
    value = Fraction(ours, scale)
    near = int(value * 10**places) + off.draw(st.integers(-2, 2))
    printed = str(Decimal(max(near, 0)).scaleb(-places))
    if "E" in printed:
        printed = f"{Decimal(printed):f}"
    assert judge(printed, value) is by_decimal(printed, value)


@given(ours=WHOLE, scale=st.sampled_from([1, 10**6, 10**9]), places=PLACES)
def test_a_value_matches_the_digits_that_it_would_be_printed_with(
    ours: int, scale: int, places: int
) -> None:
    value = Fraction(ours, scale)
    said = digits_of("0." + "0" * places if places else "0", value)
    exact = as_decimal(value)
    step = Decimal(1).scaleb(-places)
    with localcontext() as context:
        context.prec = 60
        rounded = f"{exact.quantize(step, ROUND_HALF_UP):f}"
        truncated = f"{exact.quantize(step, ROUND_DOWN):f}"
    if rounded == truncated:
        assert said == f"rounding and truncation give {rounded}"
    else:
        assert said == f"rounding gives {rounded}, truncation {truncated}"


@given(digits=st.integers(1, 10**6), places=PLACES)
def test_a_printed_figure_matches_itself_exactly(digits: int, places: int) -> None:
    printed = f"{Decimal(digits).scaleb(-places):f}"
    assert judge(printed, Fraction(printed)) is Verdict.EXACTLY
    assert deviation(printed, Fraction(printed)) == 0.0


@given(digits=st.integers(1, 10**6), places=PLACES, ours=WHOLE)
def test_deviation_is_the_share_of_the_printed_figure(digits: int, places: int, ours: int) -> None:
    printed = f"{Decimal(digits).scaleb(-places):f}"
    assert deviation(printed, ours) == float((ours - Fraction(printed)) / Fraction(printed))


@pytest.mark.parametrize(
    ("printed", "ours", "verdict"),
    [
        ("3.8", Fraction("3.85"), Verdict.TRUNCATION),  # the float 3.85 lies below 3.85
        ("3.9", Fraction("3.85"), Verdict.ROUNDING),
        ("0.3", Fraction(3, 10), Verdict.EXACTLY),
        ("1.0", Fraction("0.99"), Verdict.ROUNDING),
        ("11.3", Fraction("11.34"), Verdict.BOTH),
        ("0", 0, Verdict.EXACTLY),
        ("0", 1, Verdict.DIFFERS),
    ],
)
def test_boundaries(printed: str, ours: int | Fraction, verdict: Verdict) -> None:
    assert judge(printed, ours) is verdict


@pytest.mark.parametrize("printed", ["", "~1", "3.", ".5", "1e9", "-1", "1,000", "3.8G", "\u0663"])
def test_only_plain_decimals_are_judged(printed: str) -> None:
    with pytest.raises(ValueError, match="not a plain decimal"):
        judge(printed, 1)


def test_nothing_is_a_share_of_zero() -> None:
    with pytest.raises(ValueError, match="share of 0"):
        deviation("0.0", 1)
