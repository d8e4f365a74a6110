"""Validation on a GPU: with histories that the model made, and, where there is one, on a GPU."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from resprof.answers.gpu.validate_cuda import (
    HELD_FROM_BATCH,
    TOLERANCE,
    gpu_workloads,
    keep_history,
    record_history,
    record_steps,
    validate_histories,
    validate_on_cuda,
)
from resprof.answers.gpu.validation import BatchTry, GpuValidationResult, LargestBatchCheck
from resprof.answers.memory.budget import largest_batch
from resprof.answers.memory.prediction import predict_memory
from resprof.answers.memory.traces import trace_workload
from resprof.cli.main import main
from resprof.codec import from_plain, to_plain
from resprof.errors import NotMeasured, UsageError
from resprof.memory.allocator import Level, MemoryPeak
from resprof.memory.history import MemoryHistory, history_lines, history_of, read_history
from resprof.memory.overlay import Calibration, default_overlay, overlaid
from resprof.memory.trace import Action, Role
from resprof.model.architecture import Architecture
from resprof.model.networks import resolve, workload_of
from resprof.model.recipe import Precision, Recipe, Workload, train
from resprof.render.answer import Answer
from tests.answers.gpu.model_device import (
    ModelDevice,
    out_of_memory,
    put_in_place,
    scripted,
    taking_more,
)
from tests.answers.gpu.scripted_memory import GPU, TOTAL, ScriptedMemory
from tests.memory.memory_histories import CONTEXT


def small(batch: int, **changes: Any) -> tuple[Architecture, Recipe]:
    architecture = resolve("cifar-resnet8")
    return architecture, replace(train(batch=batch, image=architecture.image), **changes)


def test_a_gpu_as_predicted_has_no_error_and_only_workspaces_of_its_own() -> None:
    architecture, recipe = small(32)
    (row,) = validate_on_cuda([(architecture, recipe)], record=scripted).rows
    assert {check.level: check.error for check in row.levels} == dict.fromkeys(Level, 0.0)
    assert row.within
    assert row.in_band
    assert row.match is not None
    trace = trace_workload(architecture, recipe)
    workspaces = [
        event
        for event in overlaid(trace, default_overlay((9, 0))).events
        if event.role is Role.WORKSPACE and event.action is Action.ALLOCATE
    ]
    assert [item.bytes for item in row.match.only_gpu] == [w.constant for w in workspaces]
    assert [item.operator for item in row.match.only_gpu] == [w.operator for w in workspaces]
    assert row.match.unexplained_bytes == 0
    assert row.match.only_predicted == ()
    assert row.match.lifetimes_differ == 0
    assert row.replay is not None
    assert row.replay.exact


CALIBRATION = Calibration(
    device="NVIDIA Other",
    capability=(8, 0),
    torch="2.13.0",
    driver=None,
    date="2026-01-01T00:00:00Z",
    total_bytes=TOTAL,
    context_bytes=2 * CONTEXT,
    cublas_bytes=2**20,
    cublas_handles=1,
)
"""Of a GPU that takes otherwise than the defaults say."""


@pytest.mark.parametrize(("share", "within"), [(0.009, True), (0.011, False), (-0.011, False)])
def test_the_tolerance_is_about_allocated_bytes(share: float, within: bool) -> None:
    (row,) = validate_on_cuda([small(32)], record=taking_more(share)).rows
    assert row.within is within
    assert row.replay is not None
    assert not row.replay.exact


def test_the_defaults_error_stands_beside_the_calibrated_one() -> None:
    """The scripted device takes what the defaults say, so a calibration can only be wrong."""
    other = CALIBRATION
    result = validate_on_cuda([small(32)], record=scripted, calibration=other)
    assert result.calibrated_on == other.device
    for check in result.rows[0].levels:
        assert check.uncalibrated_error == 0.0
        assert check.error != 0.0


def test_nothing_is_claimed_of_small_batches() -> None:
    (row,) = validate_on_cuda([small(HELD_FROM_BATCH - 1)], record=taking_more(0.5)).rows
    assert row.within is None


def test_one_workload_out_of_memory_leaves_the_others() -> None:
    def record(workload: Workload) -> MemoryHistory:
        if workload.recipe.batch == 64:
            raise NotMeasured("the GPU ran out of memory", hint="choose a smaller batch")
        return scripted(workload)

    result = validate_on_cuda([small(64), small(32)], record=record)
    assert [row.failure is None for row in result.rows] == [False, True]
    assert result.environment is not None


def test_histories_are_kept_and_read_back(tmp_path: Path) -> None:
    architecture, recipe = small(32)
    validate_on_cuda([(architecture, recipe)], record=scripted, keep=tmp_path)
    (file,) = tmp_path.iterdir()
    kept = read_history(file)
    expected = scripted(workload_of(architecture, recipe))
    assert replace(kept, environment=expected.environment) == expected


def test_kept_histories_are_held_again_without_a_gpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = validate_on_cuda([small(64), small(32)], record=taking_more(0.02), keep=tmp_path)
    assert main(["validate", "--histories", str(tmp_path), "--json"]) == 1
    (again,) = json.loads(capsys.readouterr().out)["results"]
    assert again == Answer.filled(to_plain(found))
    assert main(["validate", "--histories", str(tmp_path), "--tolerance", "5%"]) == 0
    assert "2 of 2 within 5%" in capsys.readouterr().out


@pytest.mark.parametrize("more", [["resnet18"], ["--device", "cuda"], ["--only", "largest"]])
def test_kept_histories_are_held_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    assert main(["validate", "--histories", str(tmp_path), *more]) == 2
    assert "--histories" in capsys.readouterr().err


def test_a_folder_without_histories_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "--histories", str(tmp_path)]) == 2
    assert "--keep FOLDER" in capsys.readouterr().err


def test_a_history_that_was_cut_off_is_refused() -> None:
    lines = list(history_lines(scripted(workload_of(*small(32)))))
    deep = ["[" * 100_000]
    for part in ([], lines[1:], lines[:-1], [*lines[:-1], lines[-1][:-3]], ["{}"], deep):
        with pytest.raises(UsageError, match="memory history"):
            history_of(part)


@pytest.mark.parametrize("capability", ["", "9", "9.x", "90000000000000000000000.0"])
def test_a_history_of_a_gpu_that_cannot_be_is_refused(capability: str) -> None:
    history = scripted(workload_of(*small(32)))
    gpu = replace(GPU, capability=capability)
    odd = replace(history, environment=replace(history.environment, gpu=gpu))
    for each in (odd, replace(odd, environment=replace(history.environment, gpu=None))):
        with pytest.raises(UsageError, match="GPU"):
            history_of(history_lines(each))
    for starts in ((5, 1), (-1, 5), (0, len(history.events) + 1)):
        with pytest.raises(UsageError, match="steps"):
            history_of(history_lines(replace(history, step_starts=starts)))


def test_histories_are_not_kept_among_others(tmp_path: Path) -> None:
    validate_on_cuda([small(32)], record=scripted, keep=tmp_path)
    with pytest.raises(UsageError, match="already exists") as caught:
        validate_on_cuda([small(64)], record=scripted, keep=tmp_path)
    assert "--keep" in caught.value.hint
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("release", ["1.0", torch.__version__])
def test_a_calibration_of_another_torch_is_named(release: str) -> None:
    architecture, recipe = small(32)
    calibration = replace(CALIBRATION, torch=release)
    notes = {
        job: {note.code for note in found[1]}
        for job, found in (
            ("memory", predict_memory(architecture, recipe, calibration=calibration)),
            (
                "budget",
                largest_batch(architecture, recipe, total_bytes=2**30, calibration=calibration),
            ),
        )
    }
    for codes in notes.values():
        assert ("calibrated-torch" in codes) is (release == "1.0")


def _kept(folder: Path, *histories: MemoryHistory) -> None:
    for number, history in enumerate(histories):
        keep_history(folder, number, history)


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"\xff\xfe", "UTF-8"), (b"{}", "memory history"), (None, "regular file")],
)
def test_a_kept_file_that_is_none_is_named(tmp_path: Path, content: bytes | None, why: str) -> None:
    _kept(tmp_path, scripted(workload_of(*small(32))))
    odd = tmp_path / "odd.jsonl"
    odd.mkdir() if content is None else odd.write_bytes(content)
    with pytest.raises(UsageError, match=f"odd.jsonl.*{why}"):
        validate_histories(tmp_path)


def test_kept_histories_are_of_one_gpu_and_torch_and_one_workload_each(tmp_path: Path) -> None:
    history = scripted(workload_of(*small(32)))
    other = scripted(workload_of(*small(64)))
    environment = other.environment
    gpu = replace(GPU, name="NVIDIA Other")
    card = replace(GPU, uuid="GPU-2", pci_bus_id="00000000:42:00.0")
    _kept(tmp_path, history, replace(other, environment=replace(environment, gpu=card)))
    assert len(validate_histories(tmp_path).rows) == 2
    _kept(tmp_path, history, replace(other, environment=replace(environment, gpu=gpu)))
    with pytest.raises(UsageError, match="different GPUs or torch versions"):
        validate_histories(tmp_path)
    _kept(tmp_path, history, history)
    with pytest.raises(UsageError, match=r"00-.*01-.*the same workload"):
        validate_histories(tmp_path)


def test_the_standing_set_covers_what_changes_memory() -> None:
    chosen = list(gpu_workloads())
    assert len(chosen) == 12
    assert {architecture.id for architecture, _ in chosen} == {"resnet18", "resnet50", "resnet152"}
    assert {recipe.batch for _, recipe in chosen} == {1, 32, 256}
    for field in ("mode", "precision", "memory_format", "optimizer", "checkpoint"):
        assert len({getattr(recipe, field) for _, recipe in chosen}) > 1


@pytest.fixture
def _switches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the child sets for its whole life, and this process must not keep."""
    monkeypatch.setattr(gc, "disable", lambda: None)
    backends: Any = torch.backends
    before = (
        backends.cuda.matmul.fp32_precision,
        backends.cudnn.conv.fp32_precision,
        backends.cudnn.benchmark,
    )
    yield
    backends.cuda.matmul.fp32_precision = before[0]
    backends.cudnn.conv.fp32_precision = before[1]
    backends.cudnn.benchmark = before[2]


@pytest.mark.usefixtures("_switches")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"precision": Precision.AMP_BF16, "accumulate": 2},
        {"precision": Precision.AMP_FP16},
        {"precision": Precision.TF32},
    ],
)
def test_the_childs_task_runs_the_steps_and_marks_them(changes: dict[str, Any]) -> None:
    workload = workload_of(*small(2, **changes))
    history = history_of(record_steps(to_plain(workload), ScriptedMemory()).splitlines())
    assert history.workload == workload
    assert history.step_starts == (1, 2)
    assert len(history.events) == 3
    assert history.context_bytes == 100 - 60 - 5
    assert history.peak == MemoryPeak(
        requested_bytes=1, allocated_bytes=2, reserved_bytes=7, process_bytes=40
    )


def run_cli(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], record: Any, *more: str
) -> tuple[int, str, str]:
    put_in_place(monkeypatch, ModelDevice(), record)
    code = main(["validate", "cifar-resnet8", "--device", "cuda", *more])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("record", "code", "word"),
    [
        (scripted, 0, "3 of 3 within 1%"),
        (taking_more(0.02), 1, "0 of 3 within 1%"),
        (out_of_memory, 4, "ran out of memory"),
    ],
)
def test_exit_codes(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    record: Any,
    code: int,
    word: str,
) -> None:
    found, out, err = run_cli(monkeypatch, capsys, record)
    assert found == code
    assert err == ""
    assert word in out


@pytest.mark.parametrize(
    ("device", "code", "words"),
    [
        (ModelDevice(), 0, ["1 of 1 within 1%."]),
        (ModelDevice(in_use=2**28), 1, ["0 of 1 within 1%.", "256.0 MiB"]),
        (ModelDevice(total=2**28), 4, ["0 of 1 within 1%.", "leaves nothing"]),
    ],
)
def test_the_largest_batch_counts_like_the_other_rows(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    device: ModelDevice,
    code: int,
    words: list[str],
) -> None:
    put_in_place(monkeypatch, device, scripted)
    arguments = ["validate", "cifar-resnet8", "--device", "cuda"]
    assert main(arguments) == code
    out = capsys.readouterr().out
    assert "Largest batch, predicted vs measured" in out
    assert all(word in out for word in words)
    assert main([*arguments, "--only", "largest", "--csv"]) == code
    assert capsys.readouterr().out.startswith("model,recipe,predicted_batch,")
    tried = len(device.batches)
    assert main([*arguments, "--only", "workloads"]) == 0
    assert "The largest batch" not in capsys.readouterr().out
    assert len(device.batches) == tried


def test_the_json_is_its_record(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = run_cli(monkeypatch, capsys, scripted, "--json")
    (result,) = json.loads(out)["results"]
    assert list(result) == list(Answer.filled(GpuValidationResult.__dataclass_fields__))
    assert result["tolerance"] == TOLERANCE
    levels = [check["level"] for check in result["rows"][0]["levels"]]
    assert levels == ["requested", "allocated", "reserved", "process"]
    (check,) = result["largest"]
    assert list(check) == list(LargestBatchCheck.__dataclass_fields__)
    assert check["error"] == 0
    assert list(check["tries"][0]) == list(BatchTry.__dataclass_fields__)
    assert from_plain(LargestBatchCheck, check).predicted_batch == check["fitting_batch"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a CUDA device")
def test_without_a_device_it_is_two_lines_and_exit_code_3(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["validate", "cifar-resnet8", "--device", "cuda"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    error, hint = err.splitlines()
    assert error == "error: torch sees no CUDA device here"
    assert hint.startswith("hint: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--keep", "no-such-folder", "--device", "cuda"],
        ["--calibration", "x"],
        ["--only", "largest"],
    ],
)
def test_options_are_checked_before_anything_runs(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(["validate", "cifar-resnet8", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
@pytest.mark.parametrize(
    "changes",
    [{}, {"precision": Precision.AMP_FP16}, {"precision": Precision.AMP_BF16, "accumulate": 2}],
)
def test_on_a_gpu_every_event_is_explained_and_the_replay_exact(changes: dict[str, Any]) -> None:
    architecture = resolve("resnet18")
    _, recipe = small(32, image=architecture.image, **changes)
    (row,) = validate_on_cuda([(architecture, recipe)], record=record_history).rows
    assert row.match is not None
    assert row.match.only_predicted == ()
    assert row.match.unexplained_bytes == 0
    assert row.match.lifetimes_differ == 0
    assert row.replay is not None
    assert row.replay.exact
    assert row.within
