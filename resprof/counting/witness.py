"""What tools that do not know our formulas count on a module: the form of it, and torch's count."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from resprof.counting.cost import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleMacs:
    """Multiply-adds that run in one module itself, in forward; ``module`` is its path."""

    module: str
    macs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessCount:
    """A network as one tool counts it, for one image: convolutions and fully connected layers.

    Biases are not counted, and ``modules`` leaves out those without multiply-adds. The totals are
    the tool's own, not our sum of its rows. Backward is that of a training step, in which all
    weights need a gradient and the image needs none; None for a tool that only watches forward.
    """

    witness: str
    version: str
    modules: tuple[ModuleMacs, ...]
    forward_macs: int
    backward_macs: int | None


def replica(model: nn.Module, device: str) -> nn.Module:
    """The same modules in eval mode over fp32 zeros on ``device``, without hooks.

    Counting depends on shapes alone. A tool that works on a replica leaves no hook, buffer,
    gradient, mode or statistic behind in the model, whatever happens while it runs, and no hook
    of the model's owner runs for it; nor does it matter on which device or in which precision the
    model is. Eval mode, because batch norm in training mode refuses maps of a single value.
    """
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(_zeros(parameter, device))
    for buffer in model.buffers():
        memo[id(buffer)] = _zeros(buffer, device)
    for module in model.modules():
        for name, value in vars(module).items():
            if name.endswith("_hooks") and isinstance(value, dict):
                memo[id(value)] = type(value)()
    return copy.deepcopy(model, memo).eval()


def _zeros(like: Tensor, device: str) -> Tensor:
    dtype = torch.float32 if like.is_floating_point() else like.dtype
    return torch.zeros(like.shape, dtype=dtype, device=device)


def own_macs(model: nn.Module, inclusive: Mapping[str, int]) -> tuple[ModuleMacs, ...]:
    """Each module's multiply-adds without those of its children, in the order of its modules.

    ``inclusive`` maps module paths, the model's own being empty, to counts with the children's.
    """
    rows = []
    for path, module in model.named_modules():
        prefix = f"{path}." if path else ""
        children = sum(inclusive.get(prefix + name, 0) for name, _ in module.named_children())
        macs = inclusive.get(path, 0) - children
        if macs:
            rows.append(ModuleMacs(module=path, macs=macs))
    return tuple(rows)


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
