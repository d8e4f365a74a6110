"""The distinct convolutions of a network: what an accelerator team feeds its simulator."""

from __future__ import annotations

from dataclasses import dataclass

from resprof.records.cost import Kind, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class UniqueConv:
    """A convolution or fully connected shape and how often a network uses it, for one image.

    ``kernel``, ``stride``, ``padding`` and ``dilation`` are (height, width); they and ``groups``
    are None for a fully connected layer. ``first_layer`` is the module path of its first use and
    ``first_stage`` the stage of that. ``macs`` and ``params`` are those of all its uses.
    """

    kind: Kind
    input: Shape
    output: Shape
    kernel: tuple[int, int] | None
    stride: tuple[int, int] | None
    padding: tuple[int, int] | None
    dilation: tuple[int, int] | None
    groups: int | None
    bias: bool
    multiplicity: int
    macs_each: int
    macs: int
    params_each: int
    params: int
    first_layer: str
    first_stage: str
