"""The count of fvcore, which walks a traced graph; the only door to fvcore."""

from __future__ import annotations

import warnings
from importlib.metadata import version

import torch
from torch import nn

from resprof.counting.cost import Shape
from resprof.counting.witness import WitnessCount, own_macs, replica
from resprof.errors import EnvironmentMissing

WITNESS = "fvcore"

_OPERATORS = ("conv", "linear", "addmm")
"""fvcore's names of what we count; a fully connected layer is one of the latter two."""


def count_with_fvcore(model: nn.Module, image: Shape) -> WitnessCount:
    """Counts forward of one image of shape (C, H, W), computing it on the CPU as the tracer must.

    fvcore counts one per multiply-add and calls it a FLOP. The tracer fails on meta tensors
    (torch 2.13), hence zeros. Raises ``EnvironmentMissing`` where fvcore cannot be imported.
    """
    try:
        with warnings.catch_warnings():
            # Importing it calls torch.jit.script, which torch has deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            from fvcore.nn import FlopCountAnalysis
    except ImportError as error:
        raise EnvironmentMissing(
            f"fvcore cannot be imported: {error}",
            hint="pip install fvcore; all other counts do without it",
        ) from error
    twin = replica(model, "cpu")
    with torch.no_grad():
        analysis = FlopCountAnalysis(twin, (torch.zeros(1, *image, device="cpu"),))
        # What it does not know is none of the operators counted here.
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        analysis.tracer_warnings("none")
        counts = analysis.by_module_and_operator()
    inclusive = {
        path: sum(int(operators[name]) for name in _OPERATORS) for path, operators in counts.items()
    }
    return WitnessCount(
        witness=WITNESS,
        version=version("fvcore"),
        modules=own_macs(twin, inclusive),
        forward_macs=inclusive[""],
        backward_macs=None,
    )
