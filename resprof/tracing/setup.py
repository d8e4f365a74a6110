"""What exists before the first step: the network, the batch, the optimiser."""

from __future__ import annotations

from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from resprof.errors import UsageError
from resprof.records.environment import DeviceKind
from resprof.records.recipe import (
    Checkpoint,
    MemoryFormat,
    Mode,
    Optimizer,
    OptimizerImpl,
    Precision,
    Recipe,
)
from resprof.tracing.network import Network
from resprof.tracing.watch import Watch

_LEARNING_RATE = 1e-3
_MOMENTUM = 0.9
_WEIGHT_DECAY = 1e-4

_WHOLE = {Precision.FP16: torch.float16, Precision.BF16: torch.bfloat16}
"""The precisions for which the whole network is cast, batch norm included."""


def model_without_tensors(network: Network) -> nn.Module:
    """The network on the meta device, which has shapes and no memory."""
    with torch.device("meta"):
        return network.build()


def place(
    model: nn.Module, network: Network, recipe: Recipe, kernels: DeviceKind, watch: Watch
) -> None:
    """Gives a network without tensors its tensors, and ``watch`` its modules to follow.

    They come in the order in which ``module.to(device, dtype, memory_format)`` makes them.
    """
    convert = partial(_placed, dtype=_WHOLE.get(recipe.precision), recipe=recipe)
    model._apply(convert)  # type: ignore[no-untyped-call]
    training = recipe.mode is Mode.TRAIN
    model.train(training)
    if training and kernels is DeviceKind.CUDA:
        _drop_out_as_on_cuda(model)
    for path, module in model.named_modules():
        if path:
            module.forward = watch.inside(path, module.forward)
    if recipe.checkpoint is Checkpoint.BLOCK:
        for block in network.blocks:
            _checkpoint([model.get_submodule(path) for path in block])


def given_tensors(network: Network, recipe: Recipe) -> tuple[Tensor, ...]:
    """The images, and in training the labels."""
    x = torch.empty(
        (recipe.batch, *network.image),
        dtype=_WHOLE.get(recipe.precision),
        memory_format=_memory_format(recipe),
    ).zero_()
    if recipe.mode is Mode.INFER:
        return (x,)
    return x, torch.zeros(recipe.batch, dtype=torch.int64)


def optimizer_of(model: nn.Module, recipe: Recipe, watch: Watch) -> torch.optim.Optimizer:
    """The recipe's optimiser, which tells ``watch`` when it steps."""
    optimizer = _optimizer(list(model.parameters()), recipe)
    optimizer.register_step_pre_hook(lambda *_: watch.updating(begins=True))
    optimizer.register_step_post_hook(lambda *_: watch.updating(begins=False))
    return optimizer


def _placed(tensor: Tensor, *, dtype: torch.dtype | None, recipe: Recipe) -> Tensor:
    """A tensor like it, of zeros, so that what a profiler watches stays finite."""
    whole = dtype if tensor.is_floating_point() else None
    layout = _memory_format(recipe) if tensor.dim() == 4 else torch.contiguous_format
    return torch.empty(tensor.shape, dtype=whole or tensor.dtype, memory_format=layout).zero_()


def _memory_format(recipe: Recipe) -> torch.memory_format:
    channels_last = recipe.memory_format is MemoryFormat.CHANNELS_LAST
    return torch.channels_last if channels_last else torch.contiguous_format


def _optimizer(parameters: list[nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    """The implementation is always said: torch's own choice depends on the device."""
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
            return torch.optim.Adam(parameters, **how)
        case Optimizer.ADAMW:
            return torch.optim.AdamW(parameters, **how)
        case _:
            raise UsageError(
                "a training step needs an optimizer", hint="add --optimizer sgd-momentum"
            )


def _drop_out_as_on_cuda(model: nn.Module) -> None:
    """CUDA keeps a mask of booleans; the CPU multiplies by noise of the input's type."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.forward = partial(_native_dropout, module.p)  # type: ignore[method-assign]


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
