"""Activation memory against a derivation from the counted layers, exact to the byte."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn

from resprof.catalog.networks import resolve
from resprof.counting.walk import count
from resprof.jobs.bench_subject import subject
from resprof.measure.memory import LOSS, kept_for_backward, largest_live_sets, measure_memory
from resprof.measure.subject import Work, prepare
from resprof.records.architecture import Architecture
from resprof.records.cost import Kind
from resprof.records.recipe import (
    Checkpoint,
    Mode,
    Optimizer,
    OptimizerImpl,
    Recipe,
    Workload,
)

_CPU = torch.device("cpu")
_FP32 = 4
_INT64 = 8


def _workload(architecture: Architecture, mode: Mode, batch: int) -> Workload:
    training = mode is Mode.TRAIN
    return Workload(
        model=architecture.id,
        classes=architecture.classes,
        in_channels=3,
        width=1.0,
        recipe=Recipe(
            mode=mode,
            batch=batch,
            image=architecture.image,
            optimizer=Optimizer.SGD_MOMENTUM if training else None,
            optimizer_impl=OptimizerImpl.FOREACH if training else None,
            accumulate=1 if training else None,
            checkpoint=Checkpoint.NONE if training else None,
        ),
    )


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
    architecture = resolve(name, image=image)
    workload = _workload(architecture, Mode.TRAIN, batch)
    what = subject(workload)
    work = prepare(what, workload.recipe, _CPU)
    assert kept_for_backward(work, what.stages) == _kept(architecture, batch)


def test_inference_needs_two_maps_of_the_stem_at_once() -> None:
    """The widest place of ResNet-18 is its first batch norm: one map in, one map out."""
    architecture = resolve("resnet18")
    workload = _workload(architecture, Mode.INFER, 2)
    what = subject(workload)
    work = prepare(what, workload.recipe, _CPU)
    stem = next(count(architecture).layers()).layer.cost.elements
    with torch.inference_mode():
        found = largest_live_sets(work, what.stages)
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


def test_the_live_set_follows_who_holds_a_tensor() -> None:
    model = _Branching()
    x = torch.ones(1, 10)
    work = Work(
        call=lambda: model(x), forward=lambda: model(x), model=model, given=(x,), optimizer=None
    )
    stages = {"first": (model.first,), "second": (model.second,), "third": (model.third,)}
    with torch.inference_mode():
        found = largest_live_sets(work, stages)
    # In the third, ``held``, its own input and its output; the sum comes after the third's input
    # has gone. The input is not counted, the view takes nothing.
    assert found == {"first": 40, "second": 80, "third": 120}


def test_memory_of_a_step_is_consistent_and_leaves_no_hooks() -> None:
    workload = _workload(resolve("cifar-resnet20"), Mode.TRAIN, 4)
    what = subject(workload)
    work = prepare(what, workload.recipe, _CPU)
    work.call()
    use = measure_memory(work, what.stages, process_peak_bytes=None)
    parameters = sum(_FP32 * parameter.numel() for parameter in what.model.parameters())
    assert use.activation_bytes == sum(stage.activation_bytes for stage in use.stages)
    assert use.peak_allocated_bytes is not None
    # Weights and momenta stand, and at the start of backward everything kept is there.
    assert use.peak_allocated_bytes >= 2 * parameters + use.activation_bytes
    assert use.peak_reserved_bytes is None
    assert use.process_peak_bytes is None
    _assert_no_hooks(what.model)


def test_hooks_go_even_when_the_network_fails() -> None:
    model = _Branching()
    wrong = torch.ones(1, 10)

    def fail() -> torch.Tensor:
        model(wrong)
        raise RuntimeError("broken")

    work = Work(call=fail, forward=fail, model=model, given=(wrong,), optimizer=None)
    with pytest.raises(RuntimeError, match="broken"):
        kept_for_backward(work, {"first": (model.first,)})
    _assert_no_hooks(model)


def _assert_no_hooks(model: nn.Module) -> None:
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_a_training_step_leaves_no_gradients_and_moves_the_weights() -> None:
    workload = _workload(resolve("cifar-resnet20"), Mode.TRAIN, 2)
    what = subject(workload)
    work = prepare(what, workload.recipe, _CPU)
    before = [parameter.detach().clone() for parameter in what.model.parameters()]
    work.call()
    assert all(parameter.grad is None for parameter in what.model.parameters())
    assert any(
        not torch.equal(old, new) for old, new in zip(before, what.model.parameters(), strict=True)
    )


def test_inference_of_a_deep_net_is_finite_after_settling() -> None:
    workload = _workload(resolve("cifar-resnet110"), Mode.INFER, 1)
    what = subject(workload)
    work = prepare(what, workload.recipe, _CPU)
    assert not what.model.training
    assert bool(torch.isfinite(work.call()).all())
