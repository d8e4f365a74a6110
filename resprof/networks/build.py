"""From an architecture to a module with fresh weights, and the modules of each stage."""

from __future__ import annotations

from torch import Tensor, nn, no_grad

from resprof.errors import UsageError
from resprof.model.architecture import Architecture, Block
from resprof.networks.resnet import BasicBlock, Bottleneck, ResNet
from resprof.networks.vgg import VGG


def settle_batch_norm(model: nn.Module, *batches: Tensor) -> None:
    """Sets all running means and variances to their averages over ``batches``, one pass each.

    A fresh network in eval mode has running statistics 0 and 1, which normalise nothing: the
    variance doubles with every residual block until deep networks are no longer finite. Batch norm
    alone runs in training mode, so that no dropout draws random numbers. Which mode each module
    was in and every momentum are as before afterwards, also after an error. Each batch needs more
    than one value per channel on the smallest maps, so at least two images to be safe.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    modes = [(module, module.training) for module in model.modules()]
    momenta = [norm.momentum for norm in norms]
    try:
        model.eval()
        for norm in norms:
            norm.train()
            norm.reset_running_stats()
            norm.momentum = None  # torch's word for a plain average over all passes
        with no_grad():
            for batch in batches:
                model(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, training in modes:
            module.training = training


def stage_paths(architecture: Architecture) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Each stage's name and the paths of its modules, both in order of execution.

    Every convolution, batch norm, pool and fully connected layer lies in exactly one of them. A
    stage begins where its first module is entered and ends where its last one is left. The paths
    are torchvision's too, so they hold for its networks as they do for ours.
    """
    return _vgg(architecture) if architecture.block is Block.CONV else _resnet(architecture)


def _resnet(architecture: Architecture) -> tuple[tuple[str, tuple[str, ...]], ...]:
    pooled = architecture.stem is not None and architecture.stem.pool
    stages = []
    for index, stage in enumerate(architecture.stages, start=1):
        layer = f"layer{index}"
        stages.append((stage.name, ("maxpool", layer) if pooled and index == 1 else (layer,)))
    return (("conv1", ("conv1", "bn1", "relu")), *stages, ("fc", ("avgpool", "fc")))


def _vgg(architecture: Architecture) -> tuple[tuple[str, tuple[str, ...]], ...]:
    stages = []
    first = 0
    for stage in architecture.stages:
        after = first + 2 * stage.blocks + 1  # a convolution and a ReLU per block, then the pool
        stages.append((stage.name, tuple(f"features.{index}" for index in range(first, after))))
        first = after
    return (*stages, ("fc", ("avgpool", "classifier")))


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
