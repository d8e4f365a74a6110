"""From an architecture to a module with fresh weights."""

from __future__ import annotations

from torch import nn

from resprof.errors import UsageError
from resprof.models.resnet import BasicBlock, Bottleneck, ResNet
from resprof.models.vgg import VGG
from resprof.records.architecture import Architecture, Block

_VGG_LINEAR_STD = 0.01
"""The standard deviation of VGG's fully connected weights (Simonyan and Zisserman, Sec. 3.1)."""


def build(architecture: Architecture, *, zero_init_residual: bool = False) -> nn.Module:
    """The network with He-initialised weights, in training mode, on torch's current device.

    Under ``torch.device("meta")`` nothing is allocated. ``zero_init_residual`` starts every
    residual block as its shortcut: the last batch norm's scale is zero (Goyal et al. 2017,
    Sec. 5.1). Raises ``UsageError`` where that is asked of a network without residual blocks.
    """
    if architecture.block is Block.CONV:
        model: nn.Module = VGG(architecture)
        _initialise_linears(model)
    else:
        model = ResNet(architecture)
    _initialise_convs(model)
    if zero_init_residual:
        if architecture.shortcut is None:
            raise UsageError(
                f"{architecture.id} has no residual blocks whose last batch norm could be zero",
                hint="leave out zero-init, or choose a residual network",
            )
        _silence_branches(model)
    return model


def _initialise_convs(model: nn.Module) -> None:
    """Draws convolution weights from N(0, 2 / fan-out) (He et al., ICCV 2015, eq. 14).

    With the fan-out it is the gradients that keep their variance from layer to layer; that of the
    activations is batch norm's business, and VGG's converges from either. torchvision does so too.
    Batch norm and the residual networks' classifier keep torch's defaults, as in torchvision.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _initialise_linears(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=_VGG_LINEAR_STD)
            nn.init.zeros_(module.bias)


def _silence_branches(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, (BasicBlock, Bottleneck)):
            nn.init.zeros_(module.last_norm().weight)
