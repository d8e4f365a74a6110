"""A recipe turned into the step that is traced, watched and timed: one code for all three.

``zero_grad(set_to_none=True)``, forward, cross entropy, backward, optimiser, on one batch that
stays where it is. Under fp16 autocast a ``GradScaler`` scales the loss, as torch recommends. In
inference a forward pass without autograd.

No figure of theirs depends on values, so the network needs no weights and no memory of the host.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from resprof.errors import UsageError
from resprof.model.environment import DeviceKind
from resprof.model.recipe import (
    Checkpoint,
    MemoryFormat,
    Mode,
    Optimizer,
    OptimizerImpl,
    Phase,
    Recipe,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network to trace.

    ``build`` makes it with fresh weights; ``stages`` are each stage's name and module paths;
    ``blocks`` are what checkpointing computes again as a whole, each a run of modules that feed
    each other, in order of execution. ``image`` is (C, H, W).
    """

    build: Callable[[], nn.Module]
    stages: tuple[tuple[str, tuple[str, ...]], ...]
    blocks: tuple[tuple[str, ...], ...]
    image: tuple[int, int, int]
    classes: int


class Watch:
    """Does nothing when it is told something; a recorder does."""

    def inside(self, path: str, forward: Callable[..., Any]) -> Callable[..., Any]:  # noqa: ARG002
        """``forward`` of the module at ``path``, told of."""
        return forward

    def enter(self, phase: Phase, step: int) -> None:
        """A phase of a step begins."""

    def standing(self, model: nn.Module, given: tuple[Tensor, ...]) -> None:
        """Setup is done: the network and what it is given exist."""

    def forward_done(self, output: Tensor) -> None:
        """Forward is done; the caller holds ``output``."""

    def backward_done(self, model: nn.Module) -> None:
        """The gradients exist."""

    def updating(self, *, begins: bool) -> None:
        """The optimiser's own step begins or has ended."""

    def updated(self, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler) -> None:
        """The update is done, the state exists."""


_LEARNING_RATE = 1e-3
"""Small: hundreds of steps on one batch have to stay finite, and no time depends on it."""
_MOMENTUM = 0.9
_WEIGHT_DECAY = 1e-4


def whole_dtype(recipe: Recipe) -> torch.dtype | None:
    """What the whole network and its input are cast to, batch norm included; None for fp32."""
    return _dtype(recipe.precision.whole)


def _dtype(name: str | None) -> torch.dtype | None:
    dtype: torch.dtype | None = None if name is None else getattr(torch, name)
    return dtype


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


class Steps:
    """A network with its batch and optimiser, ready for any number of steps.

    The device is that on which the batch lies; with ``kernels`` CUDA's operators are meant where
    torch takes the tensors for the CPU's. ``watch`` may be exchanged between steps. Raises
    ``UsageError`` for a training recipe without an optimiser.
    """

    def __init__(
        self,
        model: nn.Module,
        given: tuple[Tensor, ...],
        recipe: Recipe,
        *,
        optimizer: torch.optim.Optimizer | None,
        watch: Watch,
        kernels: DeviceKind | None = None,
    ) -> None:
        if (optimizer is not None) is not (recipe.mode is Mode.TRAIN):
            raise UsageError(
                "training needs an optimizer, and inference takes none", hint="see --mode"
            )
        self.model = model
        self.given = given
        self.optimizer = optimizer
        self.watch = watch
        self._recipe = recipe
        self._device = given[0].device.type
        self._stands_for_cuda = kernels is DeviceKind.CUDA and self._device == "cpu"
        self._scaler = torch.amp.GradScaler(
            self._device,
            enabled=optimizer is not None and recipe.precision.scaled,
        )

    def step(self, number: int = 1) -> None:
        """Runs one step; in training gradients stand afterwards until the next one begins."""
        self.watch.enter(Phase.FORWARD, number)
        if self.optimizer is None:
            self.watch.forward_done(self.forward())
        else:
            self._train(self.optimizer, number)

    def forward(self) -> Tensor:
        """The network's output, or in training its loss with what autograd keeps for backward."""
        if self.optimizer is None:
            return self._infer()
        return self._scaler.scale(self._loss())

    def clear(self) -> None:
        """Lets the gradients go, as the beginning of a step does."""
        if self.optimizer is not None:
            self.optimizer.zero_grad(set_to_none=True)

    def _infer(self) -> Tensor:
        with torch.inference_mode(), self._autocast():
            output: Tensor = self.model(self.given[0])
        return output

    def _train(self, optimizer: torch.optim.Optimizer, number: int) -> None:
        self.clear()
        for _ in range(self._recipe.accumulate or 1):
            self._forward_backward(number)
        self.watch.enter(Phase.OPTIMIZER, number)
        self._scaler.step(optimizer)
        self._scaler.update()
        self.watch.updated(optimizer, self._scaler)

    def _forward_backward(self, number: int) -> None:
        """In a function of its own, so that the loss does not outlive it."""
        self.watch.enter(Phase.FORWARD, number)
        loss = self.forward()
        self.watch.forward_done(loss)
        self.watch.enter(Phase.BACKWARD, number)
        loss.backward()  # type: ignore[no-untyped-call]
        self.watch.backward_done(self.model)

    def _loss(self) -> Tensor:
        x, labels = self.given
        accumulate = self._recipe.accumulate or 1
        with self._autocast():
            loss = self._cross_entropy(self.model(x), labels)
        return loss if accumulate == 1 else loss / accumulate

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self._stands_for_cuda and self._recipe.precision.scaled:
            # CUDA's log_softmax reads fp16 and writes fp32; the CPU's wants its input cast.
            logarithms = torch._log_softmax(logits, 1, half_to_float=True)
            return nn.functional.nll_loss(logarithms, labels)
        return nn.functional.cross_entropy(logits, labels)

    def _autocast(self) -> AbstractContextManager[object]:
        dtype = _dtype(self._recipe.precision.autocast)
        return nullcontext() if dtype is None else torch.autocast(self._device, dtype=dtype)


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
