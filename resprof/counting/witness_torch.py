"""The count of torch's FlopCounterMode: it sees the operators that really run."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from resprof.counting.cost import Shape
from resprof.counting.witness import WitnessCount, own_macs, replica

WITNESS = "torch.utils.flop_counter"


def count_with_torch(model: nn.Module, image: Shape) -> WitnessCount:
    """Counts forward and backward of one image of shape (C, H, W); nothing is computed.

    Per module only in forward: in backward the counter does not know where a module ends that
    shares its input with another, and adds a block's whole branch to its projection. It ignores
    ``groups`` in the gradient of a grouped convolution's weights, so its backward is too large for
    ResNeXt (seen in torch 2.11 and 2.13; pytorch issue 183405).
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        twin = replica(model, "meta")
        with FlopCounterMode(display=False) as counter:
            output = twin(torch.zeros(1, *image, device="meta"))
            forward = _inclusive_macs(counter)
            output.sum().backward()
            both = _inclusive_macs(counter)
    # Paths as in a state_dict: the counter puts the root's class in front of them.
    root = type(twin).__name__
    paths = {path.removeprefix(root).removeprefix("."): macs for path, macs in forward.items()}
    return WitnessCount(
        witness=WITNESS,
        version=torch.__version__,
        modules=own_macs(twin, paths),
        forward_macs=forward["Global"],
        backward_macs=both["Global"] - forward["Global"],
    )


def _inclusive_macs(counter: FlopCounterMode) -> dict[str, int]:
    counts: dict[str, dict[Any, int]] = counter.get_flop_counts()
    return {path: _macs(sum(operators.values())) for path, operators in counts.items()}


def _macs(flops: int) -> int:
    """The counter's FLOPs are two per multiply-add."""
    if flops % 2:
        raise ArithmeticError(f"{WITNESS} counted an odd number of FLOPs: {flops}")
    return flops // 2
