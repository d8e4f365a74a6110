"""What tools that do not know our formulas count on a module, and the module they count on."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


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
