"""torchvision's networks as the oracle: the same weights give the same outputs."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch

from resprof.model.networks import resolve
from resprof.networks.build import build, settle_batch_norm

_SIDE = 64

NETWORKS = {
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50-v1.5": "resnet50",
    "resnet101-v1.5": "resnet101",
    "resnet152-v1.5": "resnet152",
    "vgg16": "vgg16",
    "vgg19": "vgg19",
    "resnext50_32x4d": "resnext50_32x4d",
    "resnext101_32x8d": "resnext101_32x8d",
    "resnext101_64x4d": "resnext101_64x4d",
    "wide_resnet50_2": "wide_resnet50_2",
    "wide_resnet101_2": "wide_resnet101_2",
}
"""Our canonical id of each of torchvision's networks."""


@pytest.mark.parametrize(("ours", "theirs"), NETWORKS.items())
def test_the_same_weights_give_the_same_outputs(
    ours: str, theirs: str, torchvision: ModuleType
) -> None:
    torch.manual_seed(0)
    reference: torch.nn.Module = torchvision.models.get_model(theirs, weights=None)
    settle_batch_norm(reference, torch.randn(2, 3, _SIDE, _SIDE), torch.randn(2, 3, _SIDE, _SIDE))
    with torch.device("meta"):
        model = build(resolve(ours))
    fresh, weights = model.state_dict(), reference.state_dict()
    assert [(key, value.shape) for key, value in fresh.items()] == [
        (key, value.shape) for key, value in weights.items()
    ]

    model.load_state_dict(weights, strict=True, assign=True)
    x = torch.randn(1, 3, _SIDE, _SIDE)
    with torch.no_grad():
        expected = reference.eval()(x)
        assert torch.equal(model.eval()(x), expected)
    assert expected.isfinite().all()
    assert expected.std() > 0


def test_a_training_step_gives_the_same_gradients(torchvision: ModuleType) -> None:
    torch.manual_seed(0)
    reference: torch.nn.Module = torchvision.models.resnet18(weights=None)
    model = build(resolve("resnet18"))
    model.load_state_dict(reference.state_dict())
    x = torch.randn(2, 3, _SIDE, _SIDE)
    reference(x).square().sum().backward()
    model(x).square().sum().backward()
    theirs = dict(reference.named_parameters())
    for name, parameter in model.named_parameters():
        gradient, expected = parameter.grad, theirs[name].grad
        assert gradient is not None
        assert expected is not None
        assert torch.equal(gradient, expected), name


def test_v1_and_v1_5_differ_with_the_same_weights() -> None:
    torch.manual_seed(0)
    first = build(resolve("resnet50", width=0.25))
    second = build(resolve("resnet50-v1.5", width=0.25))
    second.load_state_dict(first.state_dict())
    x = torch.randn(2, 3, _SIDE, _SIDE)
    with torch.no_grad():
        assert not torch.allclose(first(x), second(x))
