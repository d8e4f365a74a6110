"""From an architecture to a module with fresh weights."""

from __future__ import annotations

from importlib import import_module

from torch import Tensor, nn, no_grad

from resprof.errors import UsageError
from resprof.model.architecture import Architecture
from resprof.model.networks import family_of
from resprof.networks.resnet import BasicBlock, Bottleneck


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


def build(architecture: Architecture, *, zero_init_residual: bool = False) -> nn.Module:
    """The network with He-initialised weights, in training mode, on torch's current device.

    Under ``torch.device("meta")`` nothing is allocated. ``zero_init_residual`` starts every
    residual block as its shortcut: the last batch norm's scale is zero (Goyal et al. 2017,
    Sec. 5.1). Raises ``UsageError`` where that is asked of a network without residual blocks.
    """
    home, _, name = family_of(architecture).module.partition(":")
    model: nn.Module = getattr(import_module(home), name)(architecture)
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


def _silence_branches(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, (BasicBlock, Bottleneck)):
            nn.init.zeros_(module.last_norm().weight)
