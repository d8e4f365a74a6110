"""ResNet-50 v1.5 on an H100 by hand, and the library's function beside the command's."""

from __future__ import annotations

import json

import pytest

from resprof.answers.roofline.bounds import Bound, RooflineBound, RooflineResult
from resprof.api import architecture, roofline
from resprof.cli.main import main
from resprof.counting.traffic import Fusion
from resprof.errors import UsageError
from resprof.model.devices import Device, device

MACS = 4_089_184_256
"""Of one image, as torchvision states to four digits (4.089 GFLOPS)."""
MODEL = "resnet50-v1.5"


def _h100() -> Device:
    found = device("h100-sxm")
    assert found is not None
    return found


def _bound(found: RooflineResult, fusion: Fusion) -> RooflineBound:
    return next(bound for bound in found.bounds if bound.fusion is fusion)


RATES = {"fp32": "fp32_flops_per_s", "tf32": "tf32_flops_per_s", "bf16": "bf16_flops_per_s"}


@pytest.mark.parametrize("batch", [1, 256])
@pytest.mark.parametrize("precision", RATES)
def test_the_bound_of_the_whole_network_is_its_flops_or_its_weights(
    precision: str, batch: int
) -> None:
    card = _h100()
    rate = getattr(card, RATES[precision])
    size = 2 if precision == "bf16" else 4
    found = roofline(MODEL, card.id, batch=batch, precision=precision)
    whole = _bound(found, Fusion.WHOLE)
    values = 25_557_032 + 2 * 26_560 + batch * (3 * 224 * 224 + 1000)
    assert whole.bytes == size * values
    assert found.total.flops == 2 * batch * MACS
    compute_s = found.total.flops / rate
    memory_s = whole.bytes / card.bandwidth_bytes_per_s
    assert whole.least_time_s == pytest.approx(max(compute_s, memory_s))
    assert whole.bound is (Bound.COMPUTE if compute_s > memory_s else Bound.MEMORY)
    assert found.peaks.ridge == pytest.approx(rate / card.bandwidth_bytes_per_s)


def test_what_bounds_it_is_the_precision_and_the_batch() -> None:
    """One image waits for 25.6 M weights, but for plain fp32, which is that slow."""
    by = {
        (precision, batch): roofline(MODEL, "h100-sxm", batch=batch, precision=precision)
        for precision in RATES
        for batch in (1, 256)
    }
    for precision in ("tf32", "bf16"):
        assert _bound(by[precision, 1], Fusion.WHOLE).bound is Bound.MEMORY
        assert _bound(by[precision, 256], Fusion.WHOLE).bound is Bound.COMPUTE
        assert by[precision, 256].total.bound is Bound.MEMORY  # what eager operators move
    assert all(by["fp32", batch].total.bound is Bound.COMPUTE for batch in (1, 256))
    for batch in (1, 256):
        times = [by[precision, batch].total.least_time_s for precision in RATES]
        assert times == sorted(times, reverse=True)


def test_the_library_gives_what_the_command_gives(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--mode", "train", "--batch", "32", "--precision", "amp-bf16"]
    more = ["--fusion", "fused", "--per", "layer", "--json"]
    assert main(["roofline", MODEL, "--device", "a10", *arguments, *more]) == 0
    (theirs,) = json.loads(capsys.readouterr().out)["results"]
    found = roofline(
        architecture(MODEL),
        "a10",
        mode="train",
        batch=32,
        precision="amp-bf16",
        fusion="fused",
        per="layer",
    )
    assert theirs["total"]["least_time_s"] == found.total.least_time_s
    assert [row["bytes"] for row in theirs["rows"]] == [row.bytes for row in found.rows]


@pytest.mark.parametrize(
    "wrong",
    [
        {"device": "h101"},
        {"precision": "fp8"},
        {"mode": "both"},
        {"fusion": "some"},
        {"fusion": "whole"},
        {"per": "kernel"},
        {"batch": 0},
        {"device": "t4", "precision": "bf16"},
    ],
)
def test_what_does_not_exist_is_a_usage_error(wrong: dict[str, object]) -> None:
    asked = {"device": "h100-sxm", **wrong}
    with pytest.raises(UsageError):
        roofline(MODEL, **asked)  # type: ignore[arg-type]
