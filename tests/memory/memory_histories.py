"""Histories as a GPU would record them, made from traces by the model of the allocator."""

from __future__ import annotations

from collections.abc import Sequence

from resprof.memory.allocator import CachingAllocator, MemoryPeak, with_context
from resprof.memory.history import HistoryAction, HistoryEvent
from resprof.memory.replay import flatten
from resprof.memory.trace import Trace

CONTEXT = 480 * 2**20


def recorded(trace: Trace, batch: int) -> tuple[tuple[HistoryEvent, ...], tuple[int, ...]]:
    """The events of a trace at one batch size, and the index of each step's first one."""
    stream = flatten(trace)
    requests = stream.requests(batch)
    allocator = CachingAllocator()
    addresses = [0] * len(requests)
    events: list[HistoryEvent] = []
    starts: list[int] = []
    for code, index in zip(stream.codes, stream.events, strict=True):
        event = trace.events[index]
        while len(starts) < event.step:
            starts.append(len(events))
        if code < 0:
            freed = (HistoryAction.FREE_REQUESTED, HistoryAction.FREE_COMPLETED)
            events += [_event(action, addresses[~code], requests[~code]) for action in freed]
            allocator.free(addresses[~code])
            continue
        reserved = allocator.reserved
        addresses[code] = allocator.allocate(requests[code])
        if allocator.reserved > reserved:
            segment = allocator.reserved - reserved
            events.append(_event(HistoryAction.SEGMENT_ALLOC, addresses[code], segment))
        alloc = HistoryAction.ALLOC
        events.append(_event(alloc, addresses[code], requests[code], event.operator))
    return tuple(events), tuple(starts)


def peak_of(events: Sequence[HistoryEvent]) -> MemoryPeak:
    """What the device's counters would say of a history that an allocator of the model made."""
    allocator = CachingAllocator()
    address_of = {}
    for event in events:
        if event.action is HistoryAction.ALLOC:
            address_of[event.address] = allocator.allocate(event.bytes)
        elif event.action is HistoryAction.FREE_COMPLETED:
            allocator.free(address_of.pop(event.address))
    return with_context(allocator.peak, CONTEXT)


def _event(action: HistoryAction, address: int, size: int, operator: str = "") -> HistoryEvent:
    return HistoryEvent(action=action, address=address, bytes=size, operator=operator)
