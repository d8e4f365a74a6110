"""What is measured, as this room sees it: a module, its stages and the tensors it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from resprof.errors import UsageError
from resprof.records.recipe import Mode, Optimizer, OptimizerImpl, Recipe

SEED = 20151210
"""Seeds weights and inputs; the day the paper appeared."""
_LEARNING_RATE = 1e-3
"""Small: hundreds of steps on one batch have to stay finite, and no time depends on it."""
_MOMENTUM = 0.9
_WEIGHT_DECAY = 1e-4
_SETTLE_PASSES = 4
_SETTLE_BATCH = 2
"""Batch norm wants more than one value per channel; more images would cost time and memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A network to measure.

    ``stages`` are the modules of each stage in order of execution; ``settle`` sets the statistics
    of batch norm from some batches and leaves the network in the mode it was in; ``image`` is
    (C, H, W).
    """

    model: nn.Module
    stages: Mapping[str, tuple[nn.Module, ...]]
    settle: Callable[..., None]
    image: tuple[int, int, int]
    classes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A subject on its device, ready to be called.

    ``call`` is what is timed; ``forward`` its first half, to the loss in training; ``given`` are
    the tensors that exist before a call: input and labels. ``optimizer`` is None in inference.
    """

    call: Callable[[], Tensor]
    forward: Callable[[], Tensor]
    model: nn.Module
    given: tuple[Tensor, ...]
    optimizer: torch.optim.Optimizer | None


def prepare(subject: Subject, recipe: Recipe, device: torch.device) -> Work:
    """Moves the subject to the device, with a seeded normal batch, and builds its call."""
    model = subject.model.to(device)
    # Drawn on the host, so that every device sees the same batch.
    random = torch.Generator().manual_seed(SEED)

    def images(batch: int) -> Tensor:
        return torch.randn(batch, *subject.image, generator=random).to(device)

    x = images(recipe.batch)
    labels = torch.randint(subject.classes, (recipe.batch,), generator=random).to(device)
    if recipe.mode is Mode.TRAIN:
        return _training(model, x, labels, _optimizer(model, recipe))
    model.eval()
    subject.settle(*(images(_SETTLE_BATCH) for _ in range(_SETTLE_PASSES)))

    def forward() -> Tensor:
        output: Tensor = model(x)
        return output

    return Work(call=forward, forward=forward, model=model, given=(x,), optimizer=None)


def _training(
    model: nn.Module, x: Tensor, labels: Tensor, optimizer: torch.optim.Optimizer
) -> Work:
    """A step that leaves no gradients behind: between steps as before the first."""
    model.train()
    optimizer.zero_grad(set_to_none=True)

    def forward() -> Tensor:
        return nn.functional.cross_entropy(model(x), labels)

    def step() -> Tensor:
        loss = forward()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    return Work(call=step, forward=forward, model=model, given=(x, labels), optimizer=optimizer)


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    parameters = list(model.parameters())
    foreach = recipe.optimizer_impl is OptimizerImpl.FOREACH
    fused = recipe.optimizer_impl is OptimizerImpl.FUSED
    match recipe.optimizer:
        case Optimizer.SGD:
            return torch.optim.SGD(parameters, lr=_LEARNING_RATE, foreach=foreach, fused=fused)
        case Optimizer.SGD_MOMENTUM:
            return torch.optim.SGD(
                parameters,
                lr=_LEARNING_RATE,
                momentum=_MOMENTUM,
                weight_decay=_WEIGHT_DECAY,
                foreach=foreach,
                fused=fused,
            )
        case Optimizer.ADAM:
            return torch.optim.Adam(parameters, lr=_LEARNING_RATE, foreach=foreach, fused=fused)
        case Optimizer.ADAMW:
            return torch.optim.AdamW(parameters, lr=_LEARNING_RATE, foreach=foreach, fused=fused)
        case _:
            raise UsageError(
                "a training step needs an optimizer", hint="add --optimizer sgd-momentum"
            )
