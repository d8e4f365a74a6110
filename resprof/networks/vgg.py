"""VGG as a module: Simonyan and Zisserman 2014, configurations D and E, without batch norm.

Modules are named and ordered as in torchvision.
"""

from __future__ import annotations

from torch import Tensor, nn

from resprof.model.architecture import Architecture

_DROPOUT = 0.5
"""The dropout ratio after each hidden fully connected layer (Simonyan and Zisserman, Sec. 3.1)."""
_LINEAR_STD = 0.01
"""The standard deviation of fully connected weights (ibid.)."""


class VGG(nn.Module):
    """Convolutions, average pool and classifier; (N, C, H, W) to (N, classes)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.features = _features(architecture)
        self.avgpool = nn.AdaptiveAvgPool2d(architecture.pooled)
        self.classifier = _classifier(architecture)
        for module in self.classifier:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=_LINEAR_STD)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits for a batch of images."""
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


def _features(architecture: Architecture) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = architecture.in_channels
    for stage in architecture.stages:
        for _ in range(stage.blocks):
            layers += [
                nn.Conv2d(channels, stage.outer, 3, padding=1),
                nn.ReLU(inplace=True),
            ]
            channels = stage.outer
        layers.append(nn.MaxPool2d(2, stride=stage.stride))
    return nn.Sequential(*layers)


def _classifier(architecture: Architecture) -> nn.Sequential:
    layers: list[nn.Module] = []
    features = architecture.stages[-1].outer * architecture.pooled**2
    for hidden in architecture.hidden:
        layers += [nn.Linear(features, hidden), nn.ReLU(inplace=True), nn.Dropout(_DROPOUT)]
        features = hidden
    return nn.Sequential(*layers, nn.Linear(features, architecture.classes))
