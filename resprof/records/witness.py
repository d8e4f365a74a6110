"""What another tool counts on a module, in our unit, to be held against the formula walk."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleMacs:
    """Multiply-adds that run in one module itself, in forward; ``module`` is its path."""

    module: str
    macs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessCount:
    """A network as one tool counts it, for one image: convolutions and fully connected layers.

    Biases are not counted, and ``modules`` leaves out those without multiply-adds. The totals are
    the tool's own, not our sum of its rows. Backward is that of a training step, in which all
    weights need a gradient and the image needs none; None for a tool that only watches forward.
    """

    witness: str
    version: str
    modules: tuple[ModuleMacs, ...]
    forward_macs: int
    backward_macs: int | None
