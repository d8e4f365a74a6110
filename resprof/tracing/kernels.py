"""Operators whose results on fake tensors are not those of the real kernels, set right.

Layouts follow cuDNN's rule (aten/src/ATen/native/ConvUtils.h), which the CPU's convolutions share;
the fake ones follow whichever CPU kernel the batch and the number of threads would select, and at
one image that is another one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format

from resprof.records.environment import DeviceKind

aten = torch.ops.aten


@dataclass(frozen=True, slots=True)
class Call:
    """An operator about to run; ``kernels`` says whose results are wanted."""

    kernels: DeviceKind
    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def fake(self) -> Any:
        """What the fake operator returns."""
        return self.func(*self.args, **self.kwargs)


def run(call: Call) -> Any:
    """What the real operator returns, as far as memory goes."""
    kernel = _KERNELS.get(call.func)
    if kernel is not None:
        return kernel(call)
    return None if _returns_nothing(call.func) else call.fake()


def _returns_nothing(func: Any) -> bool:
    """``_foreach_add_``, ``_fused_adam_``: they write into their arguments, no storage is made.

    Not all of them have an implementation for tensors without data.
    """
    return not func._schema.returns and func._schema.name.endswith("_")


def _write_in_place(call: Call) -> Tensor:
    written: Tensor = call.args[0]
    return written


def _make_like_each(call: Call) -> list[Tensor]:
    """The optimisers give lists of one type; the fake operator takes ten times as long."""
    return [torch.empty_like(tensor) for tensor in call.args[0]]


def _convolution(call: Call) -> Tensor:
    x, weight = call.args[:2]
    return _laid_out(call.fake(), x, weight)


def _convolution_backward(call: Call) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    gradient, x, weight = call.args[:3]
    of_input, of_weight, of_bias = call.fake()
    if of_input is not None:
        of_input = _laid_out(of_input, gradient, weight)
    if of_weight is not None:
        of_weight = _laid_out(of_weight, x, gradient)
    return of_input, of_weight, of_bias


def _laid_out(result: Tensor, *operands: Tensor) -> Tensor:
    """Channels last where one of the two operands is."""
    formats = {suggest_memory_format(operand) for operand in operands}
    wanted = torch.channels_last if torch.channels_last in formats else torch.contiguous_format
    return result.contiguous(memory_format=wanted)


def _batch_norm(call: Call) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and inverse deviation are saved in fp32 on CUDA, on the CPU in the weights' type."""
    result, mean, deviation = call.fake()
    weight = call.args[1]
    dtype = torch.float32 if call.kernels is DeviceKind.CUDA else weight.dtype
    if mean.dtype is not dtype:
        mean, deviation = (torch.empty_like(mean, dtype=dtype) for _ in range(2))
    return result, mean, deviation


_KERNELS: dict[Any, Callable[[Call], Any]] = {
    aten.convolution.default: _convolution,
    aten.convolution_backward.default: _convolution_backward,
    aten.native_batch_norm.default: _batch_norm,
    aten._amp_update_scale_.default: _write_in_place,
    aten._foreach_add.List: _make_like_each,
    aten._foreach_sqrt.default: _make_like_each,
    # These are right on fake tensors and only slow.
    aten.add_.Tensor: _write_in_place,
    aten.relu_.default: _write_in_place,
    aten.zero_.default: _write_in_place,
}
