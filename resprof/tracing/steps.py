"""The steps that are traced, and that a profiler is given to watch: one code for both.

``zero_grad(set_to_none=True)``, forward, cross entropy, backward, optimiser, on one batch that
stays where it is. Under fp16 autocast a ``GradScaler`` scales the loss, as torch recommends.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from resprof.records.environment import DeviceKind
from resprof.records.recipe import Mode, Precision, Recipe
from resprof.records.trace import Phase
from resprof.tracing.network import Network
from resprof.tracing.setup import given_tensors, optimizer_of, place
from resprof.tracing.watch import Watch

STEPS = 2
"""The first makes the optimiser's state; the second has it from its start, like all that follow."""

_AUTOCAST = {Precision.AMP_FP16: torch.float16, Precision.AMP_BF16: torch.bfloat16}


class Steps:
    """A network ready for its steps, on tensors that torch takes for the CPU's.

    The constructor is the setup; it takes the network without tensors. ``kernels`` says whose
    operators run where CUDA chooses others than the CPU does. Raises ``UsageError`` for a
    training recipe without an optimiser.
    """

    def __init__(
        self,
        model: nn.Module,
        network: Network,
        recipe: Recipe,
        *,
        kernels: DeviceKind,
        watch: Watch,
    ) -> None:
        self._recipe = recipe
        self._kernels = kernels
        self._watch = watch
        self.model = model
        place(model, network, recipe, kernels, watch)
        self.given = given_tensors(network, recipe)
        watch.standing(self.model, self.given)
        training = recipe.mode is Mode.TRAIN
        self.optimizer = optimizer_of(self.model, recipe, watch) if training else None
        self._scaler = torch.amp.GradScaler(
            "cpu", enabled=training and recipe.precision is Precision.AMP_FP16
        )

    def run(self) -> None:
        """Runs all steps; afterwards gradients and the optimiser's state stand beside the rest."""
        for step in range(1, STEPS + 1):
            self._watch.enter(Phase.FORWARD, step)
            if self.optimizer is None:
                self._infer()
            else:
                self._train(self.optimizer, step)

    def _infer(self) -> None:
        with torch.inference_mode(), self._autocast():
            output = self.model(self.given[0])
        self._watch.forward_done(output)

    def _train(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        optimizer.zero_grad(set_to_none=True)
        for _ in range(self._recipe.accumulate or 1):
            self._forward_backward(step)
        self._watch.enter(Phase.OPTIMIZER, step)
        self._scaler.step(optimizer)
        self._scaler.update()
        self._watch.updated(optimizer, self._scaler)

    def _forward_backward(self, step: int) -> None:
        """In a function of its own, so that the loss does not outlive it."""
        self._watch.enter(Phase.FORWARD, step)
        loss = self._scaler.scale(self._loss())
        self._watch.forward_done(loss)
        self._watch.enter(Phase.BACKWARD, step)
        loss.backward()  # type: ignore[no-untyped-call]
        self._watch.backward_done(self.model)

    def _loss(self) -> Tensor:
        x, labels = self.given
        accumulate = self._recipe.accumulate or 1
        with self._autocast():
            loss = self._cross_entropy(self.model(x), labels)
        return loss if accumulate == 1 else loss / accumulate

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self._kernels is DeviceKind.CUDA and self._recipe.precision is Precision.AMP_FP16:
            # CUDA's log_softmax reads fp16 and writes fp32; the CPU's wants its input cast.
            logarithms = torch._log_softmax(logits, 1, half_to_float=True)
            return nn.functional.nll_loss(logarithms, labels)
        return nn.functional.cross_entropy(logits, labels)

    def _autocast(self) -> AbstractContextManager[object]:
        dtype = _AUTOCAST.get(self._recipe.precision)
        return nullcontext() if dtype is None else torch.autocast("cpu", dtype=dtype)
