"""Predictions held against torch's real allocator, by resprof's own command."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulated_gpu.program import TESTED_TORCH, SimulatedDevice

MIB, GIB = 2**20, 2**30
NO_WORKSPACES: dict[str, Any] = {"cudnn_workspace": 0, "batch_norm_workspace": 0, "kernel_ns": 1000}
SLACK = 2 * MIB
"""What may differ at most, anywhere."""
WORKLOADS = (
    "resnet18 infer 1 fp32",
    "resnet18 train 1 fp32",
    "resnet18 train 32 fp32",
    "resnet18 train 32 amp-fp16 adam",
    "resnet50 infer 256 fp32",
    "resnet50 infer 256 amp-bf16 channels-last",
    "resnet50 train 32 fp32",
    "resnet50 train 256 amp-fp16",
    "resnet50 train 256 amp-bf16 channels-last",
    "resnet50 train 32 fp32 adam block",
    "resnet152 train 32 fp32",
    "resnet152 train 256 amp-bf16 channels-last block",
)
INFERENCE = tuple(name for name in WORKLOADS if " infer " in name)
AUTOCAST = tuple(name for name in WORKLOADS if " train " in name and " amp-" in name)
NATIVE_BATCH_NORM = tuple(name for name in AUTOCAST if "channels-last" in name)
POOL_SETS_THE_PEAK = ("resnet50 infer 256 amp-bf16 channels-last",)
CUBLAS_LT = "cuBLASLt takes 1 MiB beside cuBLAS's workspace, which is not predicted"
POOL_INDICES = "inference is traced without max-pool indices"
LOSS = "the loss under CUDA autocast is traced as on the CPU"
SEMAPHORES = "native batch norm: its semaphores, and the order of its backward"


def named(row: Any) -> str:
    recipe = row["recipe"]
    words = [row["model"], recipe["mode"], str(recipe["batch"]), recipe["precision"]]
    changes = (
        ("memory_format", "contiguous"),
        ("optimizer", "sgd-momentum"),
        ("checkpoint", "none"),
    )
    words += [recipe[name] for name, usual in changes if recipe[name] not in {usual, None}]
    return " ".join(words)


@pytest.fixture(scope="module")
def rows(device: SimulatedDevice) -> dict[str, Any]:
    command = ("validate", "--device", "cuda", "--only", "workloads")
    (result,) = device.answer(*command, codes=(0, 1), **NO_WORKSPACES)["results"]
    return {named(row): row for row in result["rows"]}


def but(known: dict[str, tuple[str, ...]]) -> list[Any]:
    """All workloads, of which those that a known defect hits are expected to fail."""
    return [
        pytest.param(name, marks=[pytest.mark.xfail(strict=True, reason="; ".join(reasons))])
        if (reasons := [reason for reason, names in known.items() if name in names])
        else name
        for name in WORKLOADS
    ]


def test_the_standing_set_ran(rows: dict[str, Any]) -> None:
    assert tuple(rows) == WORKLOADS
    assert [name for name, row in rows.items() if row["failure"]] == []


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_recorded_requests_are_replayed_exactly(rows: dict[str, Any], name: str) -> None:
    assert rows[name]["replay"]["exact"]


@pytest.mark.parametrize("name", WORKLOADS)
def test_peaks_are_near(rows: dict[str, Any], name: str) -> None:
    for level in rows[name]["levels"]:
        if level["level"] in {"requested", "allocated", "reserved"}:
            assert abs(level["predicted_bytes"] - level["measured_bytes"]) <= SLACK, level


# With torch 2.14.1 cuBLASLt shares the workspace of cuBLAS, with 2.11.0 it has its own.
OFF = {CUBLAS_LT: WORKLOADS} if TESTED_TORCH.startswith("2.11.") else {}


@pytest.mark.parametrize("name", but({POOL_INDICES: POOL_SETS_THE_PEAK, **OFF}))
def test_peaks_are_exact(rows: dict[str, Any], name: str) -> None:
    for level in rows[name]["levels"]:
        if level["level"] in {"requested", "allocated"}:
            assert level["predicted_bytes"] == level["measured_bytes"], level


@pytest.mark.parametrize(
    "name", but({POOL_INDICES: INFERENCE, LOSS: AUTOCAST, SEMAPHORES: NATIVE_BATCH_NORM})
)
def test_no_request_is_unexplained(rows: dict[str, Any], name: str) -> None:
    assert rows[name]["match"]["unexplained_bytes"] == 0


@pytest.mark.parametrize("name", but({SEMAPHORES: NATIVE_BATCH_NORM}))
def test_no_request_is_only_predicted(rows: dict[str, Any], name: str) -> None:
    assert rows[name]["match"]["only_predicted"] == []


@pytest.mark.parametrize("name", but({LOSS: AUTOCAST}))
def test_what_is_requested_lives_as_long(rows: dict[str, Any], name: str) -> None:
    assert rows[name]["match"]["lifetimes_differ"] == 0


def test_the_largest_batch_is_the_predicted_one(device: SimulatedDevice) -> None:
    command = ("validate", "resnet50", "--device", "cuda", "--only", "largest")
    (result,) = device.answer(*command, memory_bytes=4 * GIB, **NO_WORKSPACES)["results"]
    (check,) = result["largest"]
    assert check["failure"] is None
    assert check["predicted_batch"] == check["fitting_batch"] == check["failing_batch"] - 1
    assert check["context_bytes"] == 528 * MIB
    assert check["in_use_bytes"] == 0
    answers = {tried["batch"]: tried["fits"] for tried in check["tries"]}
    assert answers[check["predicted_batch"]]
    assert not answers[check["predicted_batch"] + 1]
