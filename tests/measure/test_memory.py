"""Activation memory against a derivation from the counted layers, exact to the byte."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from resprof.answers.bench.subject import subject
from resprof.counting.cost import Kind, count
from resprof.measure.memory import kept_for_backward, largest_live_sets, measure_memory
from resprof.measure.subject import Work, prepare
from resprof.model.architecture import LOSS, Architecture
from resprof.model.networks import resolve, workload_of
from resprof.model.recipe import Checkpoint, Engine, Precision, Recipe, infer, train
from resprof.networks.step import Steps, Watch

_CPU = torch.device("cpu")
_FP32 = 4
_INT64 = 8


def _work(architecture: Architecture, recipe: Recipe) -> Work:
    return prepare(subject(workload_of(architecture, recipe)), recipe, _CPU)


def _training(name: str, batch: int, image: tuple[int, int] | None = None, **changes: Any) -> Work:
    architecture = resolve(name, image=image)
    return _work(architecture, replace(train(batch=batch, image=architecture.image), **changes))


def _kept(architecture: Architecture, batch: int) -> dict[str, int]:
    """What autograd has to keep of a network with batch norm, by stage, in bytes.

    A convolution keeps its input and a batch norm its own, which is the convolution's output; the
    batch norm also keeps a mean and an inverse deviation per channel. A ReLU in place keeps its
    result, in the storage of the batch norm's output, and the next convolution's input is that
    same storage. The addition keeps nothing, so a projection's batch-norm output is not kept. The
    max pool keeps where each maximum was, as int64, and its output is the next convolution's
    input; its own input is a ReLU's result. The fully connected layer keeps the pooled features.
    The loss keeps the log-probabilities and the sum of the labels' weights, one value.
    """
    kept: Counter[str] = Counter()
    for placed in count(architecture).layers():
        layer, elements = placed.layer, placed.layer.cost.elements
        match layer.kind:
            case Kind.CONV | Kind.RELU | Kind.AVG_POOL:
                kept[placed.stage] += _FP32 * batch * elements
            case Kind.BN:
                kept[placed.stage] += _FP32 * 2 * layer.output[0]
            case Kind.MAX_POOL:
                kept[placed.stage] += (_FP32 + _INT64) * batch * elements
            case Kind.LINEAR:
                kept[LOSS] += _FP32 * (batch * elements + 1)
    return dict(kept)


@pytest.mark.parametrize(
    ("name", "image", "batch"),
    [
        ("cifar-resnet20", (32, 32), 3),
        ("cifar-resnet20-B", (32, 32), 2),
        ("cifar-plain20", (32, 32), 2),
        ("resnet18", (224, 224), 1),
        ("resnet18-C", (64, 96), 2),
        ("resnet50", (64, 64), 2),
        ("resnet50-v1.5", (96, 64), 2),
    ],
)
def test_training_keeps_what_the_layers_say(name: str, image: tuple[int, int], batch: int) -> None:
    work = _training(name, batch, image)
    assert kept_for_backward(work.steps, work.stages) == _kept(resolve(name, image=image), batch)


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16, Precision.AMP_BF16])
def test_what_is_live_after_forward_is_what_autograd_saves(precision: Precision) -> None:
    """Autograd's own hooks see each tensor that it keeps."""
    work = _training("cifar-resnet20-B", 2, precision=precision)
    standing = {*work.steps.model.parameters(), *work.steps.model.buffers(), *work.steps.given}
    known = {tensor.untyped_storage().data_ptr() for tensor in standing}
    saved: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            saved[storage.data_ptr()] = storage  # held, so that no address is used twice
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = work.steps.forward()
    assert loss.requires_grad
    kept = kept_for_backward(work.steps, work.stages)
    assert sum(kept.values()) == sum(storage.nbytes() for storage in saved.values())


def test_checkpointed_blocks_keep_their_inputs_only() -> None:
    plain = kept_for_backward(*_steps_and_stages(_training("cifar-resnet20", 2)))
    short = kept_for_backward(
        *_steps_and_stages(_training("cifar-resnet20", 2, checkpoint=Checkpoint.BLOCK))
    )
    assert short["conv1"] == plain["conv1"]
    one_map = _FP32 * 2 * 16 * 32 * 32
    # Three blocks: the outputs of two feed the next ones here, that of the third the next stage.
    assert short["conv2_x"] == 3 * one_map
    assert short[LOSS] == plain[LOSS]


def _steps_and_stages(work: Work) -> tuple[Steps, Any]:
    return work.steps, work.stages


def test_inference_needs_two_maps_of_the_stem_at_once() -> None:
    """The widest place of ResNet-18 is its first batch norm: one map in, one map out."""
    architecture = resolve("resnet18")
    work = _work(architecture, infer(batch=2, image=architecture.image))
    stem = next(count(architecture).layers()).layer.cost.elements
    found = largest_live_sets(work.steps, work.stages)
    assert found["conv1"] == max(found.values()) == 2 * 2 * _FP32 * stem
    assert tuple(found) == tuple(stage.stage for stage in count(architecture).stages())


class _Branching(nn.Module):
    """Keeps its first map while it makes two more, and returns a view."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.ReLU()
        self.second = nn.ReLU()
        self.third = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        held = self.first(x)
        other = self.third(self.second(held))
        result: torch.Tensor = (held + other).flatten(1)
        return result


def _inference(model: nn.Module) -> Steps:
    recipe = infer(batch=1, image=(1, 10))
    return Steps(model, (torch.ones(1, 10),), recipe, optimizer=None, watch=Watch())


def test_the_live_set_follows_who_holds_a_tensor() -> None:
    model = _Branching()
    stages = {"first": (model.first,), "second": (model.second,), "third": (model.third,)}
    found = largest_live_sets(_inference(model), stages)
    # In the third, ``held``, its own input and its output; the sum comes after the third's input
    # has gone. The input is not counted, the view takes nothing.
    assert found == {"first": 40, "second": 80, "third": 120}


def test_memory_of_a_step_is_consistent_and_leaves_no_hooks() -> None:
    recipe = train(batch=4, image=(32, 32))
    work = _training("cifar-resnet20", 4)
    work.call()
    use = measure_memory(work, recipe, process_peak_bytes=None)
    model = work.steps.model
    parameters = sum(_FP32 * parameter.numel() for parameter in model.parameters())
    assert use.activation_bytes == sum(stage.activation_bytes for stage in use.stages)
    assert use.peak_allocated_bytes is not None
    # Weights and momenta stand, and at the start of backward everything kept is there.
    assert use.peak_allocated_bytes >= 2 * parameters + use.activation_bytes
    assert use.peak_reserved_bytes is None
    assert use.process_peak_bytes is None
    _assert_no_hooks(model)


def test_what_is_compiled_has_no_activations_that_could_be_followed() -> None:
    recipe = replace(infer(batch=1, image=(32, 32)), engine=Engine.COMPILE)
    use = measure_memory(_training("cifar-resnet8", 1), recipe, process_peak_bytes=7)
    assert (use.activation_bytes, use.stages, use.process_peak_bytes) == (None, (), 7)


def test_hooks_go_even_when_the_network_fails() -> None:
    class Failing(_Branching):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            super().forward(x)
            raise RuntimeError("broken")

    model = Failing()
    with pytest.raises(RuntimeError, match="broken"):
        kept_for_backward(_inference(model), {"first": (model.first,)})
    _assert_no_hooks(model)


def _assert_no_hooks(model: nn.Module) -> None:
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
