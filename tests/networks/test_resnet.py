"""What tells residual networks apart: shortcuts and initialisation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from resprof.errors import UsageError
from resprof.model.architecture import Stage
from resprof.model.networks import resolve
from resprof.networks.build import build
from resprof.networks.resnet import BasicBlock, Bottleneck, PadShortcut, ResNet


def test_option_a_takes_every_second_pixel_and_adds_zero_channels() -> None:
    x = torch.randn(2, 3, 5, 7)
    out = PadShortcut(new_channels=4, stride=2)(x)
    assert out.shape == (2, 7, 3, 4)
    assert torch.equal(out[:, :3], x[:, :, ::2, ::2])
    assert not out[:, 3:].any()


@pytest.mark.parametrize("name", ["resnet34-A", "resnet50-A", "cifar-resnet20"])
def test_option_a_has_no_parameters(name: str) -> None:
    with torch.device("meta"):
        model = build(resolve(name))
    assert not [key for key in model.state_dict() if "downsample" in key]
    assert any(isinstance(module, PadShortcut) for module in model.modules())


def test_option_c_projects_in_every_block() -> None:
    with torch.device("meta"):
        model = build(resolve("resnet34-C"))
    blocks = [module for module in model.modules() if isinstance(module, BasicBlock)]
    assert len(blocks) == 3 + 4 + 6 + 3
    assert all(isinstance(block.downsample, nn.Sequential) for block in blocks)


@pytest.mark.parametrize("name", ["resnet18", "resnet50-A", "resnet50-v1.5-C", "cifar-resnet20"])
def test_zero_init_makes_every_block_its_shortcut(name: str) -> None:
    torch.manual_seed(0)
    model = build(resolve(name, width=0.25), zero_init_residual=True)
    x = torch.randn(2, 3, 33, 33)
    seen = 0

    def check(module: nn.Module, args: tuple[torch.Tensor]) -> None:
        nonlocal seen
        assert isinstance(module, (BasicBlock, Bottleneck))
        assert module.downsample is not None
        expected = module.downsample(args[0]).relu()
        # Calling the block would call this hook again; its forward does not.
        assert torch.equal(module.forward(args[0]), expected)
        seen += 1

    for module in model.modules():
        if isinstance(module, (BasicBlock, Bottleneck)):
            module.register_forward_pre_hook(check)
    with torch.no_grad():
        model(x)
    assert seen == sum(stage.blocks for stage in resolve(name).stages)


@pytest.mark.parametrize("name", ["plain18", "vgg16"])
def test_zero_init_is_refused_without_residual_blocks(name: str) -> None:
    with torch.device("meta"), pytest.raises(UsageError, match=name):
        build(resolve(name), zero_init_residual=True)


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d", "vgg16"])
def test_convolutions_are_drawn_with_the_variance_of_their_fan_out(name: str) -> None:
    torch.manual_seed(0)
    for path, module in build(resolve(name, width=0.5)).named_modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 5_000:
            std = math.sqrt(2 / (module.out_channels * math.prod(module.kernel_size)))
            assert module.weight.std().item() == pytest.approx(std, rel=0.05), path
            assert module.weight.mean().item() == pytest.approx(0, abs=0.05 * std), path


def test_an_architecture_without_a_stem_is_no_resnet() -> None:
    with pytest.raises(ValueError, match="no stem"):
        ResNet(resolve("vgg16"))


def test_a_block_where_nothing_changes_adds_its_input() -> None:
    stage = Stage(name="conv2_x", blocks=1, inner=8, outer=8, stride=1)
    block = BasicBlock(resolve("resnet18"), stage, 8, 1)
    assert isinstance(block.downsample, nn.Identity)
