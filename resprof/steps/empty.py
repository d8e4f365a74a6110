"""Steps on zeros: what is traced without a device, and what a device's memory is watched on.

No figure of theirs depends on values, so the network needs no weights and no memory of the host.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from resprof.records.environment import DeviceKind
from resprof.records.recipe import Mode, Recipe
from resprof.steps.network import Network
from resprof.steps.setup import (
    arrange,
    drop_out_as_on_cuda,
    memory_format,
    optimizer_of,
    whole_dtype,
)
from resprof.steps.steps import Steps
from resprof.steps.watch import Watch

STEPS = 2
"""The first makes the optimiser's state; the second has it from its start, like all that follow."""


def model_without_tensors(network: Network) -> nn.Module:
    """The network on the meta device, which has shapes and no memory."""
    with torch.device("meta"):
        return network.build()


def empty_steps(
    model: nn.Module, network: Network, recipe: Recipe, *, kernels: DeviceKind, watch: Watch
) -> Steps:
    """Gives a network without tensors its tensors, on the default device, and its steps.

    ``watch`` is told when they stand. Raises ``UsageError`` for a training recipe without an
    optimiser.
    """
    _place(model, recipe)
    training = recipe.mode is Mode.TRAIN
    if training and kernels is DeviceKind.CUDA:
        drop_out_as_on_cuda(model)
    arrange(model, network, recipe, watch)
    given = _given(network, recipe)
    watch.standing(model, given)
    optimizer = optimizer_of(model, recipe) if training else None
    if optimizer is not None:
        optimizer.register_step_pre_hook(lambda *_: watch.updating(begins=True))
        optimizer.register_step_post_hook(lambda *_: watch.updating(begins=False))
    return Steps(model, given, recipe, optimizer=optimizer, kernels=kernels, watch=watch)


def run_steps(steps: Steps) -> None:
    """Runs all steps; afterwards gradients and the optimiser's state stand beside the rest."""
    for number in range(1, STEPS + 1):
        steps.step(number)


def _place(model: nn.Module, recipe: Recipe) -> None:
    """Tensors come in the order in which ``module.to(device, dtype, memory_format)`` makes them."""

    def zeros(tensor: Tensor) -> Tensor:
        whole = whole_dtype(recipe) if tensor.is_floating_point() else None
        layout = memory_format(recipe) if tensor.dim() == 4 else torch.contiguous_format
        return torch.empty(
            tensor.shape, dtype=whole or tensor.dtype, memory_format=layout
        ).zero_()  # so that what a profiler watches stays finite

    model._apply(zeros)  # type: ignore[no-untyped-call]


def _given(network: Network, recipe: Recipe) -> tuple[Tensor, ...]:
    """The images, and in training the labels."""
    x = torch.empty(
        (recipe.batch, *network.image),
        dtype=whole_dtype(recipe),
        memory_format=memory_format(recipe),
    ).zero_()
    if recipe.mode is Mode.INFER:
        return (x,)
    return x, torch.zeros(recipe.batch, dtype=torch.int64)
