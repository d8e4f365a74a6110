"""Every variant of the registry as a module: its sizes are the formula walk's, and it runs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from resprof.counting.cost import Kind, Shape, count
from resprof.model.architecture import Architecture
from resprof.model.networks import at_image, family_of, resolve, variants
from resprof.networks.build import build

_WEIGHTED = {Kind.CONV: nn.Conv2d, Kind.BN: nn.BatchNorm2d, Kind.LINEAR: nn.Linear}
_DOUBLE = {"cifar-resnet1202-C", "cifar-plain1202"}
"""Without an identity path over 1200 layers the gradients of a fresh network overflow fp32."""

_ODD = (45, 70)
"""An image (height, width) that is not square and whose sides do not halve evenly."""

Trace = list[tuple[str, type[nn.Module], Shape, Shape]]
"""Of each layer with weights, as it ran: path, type, input and output shape without the batch."""


def _run_on_meta(architecture: Architecture) -> Trace:
    with torch.device("meta"):
        model = build(architecture)
        x = torch.zeros(2, architecture.in_channels, *architecture.image)
    trace: Trace = []
    for path, module in model.named_modules():
        if not isinstance(module, (nn.Conv2d, nn.BatchNorm2d, nn.Linear)):
            continue

        def note(
            module: nn.Module, args: tuple[torch.Tensor], out: torch.Tensor, path: str = path
        ) -> None:
            trace.append((path, type(module), tuple(args[0].shape[1:]), tuple(out.shape[1:])))

        module.register_forward_hook(note)
    assert model(x).shape == (2, architecture.classes)
    return trace


def _walk(architecture: Architecture) -> Trace:
    trace: Trace = []
    for placed in count(architecture).layers():
        layer = placed.layer
        if layer.kind in _WEIGHTED:
            # A fully connected layer sees the average pool's map flattened.
            read = (math.prod(layer.input),) if layer.kind is Kind.LINEAR else layer.input
            trace.append((placed.name, _WEIGHTED[layer.kind], read, layer.output))
    return trace


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _small(architecture: Architecture) -> Architecture:
    """The network at the smallest image at which batch norm still sees several values."""
    side = (
        8
        if architecture.family.startswith("cifar")
        else max(family_of(architecture).smallest_side(architecture), 33)
    )
    return at_image(architecture, (side, side))


@pytest.mark.parametrize("name", variants())
def test_parameters_and_buffers_are_those_of_the_walk(name: str) -> None:
    architecture = resolve(name)
    with torch.device("meta"):
        model = build(architecture)
    total = count(architecture).total
    assert _parameters(model) == total.params
    statistics = sum(buffer.numel() for buffer in model.buffers() if buffer.is_floating_point())
    assert statistics == total.buffers
    for placed in count(architecture).layers():
        if placed.layer.cost.params:
            assert _parameters(model.get_submodule(placed.name)) == placed.layer.cost.params


@pytest.mark.parametrize("name", [name for name in variants() if "1202" not in name])
def test_layers_run_in_the_order_and_shapes_of_the_walk(name: str) -> None:
    architecture = replace(at_image(resolve(name), _ODD), in_channels=5, classes=7)
    assert _run_on_meta(architecture) == _walk(architecture)


@pytest.mark.parametrize("name", variants())
def test_it_runs_forward_and_backward(name: str) -> None:
    torch.manual_seed(0)
    architecture = _small(resolve(name, width=0.25, classes=5))
    dtype = torch.float64 if name in _DOUBLE else torch.float32
    model = build(architecture).to(dtype)
    logits = model(torch.randn(2, 3, *architecture.image, dtype=dtype))
    assert logits.shape == (2, 5)
    assert logits.isfinite().all()
    logits.square().mean().backward()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.isfinite().all(), path


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(
        ["resnet18-A", "resnet50-C", "plain18", "cifar-resnet8", "cifar-plain14", "vgg16"]
    ),
    sixteenths=st.integers(1, 40),
    classes=st.integers(1, 50),
    in_channels=st.integers(1, 9),
    extra=st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_any_width_classes_and_image_agree_with_the_walk(
    name: str, sixteenths: int, classes: int, in_channels: int, extra: tuple[int, int]
) -> None:
    architecture = resolve(name, width=sixteenths / 16, classes=classes, in_channels=in_channels)
    smallest = family_of(architecture).smallest_side(architecture)
    architecture = at_image(architecture, (smallest + extra[0], smallest + extra[1]))
    assert _run_on_meta(architecture) == _walk(architecture)


@pytest.mark.parametrize("depth", [18, 34])
def test_a_plain_network_has_the_parameters_of_option_a(depth: int) -> None:
    with torch.device("meta"):
        plain = build(resolve(f"plain{depth}"))
        residual = build(resolve(f"resnet{depth}-A"))
    assert {key: value.shape for key, value in plain.state_dict().items()} == {
        key: value.shape for key, value in residual.state_dict().items()
    }
