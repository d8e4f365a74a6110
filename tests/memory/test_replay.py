from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resprof.memory.allocator import CachingAllocator
from resprof.memory.replay import flatten, follow, replay
from resprof.memory.rules import AllocatorKind
from resprof.memory.trace import Action, Role, Trace
from resprof.model.recipe import Phase
from tests.memory.memory_traces import TraceWriter, inference, training

MIB = 1024 * 1024
TRAINING = training()


def test_peaks_of_a_stream_worked_out_by_hand() -> None:
    writer = TraceWriter()
    weight = writer.allocate(3 * MIB, 0, Role.PARAMETER)
    image = writer.allocate(100, MIB)
    writer.free(image)
    writer.allocate(0, 6 * MIB)
    peak = replay(flatten(writer.trace()), 4).peak
    assert weight == 0
    # 3 MiB lie in a segment of 20. 4 MiB + 100 B do so too, as 4 MiB + 512 B. 24 MiB have their
    # own segment; 4 of them are live only with the 3.
    assert peak.requested_bytes == 3 * MIB + 24 * MIB
    assert peak.allocated_bytes == 3 * MIB + 24 * MIB
    assert peak.reserved_bytes == 20 * MIB + 24 * MIB
    one = replay(flatten(writer.trace()), 1).peak
    assert one.requested_bytes == 3 * MIB + 6 * MIB
    assert one.reserved_bytes == 20 * MIB


def test_a_move_gives_a_block_a_new_name_and_nothing_else() -> None:
    writer = TraceWriter()
    moved = writer.move(writer.allocate(MIB, 0), Role.GRADIENT)
    again = writer.move(moved, Role.GRADIENT)
    writer.free(again)
    writer.allocate(MIB, 0)
    stream = flatten(writer.trace())
    assert stream.codes == (0, ~0, 1)
    assert stream.events == (0, 3, 4)
    assert replay(stream, 1).peak.allocated_bytes == MIB


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3000), st.sampled_from(AllocatorKind))
def test_quick_and_thorough_replays_agree(batch: int, kind: AllocatorKind) -> None:
    stream = flatten(TRAINING)
    peak, history = replay(stream, batch, kind).peak, follow(stream, batch, kind)
    assert peak.requested_bytes == stream.peak_requested(batch)
    for level in ("requested_bytes", "allocated_bytes", "reserved_bytes"):
        assert getattr(peak, level) == max(getattr(each, level) for each in history.levels)
    assert peak.requested_bytes <= peak.allocated_bytes <= peak.reserved_bytes


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3000))
def test_requests_never_fall_as_the_batch_grows(batch: int) -> None:
    stream = flatten(TRAINING)
    assert stream.peak_requested(batch) <= stream.peak_requested(batch + 1)


def test_where_a_replay_fails() -> None:
    stream = flatten(TRAINING)
    reserved = replay(stream, 64).peak.reserved_bytes
    failed = replay(stream, 64, capacity_bytes=reserved // 2)
    shortage = failed.shortage
    assert shortage is not None
    assert shortage.device_bytes > shortage.free_bytes
    assert shortage.reserved_bytes + shortage.free_bytes == reserved // 2
    levels = follow(stream, 64).levels
    first = next(i for i, each in enumerate(levels) if each.reserved_bytes > reserved // 2)
    assert failed.failed_at == first  # nothing was free to be given back in the first forward pass
    assert TRAINING.events[stream.events[first]].phase is Phase.FORWARD
    assert replay(stream, 64, capacity_bytes=reserved).shortage is None


def test_a_step_leaves_what_it_found() -> None:
    """Live after the last step: parameters, buffers and momentum."""
    stream = flatten(TRAINING)
    roles = {Role.PARAMETER, Role.BUFFER, Role.OPTIMIZER}
    standing = sum(event.constant for event in TRAINING.events if event.role in roles)
    assert follow(stream, 8).levels[-1].requested_bytes == standing
    last = follow(flatten(inference()), 8).levels[-1]
    assert last.requested_bytes == 36_864 * 2 * (1 + 4 + 16 + 64)


def test_the_allocator_can_be_fed_directly() -> None:
    """A recorded history of a real device is replayed so."""
    stream = flatten(TRAINING)
    requests = stream.requests(32)
    allocator = CachingAllocator()
    addresses = {}
    for code in stream.codes:
        if code >= 0:
            addresses[code] = allocator.allocate(requests[code])
        else:
            allocator.free(addresses.pop(~code))
    assert allocator.peak == replay(stream, 32).peak


def broken(kind: str) -> Trace:
    writer = TraceWriter()
    block = writer.allocate(MIB, 0)
    writer.free(block)
    trace = writer.trace()
    first, freed = trace.events
    events = {
        "freed twice": (first, freed, freed),
        "never allocated": (freed,),
        "allocated twice": (first, first),
        "shrinking": (replace(first, per_image=-1),),
        "freed under its old name": (first, replace(freed, action=Action.MOVE, onto=7), freed),
        "moved nowhere": (first, replace(freed, action=Action.MOVE)),
    }
    return replace(trace, events=events[kind])


@pytest.mark.parametrize(
    "kind",
    [
        "freed twice",
        "freed under its old name",
        "never allocated",
        "allocated twice",
        "shrinking",
        "moved nowhere",
    ],
)
def test_events_that_contradict_each_other_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="event "):
        flatten(broken(kind))


def test_a_trace_of_one_batch_size_answers_for_no_other() -> None:
    stream = flatten(replace(TRAINING, batches=(16,)))
    assert replay(stream, 16).peak.requested_bytes > 0
    for batch in (0, 15, 32):
        with pytest.raises(ValueError, match="batch"):
            replay(stream, batch)
