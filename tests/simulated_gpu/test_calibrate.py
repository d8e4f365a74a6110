"""Calibration finds what was planted in the simulated libraries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.simulated_gpu.program import SimulatedDevice

MIB = 2**20
CONTEXT, WORKSPACE, RESERVE = 600 * MIB, 7_340_544, 66_560
"""None the size of a result, so that nothing else is taken for it."""


@pytest.fixture(scope="module")
def calibration(device: SimulatedDevice, tmp_path_factory: pytest.TempPathFactory) -> Any:
    file = tmp_path_factory.mktemp("calibration") / "calibration.json"
    device.resprof(
        *("calibrate", "-o", file),
        context_bytes=CONTEXT,
        cudnn_workspace=WORKSPACE,
        batch_norm_workspace=0,
        batch_norm_reserve=RESERVE,
        kernel_ns=1000,
    )
    return json.loads(Path(file).read_text())


def bytes_of(calibration: Any, *uses: str) -> set[tuple[int, int]]:
    """Constant bytes and bytes an image of all operators in those uses."""
    return {
        (each["constant_bytes"], each["per_image_bytes"])
        for each in calibration["workspaces"]
        if each["use"] in uses
    }


def test_the_context(calibration: Any) -> None:
    assert calibration["device"] == "Simulated CUDA device"
    assert calibration["context_bytes"] == CONTEXT


def test_the_workspaces_of_convolutions(calibration: Any) -> None:
    uses = ("forward", "input gradient", "weight gradient")
    assert bytes_of(calibration, *uses) == {(WORKSPACE, 0)}


def test_the_reserve_of_batch_norm(calibration: Any) -> None:
    # None where torch's own kernels run instead of cuDNN's.
    assert bytes_of(calibration, "reserve") == {(RESERVE, 0), (0, 0)}


def test_the_workspace_of_cublas(calibration: Any) -> None:
    """Hopper's 32 MiB; torch 2.11 takes 1 MiB for cuBLASLt beside it, 2.14 shares."""
    beside = {"2.11": MIB, "2.14": 0}[calibration["torch"][:4]]
    assert calibration["cublas_bytes"] == 32 * MIB + beside
    assert calibration["cublas_handles"] == 2
