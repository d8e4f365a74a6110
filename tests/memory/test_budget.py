from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resprof.codec import from_plain, to_json
from resprof.errors import UsageError
from resprof.memory.budget import (
    MOST_BATCH,
    WINDOW,
    BudgetLimit,
    BudgetRow,
    budget_limit,
    largest_batches,
    search_largest,
)
from resprof.memory.overlay import default_overlay, overlaid
from resprof.memory.replay import flatten, replay
from resprof.memory.rules import AllocatorKind
from resprof.memory.trace import Role
from tests.memory.memory_traces import TraceWriter, training

MIB = 2**20
GIB = 2**30
TRAINING = training()
OVERLAY = default_overlay((9, 0))


def limit_of(limit_bytes: int) -> BudgetLimit:
    return budget_limit(limit_bytes + OVERLAY.context_bytes, OVERLAY.context_bytes)


def test_what_a_device_leaves() -> None:
    limit = budget_limit(80 * GIB, 500 * MIB, used_bytes=3 * GIB, margin=0.05)
    assert limit.margin_bytes == 4 * GIB
    assert limit.limit_bytes == 80 * GIB - 500 * MIB - 3 * GIB - 4 * GIB


@pytest.mark.parametrize(
    ("total", "used", "margin", "says"),
    [
        (400 * MIB, 0, 0.0, "leaves nothing"),
        (500 * MIB, 0, 0.0, "leaves nothing"),
        (10 * GIB, 10 * GIB, 0.0, "leaves nothing"),
        (10 * GIB, 0, -0.05, "out of range"),
        (10 * GIB, 0, 1.0, "out of range"),
        (10 * GIB, 0, float("nan"), "out of range"),
        (10 * GIB, -1, 0.0, "negative"),
    ],
)
def test_a_budget_that_is_none(total: int, used: int, margin: float, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        budget_limit(total, 500 * MIB, used_bytes=used, margin=margin)


@settings(max_examples=25, deadline=None)
@given(st.integers(200 * MIB, 20 * GIB), st.sampled_from(AllocatorKind))
def test_a_budget_is_tight(limit_bytes: int, kind: AllocatorKind) -> None:
    (row,) = largest_batches(TRAINING, limit_of(limit_bytes), OVERLAY, kinds=[kind])
    stream = flatten(overlaid(TRAINING, OVERLAY))

    def fits(batch: int, more: int = 0) -> bool:
        return replay(stream, batch, kind, capacity_bytes=limit_bytes + more).shortage is None

    assert all(fits(batch) for batch in range(max(1, row.max_batch - WINDOW), row.max_batch + 1))
    assert not fits(row.max_batch + 1)
    above = range(row.max_batch + 2, row.max_batch + WINDOW + 1)
    assert row.checked.fits_above == tuple(batch for batch in above if fits(batch))
    assert row.max_batch_multiple_of_8 == row.max_batch // 8 * 8
    assert row.short_bytes is not None
    assert fits(row.max_batch + 1, row.short_bytes)
    assert not fits(row.max_batch + 1, row.short_bytes - 1)
    assert row.failure is not None
    shortage = row.failure.shortage
    assert shortage.device_bytes > shortage.free_bytes
    assert shortage.reserved_bytes + shortage.free_bytes == limit_bytes
    if row.peak is not None:
        assert row.peak.reserved_bytes <= limit_bytes


def test_both_allocators_are_answered_for() -> None:
    rows = largest_batches(TRAINING, limit_of(4 * GIB), OVERLAY)
    assert limit_of(4 * GIB).limit_bytes == 4 * GIB
    assert [row.allocator for row in rows] == list(AllocatorKind)
    assert all(row.max_batch > 0 for row in rows)


def test_the_json_of_a_row_has_all_that_it_says() -> None:
    row = largest_batches(TRAINING, limit_of(GIB), OVERLAY)[0]
    plain = json.loads(to_json(row))
    assert row.failure is not None
    failure = plain.pop("failure")
    for each in (row.failure, row.failure.shortage):
        for name in each.__dataclass_fields__:
            assert name == "shortage" or failure.pop(name) == getattr(each, name)
    assert failure == {}
    assert from_plain(BudgetRow, plain | {"failure": None}) == replace(row, failure=None)


def test_nothing_fits() -> None:
    row = largest_batches(TRAINING, limit_of(10 * MIB), OVERLAY)[0]
    assert (row.max_batch, row.peak) == (0, None)
    assert (row.max_batch_multiple_of_8, row.max_proven_batch, row.unproven) == (0, 0, False)
    assert row.failure is not None
    assert row.short_bytes is not None


def test_nothing_bounds_the_batch() -> None:
    writer = TraceWriter()
    writer.allocate(MIB, 0, Role.PARAMETER)
    row = largest_batches(writer.trace(), limit_of(GIB), OVERLAY)[0]
    assert (row.max_batch, row.short_bytes, row.failure) == (MOST_BATCH, None, None)


def test_batches_with_tensors_of_two_to_the_31_elements_are_unproven() -> None:
    """802,816 elements an image, as after conv1 at 224 px: 2,674 of them are below 2^31."""
    assert 2674 * 802_816 < 2**31 <= 2675 * 802_816
    writer = TraceWriter()
    writer.allocate(0, MIB)
    row = largest_batches(writer.trace(), limit_of(4 * GIB), OVERLAY)[0]
    assert (row.max_batch, row.unproven, row.max_proven_batch) == (4096, True, 2674)
    below = largest_batches(writer.trace(), limit_of(2674 * MIB), OVERLAY)[0]
    assert (below.max_batch, below.unproven, below.max_proven_batch) == (2674, False, 2674)


def test_a_tensor_of_just_two_to_the_31_elements_is_unproven() -> None:
    writer = TraceWriter()
    writer.allocate(0, MIB)
    trace = replace(writer.trace(), largest_elements=(2**20, 2**20))
    row = largest_batches(trace, limit_of(4 * GIB), OVERLAY)[0]
    assert (row.max_batch, row.unproven, row.max_proven_batch) == (4096, True, 2046)
    fixed = replace(trace, largest_elements=(2**31, 0))
    assert largest_batches(fixed, limit_of(GIB), OVERLAY)[0].max_proven_batch == 0


def test_a_trace_of_one_batch_size_has_no_largest_batch() -> None:
    with pytest.raises(ValueError, match="one batch"):
        largest_batches(replace(TRAINING, batches=(4,)), limit_of(GIB), OVERLAY)


@given(st.sets(st.integers(1, 80)), st.integers(0, 80))
def test_a_search_among_batches_that_fit_or_not_at_will(holes: set[int], upper: int) -> None:
    asked: set[int] = set()

    def fits(batch: int) -> bool:
        asked.add(batch)
        return batch not in holes

    answer, checked = search_largest(fits, upper)
    tried = {batch for batch in asked if batch <= answer}
    assert tried.isdisjoint(holes)
    assert answer == 0 or answer in tried
    assert answer + 1 in holes or answer + 1 > upper
    assert set(range(checked.first, min(checked.last, upper) + 1)) <= asked
    assert checked.first <= max(answer, 1) <= checked.last
    assert checked.fits_above == tuple(sorted(b for b in asked - holes if b > answer))


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_search_among_monotone_batches_finds_the_last(last: int, more: int) -> None:
    answer, checked = search_largest(lambda batch: batch <= last, last + more)
    assert answer == last
    assert checked.fits_above == ()


def test_a_gap_below_the_answer_is_found_and_said() -> None:
    answer, checked = search_largest(lambda batch: batch <= 100 and batch != 95, 120)
    assert answer == 94
    assert checked.fits_above == (96, 97, 98, 99, 100)
