"""A device's memory as plain events; the child process; and the claims about a real device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from resprof.errors import EnvironmentMissing, NotMeasured, ResprofError, UsageError
from resprof.measure import memory_history
from resprof.measure.memory_history import CudaMemory, operator_of, reduced, run_in_child
from resprof.memory.history import HistoryAction, HistoryEvent

on_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]
without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a CUDA device")

_SCRIPT = """
from resprof.errors import UsageError

def device():
    return "a device"

def joined(argument, memory):
    print("a library says something")
    return f"{argument} on {memory}"

def full(argument, memory):
    raise MemoryError

def refused(argument, memory):
    raise UsageError("no such thing", hint="ask for another")

def broken(argument, memory):
    raise ValueError("broken")

def slow(argument, memory):
    import time
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("frames", "operator"),
    [
        ([], ""),
        (["cudaMalloc", "run_step"], ""),
        (["at::_ops::addmm::call(at::Tensor const&)"], "aten.addmm"),
        (
            [
                "at::detail::empty_cuda(c10::ArrayRef<long>)",
                "at::_ops::empty_memory_format::redispatch(c10::DispatchKeySet)",
                "at::_ops::clone::call(at::Tensor const&)",
                "at::_ops::cudnn_convolution::call(at::Tensor const&)",
                "at::_ops::conv2d::call(at::Tensor const&)",
            ],
            "aten.cudnn_convolution",
        ),
        (["at::_ops::empty_memory_format::call()", "main"], "aten.empty_memory_format"),
        (["at::_ops::_to_copy::redispatch()", "at::_ops::conv2d::call()"], "aten._to_copy"),
    ],
)
def test_the_innermost_telling_operator_is_named(frames: list[str], operator: str) -> None:
    assert operator_of(frames) == operator


def test_a_trace_of_torch_becomes_plain_events() -> None:
    entries = [
        {"action": "segment_alloc", "addr": 4096, "size": 2**21, "frames": []},
        {
            "action": "alloc",
            "addr": 4096,
            "size": 100,
            "frames": [{"name": "at::_ops::relu::call()", "filename": "", "line": 0}],
        },
        {"action": "snapshot", "addr": 0, "size": 0, "frames": []},
        {"action": "free_requested", "addr": 4096, "size": 100},
        {"action": "free_completed", "addr": 4096, "size": 100},
        {"action": "oom", "size": 2**40, "device_free": 0},
    ]
    assert [(event.action, event.address, event.bytes) for event in reduced(entries)] == [
        (HistoryAction.SEGMENT_ALLOC, 4096, 2**21),
        (HistoryAction.ALLOC, 4096, 100),
        (HistoryAction.FREE_REQUESTED, 4096, 100),
        (HistoryAction.FREE_COMPLETED, 4096, 100),
        (HistoryAction.OOM, 0, 2**40),
    ]
    assert [event.operator for event in reduced(entries) if event.operator] == ["aten.relu"]


@pytest.fixture
def scripted_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scripted.py").write_text(_SCRIPT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(memory_history, "DEVICE", "scripted:device")


def test_only_the_tasks_text_comes_back(scripted_child: None) -> None:
    assert run_in_child("scripted:joined", "work", limit_s=60) == "work on a device"


@pytest.mark.parametrize(
    ("task", "error", "word"),
    [
        ("full", NotMeasured, "ran out of memory"),
        ("refused", UsageError, "no such thing"),
        ("broken", NotMeasured, "ValueError: broken"),
    ],
)
def test_a_childs_error_is_the_parents(
    scripted_child: None, task: str, error: type[ResprofError], word: str
) -> None:
    with pytest.raises(error, match=word):
        run_in_child(f"scripted:{task}", None, limit_s=60)


def test_a_child_that_hangs_is_ended(scripted_child: None) -> None:
    with pytest.raises(NotMeasured, match="did not end within 2 s"):
        run_in_child("scripted:slow", None, limit_s=2)


@without_gpu
def test_without_a_device_the_environment_is_missing() -> None:
    with pytest.raises(EnvironmentMissing, match="no CUDA device"):
        run_in_child("operator:concat", [], limit_s=60)


def _kept(memory: CudaMemory, make: Callable[[], object]) -> tuple[HistoryEvent, ...]:
    before = len(memory.events())
    made = make()
    events = memory.events()[before:]
    del made
    return tuple(event for event in events if event.action is HistoryAction.ALLOC)


class TestOnAGpu:
    pytestmark = on_gpu

    def test_the_bytes_recorded_are_those_asked_for(self) -> None:
        memory = CudaMemory()
        memory.record()
        (event,) = _kept(memory, lambda: torch.empty(12_345, dtype=torch.uint8, device="cuda"))
        assert event.bytes == 12_345
        last = memory.events()[-1]
        assert last == HistoryEvent(
            action=HistoryAction.FREE_COMPLETED,
            address=event.address,
            bytes=event.bytes,
            operator="",
        )

    def test_a_convolutions_allocations_name_it(self) -> None:
        memory = CudaMemory()
        memory.record()
        x = torch.ones(8, 64, 56, 56, device="cuda")
        weight = torch.ones(64, 64, 3, 3, device="cuda")
        events = _kept(memory, lambda: torch.nn.functional.conv2d(x, weight, padding=1))
        assert events
        assert all("convolution" in event.operator for event in events)

    def test_requested_bytes_rise_and_fall_by_what_is_asked_for(self) -> None:
        memory = CudaMemory()
        before = memory.requested()
        memory.reset_peak()
        block = torch.empty(999, dtype=torch.uint8, device="cuda")
        assert memory.requested() - before == 999
        del block
        assert memory.requested() == before
        assert memory.peak_requested() - before == 999
