"""Calibration: the arithmetic with scripted devices, and, where there is one, on a GPU."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from resprof.answers.gpu import calibrate
from resprof.answers.gpu.calibrate import (
    Operators,
    affine,
    calibrate_on_cuda,
    calibration_of,
    layers_of,
    measure_layer,
    measure_operators,
)
from resprof.cli.main import main
from resprof.codec import from_plain
from resprof.counting.cost import Kind, Layer, count
from resprof.errors import EnvironmentMissing
from resprof.measure.host import machine_environment
from resprof.measure.memory_history import Usage
from resprof.memory.allocator import MemoryPeak
from resprof.memory.history import HistoryEvent, MemoryHistory
from resprof.memory.overlay import Use, Workspace, read_calibration, shape_text
from resprof.model.environment import Environment
from resprof.model.networks import resolve
from resprof.model.recipe import MemoryFormat, Mode, Precision, Recipe, Workload
from tests.factories import GPU, ON_GPU, TORCH

MIB = 2**20
FP32 = Precision.FP32
CONTIGUOUS = MemoryFormat.CONTIGUOUS
sizes = st.integers(min_value=0, max_value=2**40)
batches = st.integers(min_value=1, max_value=2048)


B300 = replace(GPU, name="NVIDIA Test", capability="10.3", memory_bytes=80 * 2**30, driver="1.2")


def history() -> MemoryHistory:
    return MemoryHistory(
        workload=Workload(
            model="resnet50",
            classes=1000,
            in_channels=3,
            width=1.0,
            recipe=Recipe(mode=Mode.INFER, batch=1, image=(224, 224)),
        ),
        environment=replace(ON_GPU, torch=replace(TORCH, version="2.13.0"), gpu=B300),
        total_bytes=80 * 2**30,
        context_bytes=450 * MIB,
        peak=MemoryPeak(requested_bytes=1, allocated_bytes=1, reserved_bytes=1, process_bytes=1),
        retries=0,
        step_starts=(),
        events=(),
    )


def operators(backward: int) -> Operators:
    return Operators(
        cublas_forward_bytes=32 * MIB,
        cublas_backward_bytes=backward,
        workspaces=(Workspace(shape="a", use=Use.FORWARD, constant_bytes=3, per_image_bytes=4),),
    )


class ScriptedMemory:
    """The CPU as a device whose counters say that each operator takes so much beyond its tensors.

    Before an operator nothing is there; during it, and after it, its results and ``extra``.
    """

    device = torch.device("cpu")

    def __init__(self, *, results: Sequence[int], extra: Sequence[int]) -> None:
        self._sums = [made + more for made, more in zip(results, extra, strict=True)]
        self._before = True

    def environment(self) -> Environment:
        return machine_environment()

    def record(self) -> None:
        raise NotImplementedError

    def events(self) -> tuple[HistoryEvent, ...]:
        raise NotImplementedError

    def usage(self) -> Usage:
        raise NotImplementedError

    def requested(self) -> int:
        if self._before:
            self._before = False
            return 1000
        return 1000 + self._sums.pop(0)

    def peak_requested(self) -> int:
        self._before = True
        return 1000 + self._sums.pop(0)

    def reset_peak(self) -> None:
        """Nothing to forget."""


@given(batches, sizes, batches, sizes)
def test_affine_covers_both_measurements(one: int, first: int, other: int, second: int) -> None:
    assume(one != other)
    constant, per_image = affine((one, first), (other, second))
    assert min(constant, per_image) >= 0
    assert constant + per_image * one >= first
    assert constant + per_image * other >= second


@given(batches, st.integers(min_value=1, max_value=999), sizes, st.integers(0, 2**30))
def test_affine_finds_what_is_affine(one: int, more: int, constant: int, per_image: int) -> None:
    first, second = ((batch, constant + per_image * batch) for batch in (one, one + more))
    assert affine(first, second) == affine(second, first) == (constant, per_image)


def layer_of(model: str, kind: Kind) -> Layer:
    layers = (placed.layer for placed in count(resolve(model)).layers())
    return next(layer for layer in layers if layer.kind is kind)


@pytest.fixture
def _switches() -> Iterator[None]:
    backends: Any = torch.backends
    before = backends.cudnn.conv.fp32_precision
    yield
    backends.cudnn.conv.fp32_precision = before


@pytest.mark.usefixtures("_switches")
@pytest.mark.parametrize("memory_format", MemoryFormat)
def test_a_convolutions_workspaces_are_what_it_takes_beyond_its_results(
    memory_format: MemoryFormat,
) -> None:
    layer = layer_of("cifar-resnet8", Kind.CONV)
    batch = 2
    results = [
        4 * batch * torch.Size(layer.output).numel(),
        4 * batch * torch.Size(layer.input).numel(),
        4 * layer.cost.params,
    ]
    memory = ScriptedMemory(results=results, extra=[7, 0, 5 * MIB])
    assert measure_layer(layer, FP32, memory_format, batch, memory) == {
        Use.FORWARD: 7,
        Use.INPUT_GRADIENT: 0,
        Use.WEIGHT_GRADIENT: 5 * MIB,
    }


@pytest.mark.usefixtures("_switches")
def test_a_batch_norms_reserve_is_what_it_keeps_beyond_result_and_statistics() -> None:
    layer = layer_of("cifar-resnet8", Kind.BN)
    batch = 2
    kept = 4 * batch * torch.Size(layer.output).numel() + 2 * 4 * layer.output[0]
    memory = ScriptedMemory(results=[kept], extra=[4096])
    assert measure_layer(layer, FP32, CONTIGUOUS, batch, memory) == {Use.RESERVE: 4096}


class StillMemory(ScriptedMemory):
    """A device whose counters never change, so nothing takes anything beyond its results."""

    def __init__(self) -> None:
        super().__init__(results=(), extra=())

    def requested(self) -> int:
        return 0

    def peak_requested(self) -> int:
        return 0


@pytest.mark.usefixtures("_switches")
def test_the_childs_task_measures_every_shape_in_every_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calibrate, "BATCHES", (1, 2))
    text = measure_operators(["cifar-resnet8"], StillMemory())
    found = from_plain(Operators, json.loads(text))
    assert (found.cublas_forward_bytes, found.cublas_backward_bytes) == (0, 0)
    layers = layers_of(["cifar-resnet8"])
    convolutions = sum(layer.kind is Kind.CONV for layer in layers)
    uses = 3 * convolutions + len(layers) - convolutions
    assert len(found.workspaces) == uses * len(Precision) * len(MemoryFormat)
    assert len({(space.shape, space.use) for space in found.workspaces}) == len(found.workspaces)


def test_every_layer_of_a_calibrated_network_finds_its_shape() -> None:
    known = {
        shape_text(layer, Precision.FP32, CONTIGUOUS)
        for layer in layers_of(("resnet18", "resnet50"))
    }
    for model in ("resnet18", "resnet50"):
        for placed in count(resolve(model)).layers():
            if placed.layer.kind in {Kind.CONV, Kind.BN}:
                assert shape_text(placed.layer, Precision.FP32, CONTIGUOUS) in known


@pytest.mark.parametrize(("backward", "handles"), [(0, 1), (32 * MIB, 2)])
def test_what_was_found_becomes_a_calibration(backward: int, handles: int) -> None:
    found = calibration_of(history(), operators(backward))
    assert found.device == "NVIDIA Test"
    assert found.capability == (10, 3)
    assert found.context_bytes == 450 * MIB
    assert found.cublas_bytes == 32 * MIB
    assert found.cublas_handles == handles
    assert found.workspaces == operators(backward).workspaces


def test_a_history_without_a_gpu_is_refused() -> None:
    nowhere = replace(history(), environment=machine_environment())
    with pytest.raises(EnvironmentMissing, match="on which GPU"):
        calibration_of(nowhere, operators(0))


def test_the_file_is_written_and_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(calibrate, "_training", history)
    monkeypatch.setattr(calibrate, "_measured", lambda _: operators(0))
    file = tmp_path / "calibration.json"
    assert main(["calibrate", "--device", "cuda", "-o", str(file)]) == 0
    assert capsys.readouterr().out == ""
    found = read_calibration(file)
    assert found == replace(calibration_of(history(), operators(0)), date=found.date)
    assert main(["calibrate", "-o", str(file)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert main(["calibrate"]) == 0
    assert '"record": "calibration"' in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--device", "cpu"], ["-o", "no-such-folder/file.json"]])
def test_bad_input_is_two_lines(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(["calibrate", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a CUDA device")
def test_without_a_device_it_is_two_lines_and_exit_code_3(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["calibrate", "--device", "cuda"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == "error: torch sees no CUDA device here"
    assert len(err.splitlines()) == 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_on_a_gpu_a_calibration_is_whole_and_plausible() -> None:
    found = calibrate_on_cuda(("resnet18",))
    assert 100 * MIB < found.context_bytes < 2048 * MIB
    assert found.cublas_bytes > 0
    expected = {
        shape_text(layer, precision, memory_format)
        for layer in layers_of(("resnet18",))
        for precision in Precision
        for memory_format in MemoryFormat
    }
    assert {space.shape for space in found.workspaces} == expected
