"""The search for the largest batch, with scripted answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resprof.answers.gpu.largest_batch import MOST_TRIES, bracket, find_largest

starts = st.integers(min_value=1, max_value=20_000)


def counted(fits: Callable[[int], bool]) -> tuple[list[int], Callable[[int], bool]]:
    tried: list[int] = []

    def count(batch: int) -> bool:
        tried.append(batch)
        return fits(batch)

    return tried, count


@given(start=starts, times=st.floats(min_value=0, max_value=3), data=st.data())
def test_any_limit_up_to_three_times_the_prediction_is_found(
    start: int, times: float, data: st.DataObject
) -> None:
    resolution = data.draw(st.integers(min_value=max(1, start // 1000), max_value=start))
    limit = round(start * times)
    tried, fits = counted(lambda batch: batch <= limit)
    found = find_largest(fits, start, resolution=resolution, most_tries=MOST_TRIES - 1)
    assert found.failing is not None
    assert found.fitting <= limit < found.failing
    assert found.failing - found.fitting <= resolution
    assert not found.bound_hit
    assert tried[0] == start
    assert min(tried) >= 1
    assert len(set(tried)) == len(tried) < MOST_TRIES


@given(start=starts, limit=st.integers(min_value=0, max_value=10**9), most=st.integers(1, 30))
def test_what_is_said_at_the_bound_is_true(start: int, limit: int, most: int) -> None:
    tried, fits = counted(lambda batch: batch <= limit)
    found = find_largest(fits, start, most_tries=most)
    assert len(tried) <= most
    assert found.fitting == max((batch for batch in tried if batch <= limit), default=0)
    assert found.failing == min((batch for batch in tried if batch > limit), default=None)
    assert found.bound_hit or len(tried) < most or found.failing == found.fitting + 1


def test_a_right_prediction_takes_few_tries_and_a_wrong_one_is_left_at_the_bound() -> None:
    tried, fits = counted(lambda batch: batch <= 1975)
    assert find_largest(fits, 1970).fitting == 1975
    assert len(tried) <= 10
    far = find_largest(lambda batch: batch <= 10**6, 100)
    assert far.bound_hit
    assert far.fitting <= 10**6
    assert far.failing is None or far.failing > 10**6


@pytest.mark.parametrize(
    ("limit", "batches"),
    [
        (944, [1000, 990, 970, 930, 950, 940, 945, 935]),
        (1000, [1000, 1010, 1005, 995]),
        (1061, [1000, 1010, 1030, 1070, 1050, 1060, 1065, 1055]),
    ],
)
def test_steps_double_then_halve_and_the_neighbours_come_last(
    limit: int, batches: list[int]
) -> None:
    tried, fits = counted(lambda batch: batch <= limit)
    find_largest(fits, 1000, resolution=5)
    assert tried == batches


@given(start=st.integers(1, 300), answers=st.lists(st.booleans(), min_size=600, max_size=600))
def test_whatever_the_answers_the_search_ends(start: int, answers: list[bool]) -> None:
    tried, fits = counted(lambda batch: answers[batch % len(answers)])
    found = find_largest(fits, start)
    assert len(set(tried)) == len(tried) <= MOST_TRIES
    assert (found.fitting, found.failing) == bracket({b: answers[b % 600] for b in tried})
    if not found.bound_hit:
        assert found.failing is not None
        assert found.failing - found.fitting == 1


def test_a_batch_that_fits_above_one_that_does_not_is_no_answer() -> None:
    assert bracket({10: True, 11: False, 12: True}) == (10, 11)
    assert bracket({11: False, 12: True}) == (0, 11)
    assert bracket({11: True, 12: True}) == (12, None)
