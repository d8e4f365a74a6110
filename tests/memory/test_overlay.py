from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from resprof.counting.cost import count
from resprof.errors import UsageError
from resprof.memory.overlay import (
    Calibration,
    Overlay,
    Use,
    Workspace,
    calibrated_overlay,
    calibration_text,
    cublas_bytes,
    default_overlay,
    extremes,
    overlaid,
    read_calibration,
    shape_text,
)
from resprof.memory.replay import flatten, follow
from resprof.memory.trace import Action, Event, Role, Trace
from resprof.model.networks import resolve
from resprof.model.recipe import MemoryFormat, Phase, Precision
from tests.memory.memory_traces import TraceWriter, training

MIB = 1024 * 1024
TRAINING = training()

CALIBRATION = Calibration(
    device="NVIDIA Test",
    capability=(8, 0),
    torch="2.13.0",
    driver=None,
    date="2026-01-01T00:00:00Z",
    total_bytes=80 * 2**30,
    context_bytes=450 * MIB,
    cublas_bytes=8 * MIB,
    cublas_handles=1,
    workspaces=(
        Workspace(shape="a", use=Use.FORWARD, constant_bytes=5 * MIB, per_image_bytes=512),
        Workspace(shape="a", use=Use.INPUT_GRADIENT, constant_bytes=6 * MIB, per_image_bytes=0),
        Workspace(shape="a", use=Use.WEIGHT_GRADIENT, constant_bytes=7 * MIB, per_image_bytes=0),
        Workspace(shape="a", use=Use.RESERVE, constant_bytes=0, per_image_bytes=1024),
    ),
)


def workspaces(trace: Trace, overlay: Overlay) -> list[Event]:
    return [event for event in overlaid(trace, overlay).events if event.role is Role.WORKSPACE]


@pytest.mark.parametrize(
    ("capability", "size"),
    [
        ((9, 0), 4096 * 8 * 1024),  # :4096:8 in KiB, for Hopper
        ((8, 0), 4096 * 1024 * 2 + 16 * 1024 * 8),  # :4096:2:16:8 in KiB
        ((10, 0), 4096 * 1024 * 2 + 16 * 1024 * 8),
        (None, 4096 * 8 * 1024),
    ],
)
def test_size_of_a_cublas_workspace(capability: tuple[int, int] | None, size: int) -> None:
    assert cublas_bytes(capability) == size


def test_cublas_takes_a_workspace_at_the_first_multiplication_of_each_thread_and_keeps_it() -> None:
    taken = workspaces(TRAINING, default_overlay((8, 0)))
    assert [(event.action, event.phase, event.step, event.operator) for event in taken] == [
        (Action.ALLOCATE, Phase.FORWARD, 1, "aten.addmm"),
        (Action.ALLOCATE, Phase.BACKWARD, 1, "aten.mm"),
    ]
    one = workspaces(TRAINING, replace(default_overlay(), cublas_handles=1))
    assert [event.phase for event in one] == [Phase.FORWARD]


def test_the_events_of_the_trace_stay_as_they_are() -> None:
    overlay = calibrated_overlay(CALIBRATION, {"layer2.0": "a", "layer3.1": "a"})
    full = overlaid(TRAINING, overlay)
    kept = tuple(event for event in full.events if event.role is not Role.WORKSPACE)
    assert kept == TRAINING.events
    assert len(full.events) > len(kept)
    before, after = flatten(TRAINING), flatten(full)
    assert after.requests(4)[: len(before.codes)] != before.requests(4)


def test_a_convolution_takes_its_workspace_only_while_it_runs() -> None:
    overlay = calibrated_overlay(CALIBRATION, {"layer2.0": "a"})
    taken = [event for event in workspaces(TRAINING, overlay) if event.module == "layer2.0"]
    taken = [event for event in taken if event.per_image != 1024 and event.step == 1]
    assert [(event.action, event.phase, event.constant) for event in taken] == [
        (Action.ALLOCATE, Phase.FORWARD, 5 * MIB),
        (Action.FREE, Phase.FORWARD, 5 * MIB),
        (Action.ALLOCATE, Phase.BACKWARD, 6 * MIB),
        (Action.FREE, Phase.BACKWARD, 6 * MIB),
        (Action.ALLOCATE, Phase.BACKWARD, 7 * MIB),
        (Action.FREE, Phase.BACKWARD, 7 * MIB),
    ]
    assert len({event.block for event in taken}) == 3


def test_the_first_convolution_has_no_gradient_of_the_image() -> None:
    writer = TraceWriter()
    writer.phase, writer.module = Phase.BACKWARD, "conv1"
    writer.operator = "aten.convolution_backward"
    writer.allocate(37_632, 0, Role.GRADIENT)
    overlay = calibrated_overlay(CALIBRATION, {"conv1": "a"})
    assert [event.constant for event in workspaces(writer.trace(), overlay)] == [7 * MIB] * 2


def test_a_bias_gradient_needs_no_workspace() -> None:
    writer = TraceWriter()
    writer.phase, writer.module = Phase.BACKWARD, "features.2"
    writer.operator = "aten.convolution_backward"
    for size in ((0, 4096), (36_864, 0), (256, 0)):
        writer.allocate(*size)
    overlay = calibrated_overlay(CALIBRATION, {"features.2": "a"})
    taken = workspaces(writer.trace(), overlay)
    assert [event.constant for event in taken[::2]] == [6 * MIB, 7 * MIB]


def test_a_batch_norms_reserve_lives_as_long_as_what_it_saved() -> None:
    overlay = calibrated_overlay(CALIBRATION, {"layer2.0": "a"})
    full = overlaid(TRAINING, overlay)
    taken = [
        (index, event)
        for index, event in enumerate(full.events)
        if event.role is Role.WORKSPACE and event.per_image == 1024
    ]
    assert [event.action for _, event in taken] == [Action.ALLOCATE, Action.FREE] * 2
    for index, event in taken:
        beside = full.events[index - 1]
        assert (beside.action, beside.constant) == (event.action, 1024)  # the saved mean
    last = follow(flatten(full), 4).levels[-1]
    before = follow(flatten(TRAINING), 4).levels[-1]
    assert last.requested_bytes == before.requested_bytes + 8 * MIB


def test_extremes_widen_only_what_is_not_calibrated() -> None:
    low, high = extremes(default_overlay((8, 0)))
    assert low.context_bytes < default_overlay().context_bytes < high.context_bytes
    assert (low.cublas_handles, high.cublas_handles) == (1, 2)
    calibrated = calibrated_overlay(CALIBRATION, {})
    low, high = extremes(calibrated)
    assert low == calibrated
    assert high == replace(calibrated, convolution_bytes=256 * MIB)


def test_a_shape_is_named_by_all_that_its_workspace_depends_on() -> None:
    layers = {placed.name: placed.layer for placed in count(resolve("resnet50")).layers()}
    texts = {
        shape_text(layer, precision, layout)
        for layer in (layers["layer1.0.conv1"], layers["layer1.0.conv2"], layers["layer1.0.bn1"])
        for precision in (Precision.FP32, Precision.BF16)
        for layout in MemoryFormat
    }
    assert len(texts) == 3 * 2 * 2
    assert (
        shape_text(layers["conv1"], Precision.FP32, MemoryFormat.CONTIGUOUS)
        == "conv 3x224x224 to 64x112x112 kernel 7x7 stride 2x2 padding 3x3 dilation 1x1 groups 1 "
        "fp32 contiguous"
    )


def test_a_calibration_file_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "device.json"
    path.write_text(calibration_text(CALIBRATION))
    assert read_calibration(path) == CALIBRATION


GOOD = json.loads(calibration_text(CALIBRATION))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "not a record of a calibration file: it is not JSON"),
        ("[" * 100_000, "not a record of a calibration file: expected object"),
        ("\xff\xfe", "is not UTF-8"),
        ("[]", "not a record of a calibration file: expected object"),
        ('{"schema": 1, "record": "environment"}', "reads calibration in a calibration file"),
        (json.dumps(GOOD | {"schema": 2}), "reads schema 1"),
        (
            json.dumps(GOOD | {"context_bytes": "many"}),
            "usable calibration: expected int, got str at context_bytes",
        ),
        (json.dumps(GOOD | {"context_bytes": -1}), "the sizes"),
        (json.dumps(GOOD | {"total_bytes": 1}), "the sizes"),
        (json.dumps(GOOD | {"cublas_handles": 3}), "cublas_handles"),
        (json.dumps(GOOD | {"capability": [9]}), "expected array of length 2 at capability"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "device"}), "it lacks device"),
        (
            json.dumps(GOOD | {"workspaces": [GOOD["workspaces"][0] | {"per_image_bytes": -1}]}),
            "a workspace is negative at workspaces[0]",
        ),
    ],
)
def test_a_corrupt_or_foreign_file_is_an_error_of_two_lines(
    content: str, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "device.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UsageError) as error:
        read_calibration(path)
    assert says in error.value.message
    assert "\n" not in error.value.message + error.value.hint
    assert "calibrate" in error.value.hint


def test_a_missing_calibration_file_is_an_error_of_two_lines(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_calibration(tmp_path / "absent.json")
