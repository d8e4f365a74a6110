"""The CPU's autocast stands in for CUDA's: for the operators of our networks both do the same."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
import torch

from resprof.answers.memory.traces import network_of
from resprof.memory.trace import Action
from resprof.model.environment import DeviceKind
from resprof.model.networks import resolve
from resprof.model.recipe import (
    Checkpoint,
    Mode,
    Optimizer,
    OptimizerImpl,
    Phase,
    Precision,
    Recipe,
)
from resprof.networks.recorder import record

_HEADER = Path(torch.__file__).parent / "include" / "ATen" / "autocast_mode.h"

_CALLED = (
    "conv2d",
    "linear",
    "batch_norm",
    "relu_",
    "add_.Tensor",
    "max_pool2d",
    "adaptive_avg_pool2d",
    "flatten.using_ints",
    "slice.Tensor",
    "constant_pad_nd",
    "pad",
)
"""What the modules of our networks call, but for dropout and the loss."""


def _cuda_list(name: str) -> set[str]:
    """The operators of one of CUDA's lists, by the header that its registrations are made from."""
    header = _HEADER.read_text()
    body = re.search(rf"#define {name}\(_\)((?:.*\\\n)+.*)", header)
    assert body is not None
    return set(re.findall(r"_\((\w+)", body[1]))


def _cast(operator: str, backend: str) -> bool:
    return torch._C._dispatch_has_kernel_for_dispatch_key(f"aten::{operator}", backend)


@pytest.mark.parametrize("operator", _CALLED)
def test_both_cast_the_same_operators_of_the_networks(operator: str) -> None:
    on_cpu, on_cuda = _cast(operator, "AutocastCPU"), _cast(operator, "AutocastCUDA")
    assert on_cpu == on_cuda == (operator in {"conv2d", "linear"})
    assert on_cuda == (operator in _cuda_list("AT_FORALL_LOWER_PRECISION_FP"))


@pytest.mark.parametrize("operator", ["dropout", "native_dropout", "cross_entropy_loss"])
def test_cuda_casts_neither_dropout_nor_the_whole_loss(operator: str) -> None:
    assert not _cast(operator, "AutocastCUDA")


def test_the_loss_is_fp32_on_both_by_different_ways() -> None:
    """CUDA asks log_softmax for an fp32 result, the CPU casts what cross_entropy is given."""
    assert "log_softmax" in _cuda_list("AT_FORALL_FP32_SET_OPT_DTYPE")
    assert "nll_loss" in _cuda_list("AT_FORALL_FP32")
    assert _cast("cross_entropy_loss", "AutocastCPU")
    logits, labels = torch.zeros(2, 3, dtype=torch.bfloat16), torch.zeros(2, dtype=torch.int64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.nn.functional.cross_entropy(logits, labels).dtype is torch.float32


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_cpu_casts_down_and_up_where_cuda_does(dtype: torch.dtype) -> None:
    fn = torch.nn.functional
    x = torch.ones(1, 2, 4, 4)
    with torch.autocast("cpu", dtype=dtype):
        assert fn.conv2d(x, torch.ones(2, 2, 1, 1)).dtype is dtype
        assert fn.linear(x, torch.ones(3, 4)).dtype is dtype
        for half in (x, x.to(dtype)):
            assert fn.adaptive_avg_pool2d(half, 1).dtype is half.dtype
            assert fn.max_pool2d(half, 2).dtype is half.dtype
            assert fn.relu(half).dtype is half.dtype
            assert fn.batch_norm(half, torch.zeros(2), torch.ones(2)).dtype is half.dtype


def _recorded_forward(precision: Precision, kernels: DeviceKind) -> Counter[str]:
    recipe = Recipe(
        mode=Mode.TRAIN,
        batch=2,
        image=(32, 32),
        precision=precision,
        optimizer=Optimizer.SGD,
        optimizer_impl=OptimizerImpl.FOREACH,
        accumulate=1,
        checkpoint=Checkpoint.NONE,
    )
    raw = record(network_of(resolve("cifar-resnet20")), recipe, kernels=kernels)
    return Counter(
        seen.operator
        for seen in raw.seen
        if (seen.action, seen.phase, seen.step) == (Action.ALLOCATE, Phase.FORWARD, 1)
    )


def test_only_the_copy_of_fp16_logits_differs() -> None:
    """CUDA's log_softmax reads fp16 and writes fp32; bf16 it casts first, as the CPU does."""
    bf16 = [_recorded_forward(Precision.AMP_BF16, kernels) for kernels in DeviceKind]
    assert bf16[0] == bf16[1]
    on_cuda = _recorded_forward(Precision.AMP_FP16, DeviceKind.CUDA)
    on_cpu = _recorded_forward(Precision.AMP_FP16, DeviceKind.CPU)
    assert on_cpu - on_cuda == Counter({"aten._to_copy": 1})
    assert not on_cuda - on_cpu
