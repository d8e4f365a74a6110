"""`resprof roofline --peaks`: what a card has been seen to do, beside what is printed of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from resprof.answers.roofline.peaks import MeasuredPeaks, peaks_text
from resprof.model.recipe import Arithmetic
from tests.cli.scripted_rooflines import CARD, INFER, answer, notes, records, run
from tests.factories import steady, written


def _peaks(name: str = CARD) -> str:
    rates = {Arithmetic.FP32: 1.9e13, Arithmetic.BF16: 2.6e14}
    return peaks_text(
        MeasuredPeaks(
            device=name,
            arithmetic=arithmetic,
            flops_per_s=rate,
            bandwidth_bytes_per_s=1.7e12,
            how="by script",
            date="2026-01-01T00:00:00+00:00",
            torch="2.13.0",
            driver="550.1",
        )
        for arithmetic, rate in rates.items()
    )


def test_measured_peaks_stand_beside_printed_ones(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = str(written(tmp_path / "run.jsonl", records((INFER, steady(0.0331)))))
    own = tmp_path / "peaks.jsonl"
    own.write_text(_peaks())
    arguments = ("--run", file, "--peaks", str(own))
    (result,) = answer(capsys, *arguments)["results"]
    assert result["peaks"]["source"] == "datasheet"
    assert result["measured_peaks"]["flops_per_s"] == 2.6e14
    for row in result["rows"]:
        assert row["least_time_s"] < row["attainable_time_s"]
    times = [row["attainable_time_s"] for row in result["rows"]]
    assert sum(times) == pytest.approx(result["total"]["attainable_time_s"])
    _, out, _ = run(capsys, *arguments)
    assert "published" in out
    assert "attainable" in out
    own.write_text(_peaks("NVIDIA H200"))
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert "NVIDIA H200" in err.splitlines()[0]


def test_a_card_without_a_datasheet_is_held_against_its_own_measured_peaks(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    name = "NVIDIA H100 NVL"
    measured = str(written(tmp_path / "run.jsonl", records((INFER, steady(0.02)), name=name)))
    own = tmp_path / "peaks.jsonl"
    own.write_text(_peaks(name))
    (result,) = answer(capsys, "--run", measured, "--peaks", str(own))["results"]
    assert (result["peaks"]["source"], result["peaks"]["device"]) == ("measured", name)
    assert result["measured_peaks"] is None
    # Without a run the file says what the device is.
    (alone,) = answer(capsys, "resnet18", "--peaks", str(own), "--precision", "bf16")["results"]
    assert alone["peaks"]["device"] == name
    code, _, err = run(capsys, "resnet18", "--peaks", str(own), "--precision", "fp16")
    assert code == 2
    assert "calibrate --peaks" in err.splitlines()[1]


def test_peaks_of_a_known_card_name_its_datasheet_and_miss_what_they_miss(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    own = tmp_path / "peaks.jsonl"
    own.write_text(_peaks())
    parsed = answer(capsys, "resnet18", "--peaks", str(own), "--precision", "tf32")
    assert parsed["results"][0]["peaks"]["device"] == "A100 SXM4 80GB"
    assert "peaks-missing" in notes(parsed)
