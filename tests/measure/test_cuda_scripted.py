"""The CUDA clock and the graph engine on a scripted device: what waits for what."""

from __future__ import annotations

import time
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from resprof.measure.cuda import _IN_FLIGHT, CudaClock
from resprof.measure.subject import run_by
from resprof.model.recipe import Engine

_MS = 1e-3


class Device:
    """A device with one stream; host and device time pass only as the script says (ms)."""

    def __init__(self) -> None:
        self.host = 0.0
        self.free_at = 0.0
        self.log: list[str] = []
        self.in_flight: list[float] = []
        self.most_in_flight = 0

    def issue(self, host: float, device: float) -> None:
        """The host is busy for a while, then the device has work for a while."""
        self.host += host
        self.free_at = max(self.free_at, self.host) + device
        self.in_flight = [end for end in self.in_flight if end > self.host] + [self.free_at]
        self.most_in_flight = max(self.most_in_flight, len(self.in_flight))

    def synchronize(self, _device: object = None) -> None:
        self.host = max(self.host, self.free_at)


class Event:
    device: Device

    def __init__(self, *, enable_timing: bool) -> None:
        self.timing = enable_timing
        self.at: float | None = None

    def record(self, _stream: object) -> None:
        self.at = max(self.device.host, self.device.free_at)

    def synchronize(self) -> None:
        if self.at is not None:
            self.device.host = max(self.device.host, self.at)

    def elapsed_time(self, other: Event) -> float:
        assert self.timing
        assert other.timing
        assert self.at is not None
        assert other.at is not None
        return other.at - self.at


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    found = Device()
    monkeypatch.setattr(Event, "device", found, raising=False)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: "stream")
    monkeypatch.setattr(torch.cuda, "synchronize", found.synchronize)
    monkeypatch.setattr(time, "perf_counter_ns", lambda: round(found.host * 1e6))
    return found


def _clock() -> CudaClock:
    return CudaClock(torch.device("cuda", 0))


def test_a_call_has_the_devices_time_the_hosts_and_that_of_issuing(device: Device) -> None:
    timing = _clock().one(lambda: device.issue(host=2.0, device=30.0))
    # The device starts when the host has issued, which the first event does not wait for.
    assert timing.seconds == pytest.approx(32.0 * _MS)
    assert timing.wall_s == pytest.approx(32.0 * _MS)
    assert timing.issue_s == pytest.approx(2.0 * _MS)


def test_a_call_waits_for_what_was_there_before(device: Device) -> None:
    device.issue(host=0.0, device=500.0)
    timing = _clock().one(lambda: device.issue(host=1.0, device=5.0))
    assert timing.wall_s == pytest.approx(6.0 * _MS)


def test_back_to_back_the_device_never_waits_and_the_host_runs_ahead_a_bounded_way(
    device: Device,
) -> None:
    seconds = _clock().back_to_back(lambda: device.issue(host=1.0, device=10.0), 50)
    assert seconds == pytest.approx((1.0 + 50 * 10.0) * _MS)
    assert device.most_in_flight == _IN_FLIGHT


def test_a_slow_host_sets_the_pace(device: Device) -> None:
    seconds = _clock().back_to_back(lambda: device.issue(host=10.0, device=1.0), 50)
    assert seconds == pytest.approx((50 * 10.0 + 1.0) * _MS)


def test_tiles_are_read_when_all_is_done_and_add_up(device: Device) -> None:
    clock = _clock()

    def call(mark: Any) -> None:
        for length in (3.0, 5.0, 7.0):
            device.issue(host=1.0, device=length)
            mark()
        assert device.host == pytest.approx(start + 3.0)  # nothing was waited for

    start = device.host
    tiles = clock.tiled(call)
    assert tiles == pytest.approx((4.0 * _MS, 5.0 * _MS, 7.0 * _MS))
    start = device.host
    assert clock.tiled(call) == pytest.approx(tiles)


def test_a_graph_is_captured_in_the_first_call_and_replayed_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log: list[str] = []

    class Stream:
        def __init__(self, name: object = None) -> None:
            self.name = name

        def wait_stream(self, _other: object) -> None:
            log.append("wait")

    class Graph:
        def replay(self) -> None:
            log.append("replay")

    class Capturing:
        def __init__(self, _graph: Graph) -> None:
            pass

        def __enter__(self) -> None:
            log.append("capture")

        def __exit__(self, *_: object) -> None:
            log.append("captured")

    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", Capturing)
    steps: Any = SimpleNamespace(
        given=(SimpleNamespace(device=torch.device("cuda", 0)),),
        step=lambda: log.append("step"),
        clear=lambda: log.append("clear"),
    )
    call = run_by(Engine.GRAPH, steps)
    assert log == []
    call()
    assert log[-5:] == ["clear", "capture", "step", "captured", "replay"]
    assert log.count("step") == 4
    log.clear()
    call()
    assert log == ["replay"]
