"""A witness leaves a model, and the process, as it found them, also when it fails."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules import module as module_hooks

from resprof.counting.cost import Shape
from resprof.counting.witness import WitnessCount, count_with_torch
from resprof.counting.witness_fvcore import count_with_fvcore
from resprof.model.networks import resolve
from resprof.networks.build import build

Witness = Callable[[nn.Module, Shape], WitnessCount]

WITNESSES = (count_with_torch, count_with_fvcore)


class Snapshot:
    """Everything about a model that a counter is known to have changed somewhere."""

    def __init__(self, model: nn.Module) -> None:
        self.values = {key: value.clone() for key, value in model.state_dict().items()}
        self.tensors = [id(tensor) for tensor in (*model.parameters(), *model.buffers())]
        self.keys = {path: sorted(vars(module)) for path, module in model.named_modules()}
        self.modes = {path: module.training for path, module in model.named_modules()}
        self.hooks = {
            path: {name: dict(value) for name, value in vars(module).items() if "_hooks" in name}
            for path, module in model.named_modules()
        }
        self.wanted = {name: p.requires_grad for name, p in model.named_parameters()}
        self.grads = {
            name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()
        }

    def check(self, model: nn.Module) -> None:
        after = Snapshot(model)
        for name in ("tensors", "keys", "modes", "hooks", "wanted"):
            assert getattr(after, name) == getattr(self, name), name
        assert list(after.values) == list(self.values)
        for key, value in self.values.items():
            assert torch.equal(after.values[key], value), key
        for key, grad in self.grads.items():
            found = after.grads[key]
            assert (found is None) == (grad is None), key
            assert grad is None or found is None or torch.equal(found, grad), key


def _process() -> dict[str, Any]:
    """What is global and near: hooks on all modules, modes, loggers, warnings, random numbers."""
    root = logging.getLogger()
    return {
        "hooks": {
            name: dict(value)
            for name, value in vars(module_hooks).items()
            if name.startswith("_global") and isinstance(value, dict)
        },
        "tracing": torch._C._get_tracing_state() is not None,
        "grad": torch.is_grad_enabled(),
        "modes": torch.utils._python_dispatch._get_current_dispatch_mode(),
        "levels": {
            name: logging.getLogger(name).level
            for name in logging.root.manager.loggerDict
            if name.startswith(("fvcore", "torch.jit"))
        },
        "root": (root.level, list(root.handlers)),
        "filters": list(warnings.filters),
        "random": torch.get_rng_state().tolist(),
    }


def _seasoned(*, training: bool) -> nn.Module:
    """A model with a life of its own: statistics, gradients, a frozen layer, hooks, mixed modes."""
    torch.manual_seed(0)
    model = build(resolve("resnet18", width=0.125, classes=3)).train()
    model(torch.randn(2, 3, 33, 33)).square().sum().backward()
    model.get_parameter("conv1.weight").requires_grad_(False)
    model.get_parameter("fc.bias").grad = None
    model.get_submodule("layer1").register_forward_hook(_never)
    model.get_submodule("layer2").register_forward_pre_hook(_never, with_kwargs=True)
    model.get_submodule("layer3").register_full_backward_hook(_never)
    model.train(training)
    model.get_submodule("layer4").train(not training)
    return model


def _never(*_: object) -> None:
    raise AssertionError("a hook of the model's owner ran for a counter")


class Failing(nn.Module):
    """A last layer that gives up, when everything before it has run."""

    def forward(self, x: Tensor) -> Tensor:
        raise FloatingPointError("gave up")


class FailingBackward(nn.Module):
    """A layer that gives up in backward."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x * 1
        if y.requires_grad:
            y.register_hook(lambda _: Failing()(y))  # type: ignore[no-untyped-call]
        return y


@pytest.mark.parametrize("witness", WITNESSES)
@pytest.mark.parametrize("training", [True, False])
def test_a_count_changes_nothing(witness: Witness, training: bool) -> None:
    witness(build(resolve("cifar-resnet8")), (3, 8, 8))  # what a first import sets up
    model = _seasoned(training=training)
    before, around = Snapshot(model), _process()
    witness(model, (3, 33, 40))
    before.check(model)
    assert _process() == around


@pytest.mark.parametrize("witness", WITNESSES)
@pytest.mark.parametrize("training", [True, False])
def test_a_failing_count_changes_nothing(witness: Witness, training: bool) -> None:
    model = _seasoned(training=training)
    model.add_module("fc", Failing())
    before, around = Snapshot(model), _process()
    with pytest.raises(FloatingPointError, match="gave up"):
        witness(model, (3, 33, 40))
    before.check(model)
    assert _process() == around


def test_a_count_that_fails_in_backward_changes_nothing() -> None:
    model = _seasoned(training=True)
    model.add_module("avgpool", nn.Sequential(nn.AdaptiveAvgPool2d(1), FailingBackward()))
    before, around = Snapshot(model), _process()
    with pytest.raises(FloatingPointError, match="gave up"):
        count_with_torch(model, (3, 33, 40))
    before.check(model)
    assert _process() == around


@pytest.mark.parametrize("witness", WITNESSES)
def test_it_says_nothing(
    witness: Witness, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Unknown operators, fvcore's warning, are pools and additions: none of what is counted."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        witness(_seasoned(training=True), (3, 33, 40))
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
