"""Statistics for a fresh network's batch norms, without which it must not be compared or timed."""

from __future__ import annotations

from torch import Tensor, nn, no_grad


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
