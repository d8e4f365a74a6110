"""A workload's setup and two steps on a device, in the process that watches its memory."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from resprof.answers.memory.traces import network_of
from resprof.measure.memory_history import DeviceMemory
from resprof.model.environment import DeviceKind
from resprof.model.networks import architecture_of
from resprof.model.recipe import Recipe, Workload

if TYPE_CHECKING:
    from resprof.networks.step import Steps, Watch


def prepare_process(recipe: Recipe) -> None:
    """Sets what holds for the whole process: the arithmetic, and that nothing is collected."""
    from resprof.measure.device import set_switches

    set_switches(recipe)
    gc.disable()  # when a tensor goes must not hang on when Python looks for cycles


def run_on_device(workload: Workload, memory: DeviceMemory, watch: Watch) -> Steps:
    """Runs the very steps that are traced; their memory stays as long as what is returned."""
    from resprof.networks.step import empty_steps, model_without_tensors, run_steps

    network = network_of(architecture_of(workload))
    model = model_without_tensors(network)
    kernels = DeviceKind(memory.device.type)
    with memory.device:  # where tensors are made whose maker names no device
        steps = empty_steps(model, network, workload.recipe, kernels=kernels, watch=watch)
    run_steps(steps)
    return steps
