"""What a recipe makes of a network before the first step."""

from __future__ import annotations

from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from resprof.errors import UsageError
from resprof.records.recipe import (
    Checkpoint,
    MemoryFormat,
    Mode,
    Optimizer,
    OptimizerImpl,
    Precision,
    Recipe,
)
from resprof.steps.network import Network
from resprof.steps.watch import Watch

_LEARNING_RATE = 1e-3
"""Small: hundreds of steps on one batch have to stay finite, and no time depends on it."""
_MOMENTUM = 0.9
_WEIGHT_DECAY = 1e-4

_WHOLE = {Precision.FP16: torch.float16, Precision.BF16: torch.bfloat16}


def whole_dtype(recipe: Recipe) -> torch.dtype | None:
    """What the whole network and its input are cast to, batch norm included; None for fp32."""
    return _WHOLE.get(recipe.precision)


def memory_format(recipe: Recipe) -> torch.memory_format:
    """How images and the weights of convolutions lie in memory."""
    channels_last = recipe.memory_format is MemoryFormat.CHANNELS_LAST
    return torch.channels_last if channels_last else torch.contiguous_format


def arrange(model: nn.Module, network: Network, recipe: Recipe, watch: Watch) -> None:
    """Sets the mode, lets ``watch`` follow the modules, checkpoints blocks."""
    model.train(recipe.mode is Mode.TRAIN)
    for path, module in model.named_modules():
        forward = module.forward
        followed = watch.inside(path, forward) if path else forward
        if followed is not forward:
            module.forward = followed
    if recipe.checkpoint is Checkpoint.BLOCK:
        for block in network.blocks:
            _checkpoint([model.get_submodule(path) for path in block])


def drop_out_as_on_cuda(model: nn.Module) -> None:
    """CUDA keeps a mask of booleans; the CPU multiplies by noise of the input's type."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.forward = partial(_native_dropout, module.p)  # type: ignore[method-assign]


def optimizer_of(
    model: nn.Module, recipe: Recipe, *, capturable: bool = False
) -> torch.optim.Optimizer:
    """The recipe's optimiser; its implementation is always said, torch's choice is the device's.

    ``capturable`` keeps Adam's step counts on the device, as a CUDA graph wants them. Raises
    ``UsageError`` for a recipe without an optimiser.
    """
    parameters = list(model.parameters())
    how: dict[str, Any] = {
        "lr": _LEARNING_RATE,
        "foreach": recipe.optimizer_impl is OptimizerImpl.FOREACH,
        "fused": recipe.optimizer_impl is OptimizerImpl.FUSED,
    }
    match recipe.optimizer:
        case Optimizer.SGD:
            return torch.optim.SGD(parameters, **how)
        case Optimizer.SGD_MOMENTUM:
            how |= {"momentum": _MOMENTUM, "weight_decay": _WEIGHT_DECAY}
            return torch.optim.SGD(parameters, **how)
        case Optimizer.ADAM:
            return torch.optim.Adam(parameters, **how, capturable=capturable)
        case Optimizer.ADAMW:
            return torch.optim.AdamW(parameters, **how, capturable=capturable)
        case _:
            raise UsageError(
                "a training step needs an optimizer", hint="add --optimizer sgd-momentum"
            )


def _native_dropout(p: float, x: Tensor) -> Tensor:
    return torch.native_dropout(x, p, train=True)[0]


def _checkpoint(run: list[nn.Module]) -> None:
    """Lets the first module of the run do the work of all, recomputed in backward.

    Generator states are not kept: they lie on the host, and no block draws random numbers.
    """
    forwards = [module.forward for module in run]

    def whole(x: Tensor) -> Tensor:
        return reduce(lambda value, forward: forward(value), forwards, x)

    for module in run[1:]:
        module.forward = _identity
    run[0].forward = partial(checkpoint, whole, use_reentrant=False, preserve_rng_state=False)


def _identity(x: Tensor) -> Tensor:
    return x
