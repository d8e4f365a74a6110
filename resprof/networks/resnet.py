"""Residual and plain networks as modules, ImageNet and CIFAR, ResNeXt and wide ones included.

Modules are named and ordered as in torchvision, so weights can be carried from one to the other
and a module's path is the layer's name in the formula walk. Sources: He et al. 2015, Fig. 2 to 5
and Sec. 3.4; the grouped 3x3 is that of Xie et al. 2016, Fig. 3c.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as fn

from resprof.families.residual import BOTTLENECK
from resprof.model.architecture import Architecture, Shortcut, Stage, StrideIn


class ResNet(nn.Module):
    """Stem, stages and classifier; (N, C, H, W) to (N, classes)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        stem = architecture.stem
        if stem is None:
            raise ValueError(f"{architecture.id} has no stem")
        self.conv1 = _conv(architecture.in_channels, stem.channels, stem.kernel, stem.stride)
        self.bn1 = nn.BatchNorm2d(stem.channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if stem.pool else nn.Identity()
        channels = stem.channels
        self.layers = tuple(f"layer{index}" for index in range(1, len(architecture.stages) + 1))
        for layer, stage in zip(self.layers, architecture.stages, strict=True):
            self.add_module(layer, _stage(architecture, stage, channels))
            channels = stage.outer
        self.avgpool = nn.AdaptiveAvgPool2d(architecture.pooled)
        self.fc = nn.Linear(channels * architecture.pooled**2, architecture.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits for a batch of images."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for layer in self.layers:
            x = getattr(self, layer)(x)
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


class BasicBlock(nn.Module):
    """Two 3x3 convolutions; ``downsample`` is the shortcut, None in a plain network."""

    def __init__(
        self, architecture: Architecture, stage: Stage, in_channels: int, stride: int
    ) -> None:
        super().__init__()
        self.conv1 = _conv(in_channels, stage.inner, 3, stride)
        self.bn1 = nn.BatchNorm2d(stage.inner)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv(stage.inner, stage.outer, 3)
        self.bn2 = nn.BatchNorm2d(stage.outer)
        self.downsample = _shortcut(architecture, stage, in_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output map; a step per line, so that no map outlives its use."""
        out: Tensor = self.relu(self.bn1(self.conv1(x)))
        out = self.conv2(out)
        out = self.bn2(out)
        if self.downsample is not None:
            out += self.downsample(x)
        result: Tensor = self.relu(out)
        return result

    def last_norm(self) -> nn.BatchNorm2d:
        """The batch norm before the addition."""
        return self.bn2


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1; v1 strides in the first, v1.5 in the second."""

    def __init__(
        self, architecture: Architecture, stage: Stage, in_channels: int, stride: int
    ) -> None:
        super().__init__()
        first = stride if architecture.stride_in is StrideIn.FIRST_1X1 else 1
        self.conv1 = _conv(in_channels, stage.inner, 1, first)
        self.bn1 = nn.BatchNorm2d(stage.inner)
        self.conv2 = _conv(stage.inner, stage.inner, 3, stride // first, architecture.groups)
        self.bn2 = nn.BatchNorm2d(stage.inner)
        self.conv3 = _conv(stage.inner, stage.outer, 1)
        self.bn3 = nn.BatchNorm2d(stage.outer)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(architecture, stage, in_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output map; a step per line, so that no map outlives its use."""
        out: Tensor = self.relu(self.bn1(self.conv1(x)))
        out = self.conv2(out)
        out = self.relu(self.bn2(out))
        out = self.conv3(out)
        out = self.bn3(out)
        if self.downsample is not None:
            out += self.downsample(x)
        result: Tensor = self.relu(out)
        return result

    def last_norm(self) -> nn.BatchNorm2d:
        """The batch norm before the addition."""
        return self.bn3


class PadShortcut(nn.Module):
    """Option A: every ``stride``-th pixel, and zeros for the new channels; nothing to learn."""

    def __init__(self, new_channels: int, stride: int) -> None:
        super().__init__()
        self.new_channels = new_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C + new, H / stride, W / stride), sizes rounded up."""
        x = x[:, :, :: self.stride, :: self.stride]
        return fn.pad(x, (0, 0, 0, 0, 0, self.new_channels))


def _conv(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    """A convolution padded to keep sizes; the batch norm after it makes a bias superfluous."""
    return nn.Conv2d(
        in_channels,
        out_channels,
        kernel,
        stride=stride,
        padding=kernel // 2,
        groups=groups,
        bias=False,
    )


def _stage(architecture: Architecture, stage: Stage, in_channels: int) -> nn.Sequential:
    block = Bottleneck if architecture.block == BOTTLENECK else BasicBlock
    first = block(architecture, stage, in_channels, stage.stride)
    rest = (block(architecture, stage, stage.outer, 1) for _ in range(stage.blocks - 1))
    return nn.Sequential(first, *rest)


def _shortcut(
    architecture: Architecture, stage: Stage, in_channels: int, stride: int
) -> nn.Module | None:
    option = architecture.shortcut
    if option is None:
        return None
    changes = stride != 1 or in_channels != stage.outer
    if option is Shortcut.C or (option is Shortcut.B and changes):
        return nn.Sequential(
            _conv(in_channels, stage.outer, 1, stride), nn.BatchNorm2d(stage.outer)
        )
    return PadShortcut(stage.outer - in_channels, stride) if changes else nn.Identity()
