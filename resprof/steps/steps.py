"""The step that is traced, that a profiler or a history watches, and that is timed.

``zero_grad(set_to_none=True)``, forward, cross entropy, backward, optimiser, on one batch that
stays where it is. Under fp16 autocast a ``GradScaler`` scales the loss, as torch recommends. In
inference a forward pass without autograd.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from resprof.errors import UsageError
from resprof.records.environment import DeviceKind
from resprof.records.recipe import Mode, Precision, Recipe
from resprof.records.trace import Phase
from resprof.steps.watch import Watch

_AUTOCAST = {Precision.AMP_FP16: torch.float16, Precision.AMP_BF16: torch.bfloat16}


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
            raise UsageError("training, and nothing else, takes an optimizer", hint="see --mode")
        self.model = model
        self.given = given
        self.optimizer = optimizer
        self.watch = watch
        self._recipe = recipe
        self._device = given[0].device.type
        self._stands_for_cuda = kernels is DeviceKind.CUDA and self._device == "cpu"
        self._scaler = torch.amp.GradScaler(
            self._device,
            enabled=optimizer is not None and recipe.precision is Precision.AMP_FP16,
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
        if self._stands_for_cuda and self._recipe.precision is Precision.AMP_FP16:
            # CUDA's log_softmax reads fp16 and writes fp32; the CPU's wants its input cast.
            logarithms = torch._log_softmax(logits, 1, half_to_float=True)
            return nn.functional.nll_loss(logarithms, labels)
        return nn.functional.cross_entropy(logits, labels)

    def _autocast(self) -> AbstractContextManager[object]:
        dtype = _AUTOCAST.get(self._recipe.precision)
        return nullcontext() if dtype is None else torch.autocast(self._device, dtype=dtype)
