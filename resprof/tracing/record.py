"""One run of the steps on tensors without data, recorded."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from torch._subclasses.fake_tensor import FakeTensorMode

from resprof.errors import UsageError
from resprof.records.environment import DeviceKind
from resprof.records.recipe import OptimizerImpl, Recipe
from resprof.steps.empty import empty_steps, model_without_tensors, run_steps
from resprof.steps.network import Network
from resprof.tracing.raw import RawTrace
from resprof.tracing.recorder import Recorder


@contextmanager
def _no_collection() -> Iterator[None]:
    """When a tensor goes must not hang on when Python looks for cycles; it is faster, too."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def record(network: Network, recipe: Recipe, *, kernels: DeviceKind) -> RawTrace:
    """What setup and the steps do to memory at the recipe's batch size.

    ``kernels`` says whose operators run. Raises ``NotTraceable`` for an operator that needs data,
    ``UsageError`` for a batch that the network refuses.
    """
    fused = recipe.optimizer_impl is OptimizerImpl.FUSED
    recorder = Recorder(kernels=kernels, host_steps=kernels is DeviceKind.CUDA and not fused)
    model = model_without_tensors(network)
    # The steps outlive the recording: what they hold at its end is live.
    with _no_collection(), FakeTensorMode(), recorder:
        try:
            steps = empty_steps(model, network, recipe, kernels=kernels, watch=recorder)
            run_steps(steps)
        except ValueError as error:
            raise UsageError(
                f"the network refuses a batch of {recipe.batch}: {error}",
                hint="choose a larger batch or image",
            ) from error
        return recorder.raw(recipe.batch)
