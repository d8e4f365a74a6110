"""A recorded history that no allocator can have written is refused with its file and line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from resprof.cli.main import main
from resprof.measure.host import machine_environment
from resprof.memory.allocator import MemoryPeak
from resprof.memory.history import (
    HistoryAction,
    HistoryEvent,
    MemoryHistory,
    history_lines,
    read_history,
)
from resprof.model.networks import resolve, workload_of
from resprof.model.recipe import train
from tests.answers.gpu.scripted_memory import GPU, TOTAL

_ALLOC, _FREE = ("alloc", 512, 1024, "aten.empty"), ("free_completed", 512, 1024, "")


def _file(folder: Path, *events: object) -> Path:
    network = resolve("cifar-resnet8")
    history = MemoryHistory(
        workload=workload_of(network, train(batch=4, image=network.image)),
        environment=replace(machine_environment(), gpu=GPU),
        total_bytes=TOTAL,
        context_bytes=2**29,
        peak=MemoryPeak(
            requested_bytes=1024, allocated_bytes=1024, reserved_bytes=2**21, process_bytes=2**30
        ),
        retries=0,
        step_starts=(0, 0),
        events=(HistoryEvent(action=HistoryAction.OOM, address=0, bytes=0, operator=""),)
        * len(events),
    )
    head, *_ = history_lines(history)
    file = folder / "history.jsonl"
    file.write_text(head + "".join(json.dumps(event) + "\n" for event in events))
    return file


def test_a_history_in_order_is_read(tmp_path: Path) -> None:
    assert len(read_history(_file(tmp_path, _ALLOC, _FREE, _ALLOC)).events) == 3


@pytest.mark.parametrize(
    ("events", "where"),
    [
        ([_FREE], "line 2"),
        ([_ALLOC, _FREE, _FREE], "line 4"),
        ([_ALLOC, _ALLOC], "line 3"),
        ([_ALLOC, ("alloc", -1, 1024, "")], "line 3"),
        ([_ALLOC, ("alloc", 4096, -1, "")], "line 3"),
        ([_ALLOC, ("segment_free", 4096, 2**62, "")], "line 3"),
        ([_ALLOC, ("alloc", 4096, 10**400, "")], "line 3"),
        ([_ALLOC, ("alloc", 4096, float("nan"), "")], ""),
    ],
)
def test_one_that_is_not_is_two_lines(
    events: list[object], where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _file(tmp_path, *events)
    assert main(["validate", "--histories", str(tmp_path)]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    assert "history.jsonl" in error
    assert where in error
