"""Measured peaks: on a stand-in for the device, and, where there is one, below the datasheet's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
import torch

from resprof.answers.gpu import peaks
from resprof.answers.gpu.peaks import measure_peaks, peaks_on_cuda
from resprof.answers.roofline.peaks import MeasuredPeaks, read_peaks
from resprof.cli.main import main
from resprof.codec import to_plain
from resprof.measure.host import machine_environment
from resprof.model.devices import device_of
from resprof.model.environment import Environment
from resprof.model.recipe import Arithmetic
from tests.factories import GPU
from tests.measure.scripted import ScriptedClock

A10 = replace(GPU, name="NVIDIA A10", capability="8.6")
_PEAKS = MeasuredPeaks(
    device="NVIDIA T4",
    arithmetic=Arithmetic.FP16,
    flops_per_s=4e13,
    bandwidth_bytes_per_s=2.5e11,
    how="by script",
    date="2026-01-01T00:00:00+00:00",
    torch="2.13.0",
    driver="550.1",
)


@pytest.fixture(autouse=True)
def _arithmetic() -> Iterator[None]:
    before = torch.backends.cuda.matmul.fp32_precision
    yield
    torch.backends.cuda.matmul.fp32_precision = before


class StandIn:
    """The host in a A10's place; it computes for real, on small sizes."""

    device = torch.device("cpu")

    def environment(self) -> Environment:
        from resprof.measure.device import torch_build

        return replace(machine_environment(), gpu=A10, torch=torch_build())


def _in_this_process(task: str, argument: Any, *, limit_s: float) -> str:
    assert task.endswith(":measure_peaks")
    assert limit_s > 0
    small = {"side": 64, "bytes": 2**16, "calls": 3, "warm_up_s": 0.0}
    assert argument.keys() == small.keys()
    return measure_peaks(small, StandIn())  # type: ignore[arg-type]


def test_every_arithmetic_has_its_gemm_and_all_share_the_copy() -> None:
    found = peaks_on_cuda(run=_in_this_process)
    assert [each.arithmetic for each in found] == list(Arithmetic)
    assert len({each.bandwidth_bytes_per_s for each in found}) == 1
    assert all(each.flops_per_s > 0 and each.device == A10.name for each in found)


def test_what_a_device_does_not_have_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Ampere torch would take fp32 for TF32, and emulate bf16."""
    monkeypatch.setitem(globals(), "A10", replace(A10, capability="7.5"))
    found = peaks_on_cuda(run=_in_this_process)
    assert [each.arithmetic for each in found] == [Arithmetic.FP32, Arithmetic.FP16]


def test_a_rate_is_work_over_the_median_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock on which every fifth of what is timed takes 2 ms, but for one outlier."""
    monkeypatch.setattr(peaks, "_clock", lambda _: ScriptedClock(_durations()))
    for each in peaks_on_cuda(run=_in_this_process):
        assert each.flops_per_s == pytest.approx(2 * 64**3 / 0.002)
        assert each.bandwidth_bytes_per_s == pytest.approx(2 * 2**16 / 0.002)


def _durations() -> Iterator[float]:
    """Of what is timed: warm-up first, then three times five calls, again and again."""
    while True:
        yield from (1.0, 0.01, 0.5, 0.01)


def test_the_warm_up_lasts_as_long_as_asked_however_short_a_call_is() -> None:
    clock = ScriptedClock(repeat(0.25))
    argument = {"calls": 3, "warm_up_s": 1.0}
    assert peaks._seconds(lambda: None, clock, argument) == 0.25 / 5
    assert clock.now() == (4 + 3) * 0.25


def test_the_switch_of_fp32_is_as_it_was() -> None:
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    peaks_on_cuda(run=_in_this_process)
    assert matmul.fp32_precision == before


def test_calibrate_writes_what_roofline_reads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peaks, "peaks_on_cuda", lambda: (_PEAKS,))
    file = tmp_path / "peaks.jsonl"
    assert main(["calibrate", "--peaks", "-o", str(file)]) == 0
    assert read_peaks(file) == (_PEAKS,)
    capsys.readouterr()
    arguments = ["resnet18", "--device", "t4", "--precision", "fp16", "--peaks", str(file)]
    assert main(["roofline", *arguments, "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert result["measured_peaks"]["flops_per_s"] == _PEAKS.flops_per_s
    total = result["total"]
    assert total["attainable_time_s"] > total["least_time_s"]


def test_peaks_of_another_card_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "peaks.jsonl"
    head = {"schema": 1, "record": "measured peaks"}
    file.write_text(json.dumps(head | to_plain(_PEAKS)) + "\n")
    assert main(["roofline", "resnet18", "--device", "a10", "--peaks", str(file)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("content", ["", "{}\n", "[]\n", "buy milk\n", "\x00"])
def test_what_is_no_file_of_peaks_is_two_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    file = tmp_path / "peaks.jsonl"
    file.write_text(content)
    assert main(["roofline", "resnet18", "--device", "t4", "--peaks", str(file)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_gemm_and_copy_stay_below_the_devices_datasheet_peak() -> None:
    found = peaks_on_cuda()
    card = device_of(found[0].device)
    if card is None:
        pytest.skip(f"no datasheet for {found[0].device}")
    printed = {
        Arithmetic.FP32: card.fp32_flops_per_s,
        Arithmetic.TF32: card.tf32_flops_per_s,
        Arithmetic.FP16: card.fp16_flops_per_s,
        Arithmetic.BF16: card.bf16_flops_per_s,
    }
    for each in found:
        peak = printed[each.arithmetic]
        if peak is not None:
            # The printed peak is that of a clock below the boost's on some cards.
            assert each.flops_per_s < 1.1 * peak
        assert 0.5 * card.bandwidth_bytes_per_s < each.bandwidth_bytes_per_s
        assert each.bandwidth_bytes_per_s < card.bandwidth_bytes_per_s
