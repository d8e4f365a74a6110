"""Settling batch norm: outputs become finite, and nothing else changes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from resprof.model.networks import resolve
from resprof.networks.build import build, settle_batch_norm

State = list[tuple[str, bool, float | None]]


def _state(model: nn.Module) -> State:
    return [
        (path, module.training, getattr(module, "momentum", None))
        for path, module in model.named_modules()
    ]


def _mixed_modes(model: nn.Module) -> nn.Module:
    """A model whose modules are in different modes, with a momentum of its own."""
    model.train()
    model.get_submodule("layer2").eval()
    norm = model.get_submodule("bn1")
    assert isinstance(norm, nn.BatchNorm2d)
    norm.momentum = 0.37
    return model


def test_a_deep_network_explodes_until_it_is_settled() -> None:
    torch.manual_seed(0)
    model = build(resolve("cifar-resnet302", width=0.25)).eval()
    x = torch.randn(4, 3, 8, 8)
    with torch.no_grad():
        before = model(x)
        settle_batch_norm(model, x)
        after = model(x)
    assert before.std() > 1e6
    assert after.isfinite().all()
    assert after.std() < 100


def test_statistics_are_the_averages_over_the_batches() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3))
    batches = [torch.randn(4, 3, 5, 5) * scale + scale for scale in (1, 2, 5)]
    settle_batch_norm(model, *batches)
    norm = model[0]
    mean = torch.stack([batch.mean((0, 2, 3)) for batch in batches]).mean(0)
    var = torch.stack([batch.var((0, 2, 3)) for batch in batches]).mean(0)
    assert isinstance(norm, nn.BatchNorm2d)
    torch.testing.assert_close(norm.running_mean, mean)
    torch.testing.assert_close(norm.running_var, var)


def test_the_same_batches_give_the_same_statistics_and_draw_no_random_numbers() -> None:
    torch.manual_seed(0)
    model = build(resolve("resnet18", width=0.125))
    x = torch.randn(2, 3, 33, 33)
    generator = torch.get_rng_state()
    settle_batch_norm(model, x)
    first = {key: value.clone() for key, value in model.state_dict().items()}
    settle_batch_norm(model, x)
    for key, value in model.state_dict().items():
        assert torch.equal(value, first[key]), key
    assert torch.equal(torch.get_rng_state(), generator)


def test_parameters_modes_and_momenta_stay() -> None:
    torch.manual_seed(0)
    model = _mixed_modes(build(resolve("resnet18", width=0.125)))
    state = _state(model)
    parameters = [parameter.clone() for parameter in model.parameters()]
    settle_batch_norm(model, torch.randn(2, 3, 33, 33))
    assert _state(model) == state
    for parameter, before in zip(model.parameters(), parameters, strict=True):
        assert torch.equal(parameter, before)
        assert parameter.requires_grad
        assert parameter.grad is None


def test_modes_and_momenta_stay_after_an_error() -> None:
    model = _mixed_modes(build(resolve("resnet18", width=0.125)))
    state = _state(model)
    with pytest.raises(RuntimeError):
        settle_batch_norm(model, torch.randn(2, 4, 33, 33))
    assert _state(model) == state


def test_a_network_without_batch_norm_is_left_alone() -> None:
    torch.manual_seed(0)
    model = build(resolve("vgg16", width=0.125))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    settle_batch_norm(model, torch.randn(1, 3, 32, 32))
    assert model.training
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key
