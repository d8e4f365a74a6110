from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resprof.memory.history import (
    HistoryAction,
    HistoryEvent,
    Unmatched,
    common_subsequence,
    match_events,
    replay_history,
    takes_more,
)
from resprof.memory.replay import flatten
from resprof.memory.trace import Action, Event, Role, Trace
from tests.memory.memory_histories import peak_of, recorded
from tests.memory.memory_traces import inference, training

BATCH = 4
TRAINING = training()
ALLOCATIONS = len(flatten(TRAINING).amount_of)
KIB = 1024

short_lists = st.lists(st.integers(min_value=0, max_value=4), max_size=14)
insertions = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=len(TRAINING.events) - 1),
        st.integers(min_value=1, max_value=64 * KIB * KIB),
    ),
    max_size=20,
)


def longest(first: Sequence[int], second: Sequence[int]) -> int:
    @cache
    def length(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return 0
        if first[i - 1] == second[j - 1]:
            return length(i - 1, j - 1) + 1
        return max(length(i - 1, j), length(i, j - 1))

    return length(len(first), len(second))


@given(short_lists, short_lists)
def test_a_common_subsequence_is_one_and_the_longest(first: list[int], second: list[int]) -> None:
    pairs = common_subsequence(first, second)
    assert all(first[one] == second[other] for one, other in pairs)
    for (one, other), (next_one, next_other) in pairwise(pairs):
        assert one < next_one
        assert other < next_other
    assert len(pairs) == longest(first, second)


def test_four_thousand_events_take_less_than_a_second() -> None:
    first = [index * index % 97 for index in range(4000)]
    second = [index * 7 % 89 for index in range(4000)]
    start = time.perf_counter()
    assert common_subsequence(first, second)
    assert time.perf_counter() - start < 1.0


def with_workspaces(trace: Trace, where: Sequence[tuple[int, int]]) -> tuple[Trace, list[Event]]:
    """The trace with a block that comes and goes at once behind each of those events."""
    following: dict[int, list[int]] = {}
    for index, size in where:
        following.setdefault(index, []).append(size)
    events: list[Event] = []
    inserted: list[Event] = []
    for index, event in enumerate(trace.events):
        events.append(event)
        for size in following.get(index, []):
            workspace = replace(
                event,
                action=Action.ALLOCATE,
                block=10**6 + len(inserted),
                onto=None,
                constant=size,
                per_image=0,
                operator="aten.cudnn_convolution",
                role=Role.WORKSPACE,
            )
            inserted.append(workspace)
            events += [workspace, replace(workspace, action=Action.FREE)]
    return replace(trace, events=tuple(events)), inserted


@settings(max_examples=40, deadline=None)
@given(insertions)
def test_inserted_workspaces_are_what_only_the_gpu_has(where: list[tuple[int, int]]) -> None:
    on_gpu, inserted = with_workspaces(TRAINING, where)
    events, starts = recorded(on_gpu, BATCH)
    found = match_events(events, starts, TRAINING, BATCH)
    assert found.matched == ALLOCATIONS
    assert found.only_predicted == ()
    assert Counter((item.step, item.bytes) for item in found.only_gpu) == Counter(
        (event.step, event.constant) for event in inserted
    )


@settings(max_examples=40, deadline=None)
@given(insertions)
def test_what_a_model_recorded_replays_exactly(where: list[tuple[int, int]]) -> None:
    events, _ = recorded(with_workspaces(TRAINING, where)[0], BATCH)
    found = replay_history(events, peak_of(events))
    assert found.exact
    assert found.first_difference is None


def test_workspaces_of_sizes_of_their_own_are_found_in_their_places() -> None:
    """No tensor has an odd size, so each workspace can only be itself."""
    places = [
        index
        for index, event in enumerate(TRAINING.events)
        if event.action is Action.ALLOCATE and event.operator == "aten.convolution"
    ]
    where = [(index, 2 * number * KIB + 1) for number, index in enumerate(places, start=1)]
    on_gpu, inserted = with_workspaces(TRAINING, where)
    events, starts = recorded(on_gpu, BATCH)
    found = match_events(events, starts, TRAINING, BATCH)
    assert found.only_gpu == tuple(
        Unmatched(
            step=event.step, operator=event.operator, module=event.module, bytes=event.constant
        )
        for event in inserted
    )
    assert found.unexplained_bytes == 0
    assert found.lifetimes_differ == 0
    assert found.matched_bytes == sum(flatten(TRAINING).requests(BATCH))


def test_what_the_gpu_lacks_is_only_predicted() -> None:
    events, starts = recorded(TRAINING, BATCH)
    index = next(
        index
        for index, event in enumerate(events)
        if event.action is HistoryAction.ALLOC and index > starts[1]
    )
    gone = events[index]
    without = events[:index] + events[index + 1 :]
    found = match_events(without, starts, TRAINING, BATCH)
    assert found.matched == ALLOCATIONS - 1
    assert [(item.step, item.bytes) for item in found.only_predicted] == [(2, gone.bytes)]


def test_bytes_outside_of_known_operators_are_unexplained() -> None:
    events, starts = recorded(inference(), BATCH)
    extra = HistoryEvent(
        action=HistoryAction.ALLOC, address=2**60, bytes=12_345, operator="aten.relu"
    )
    found = match_events((*events, extra), starts, inference(), BATCH)
    assert found.unexplained_bytes == extra.bytes


def test_a_block_that_lives_longer_is_counted() -> None:
    events, starts = recorded(TRAINING, BATCH)
    index = next(
        index
        for index, event in enumerate(events)
        if event.action is HistoryAction.FREE_COMPLETED and index > starts[0]
    )
    kept = events[:index] + events[index + 1 :]
    assert match_events(kept, starts, TRAINING, BATCH).lifetimes_differ >= 1


def test_a_segment_that_the_model_does_not_take_is_the_first_difference() -> None:
    events, _ = recorded(TRAINING, BATCH)
    segment = HistoryEvent(
        action=HistoryAction.SEGMENT_ALLOC, address=2**60, bytes=2**21, operator=""
    )
    half = next(
        index
        for index, event in enumerate(events)
        if event.action is HistoryAction.ALLOC and index > len(events) // 2
    )
    changed = (*events[:half], segment, *events[half:])
    found = replay_history(changed, peak_of(events))
    assert not found.exact
    assert found.first_difference == half + 1


@pytest.mark.parametrize("field", ["requested_bytes", "allocated_bytes", "reserved_bytes"])
def test_a_counter_that_says_otherwise_is_not_exact(field: str) -> None:
    events, _ = recorded(TRAINING, BATCH)
    peak = peak_of(events)
    changed = replace(peak, **{field: getattr(peak, field) + 512})
    assert not replay_history(events, changed).exact


def test_a_history_that_begins_late_is_refused() -> None:
    events, _ = recorded(TRAINING, BATCH)
    first_free = next(
        index for index, event in enumerate(events) if event.action is HistoryAction.FREE_COMPLETED
    )
    with pytest.raises(ValueError, match="older than the history"):
        replay_history(events[first_free:], peak_of(events))


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("aten.cudnn_convolution", True),
        ("aten.convolution_backward", True),
        ("aten.cudnn_batch_norm", True),
        ("aten.addmm", True),
        ("aten.mm", True),
        ("aten.relu", False),
        ("aten._foreach_add_", False),
        ("", False),
    ],
)
def test_which_operators_take_more(operator: str, expected: bool) -> None:
    assert takes_more(operator) is expected
