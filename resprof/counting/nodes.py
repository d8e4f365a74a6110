"""A layer among its tensors: what is moved of each, by name, in the bytes of a precision."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from resprof.records.cost import Kind, Layer
from resprof.records.recipe import Mode, Precision, Recipe
from resprof.records.traffic import Moved

IMAGE = "image"
IMAGE_IN_USE = "image in use"
"""The batch, and its copy in the precision of autocast."""
_STATISTIC_BYTES = 4
"""A batch's means and deviations are kept in fp32 whatever the precision."""
_POSITION_BYTES = 1
"""Where in its window a maximum was, one of 9 places at most; torch writes 8 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """A batch and the bytes of an element: of maps, and of parameters as they are stored.

    ``used`` are those of a weight as a convolution reads it: autocast makes a copy of two bytes
    of a weight of four, of the image likewise, and casts the weights' gradients back.
    """

    batch: int
    training: bool
    maps: int
    stored: int
    used: int

    @property
    def casts(self) -> bool:
        """Whether weights are stored in one size and used in another."""
        return self.stored != self.used


_ELEMENTS = {
    Precision.FP32: (4, 4, 4),
    Precision.TF32: (4, 4, 4),
    Precision.FP16: (2, 2, 2),
    Precision.BF16: (2, 2, 2),
    Precision.AMP_FP16: (2, 4, 2),
    Precision.AMP_BF16: (2, 4, 2),
}
"""Bytes of maps, of stored parameters, of weights in use."""


def sizes_of(recipe: Recipe) -> Sizes:
    """The sizes of a recipe: autocast leaves parameters, batch norm's among them, in fp32."""
    maps, stored, used = _ELEMENTS[recipe.precision]
    return Sizes(
        batch=recipe.batch,
        training=recipe.mode is Mode.TRAIN,
        maps=maps,
        stored=stored,
        used=used,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A layer with the names of the maps that it takes (two for an addition) and of its output."""

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    output: str
    sizes: Sizes

    @property
    def given(self) -> Moved:
        """What of the input is needed."""
        return self._map(self.inputs[0], touched(self.layer))

    @property
    def result(self) -> Moved:
        """The output."""
        return self._map(self.output, math.prod(self.layer.output))

    def like_input(self, tensor: str) -> Moved:
        """A map of the input's whole shape, such as its gradient."""
        return self._map(tensor, math.prod(self.layer.input))

    def like_given(self, tensor: str) -> Moved:
        """A map of as many elements as are needed of the input."""
        return self._map(tensor, touched(self.layer))

    def like_output(self, tensor: str) -> Moved:
        """A map of the output's shape, such as its gradient."""
        return self._map(tensor, math.prod(self.layer.output))

    @property
    def stored(self) -> tuple[Moved, ...]:
        """The parameters: weight, and bias where the layer has one."""
        return self._parameters(self.sizes.stored)

    @property
    def in_use(self) -> tuple[Moved, ...]:
        """The parameters as the operator reads them."""
        if not self.sizes.casts:
            return self.stored
        used = self._parameters(self.sizes.used)
        return tuple(replace(each, tensor=f"{each.tensor} in use") for each in used)

    @property
    def gradients(self) -> tuple[Moved, ...]:
        """The gradients of what is stored, as the optimiser reads them."""
        return tuple(replace(each, tensor=gradient(each.tensor)) for each in self.stored)

    @property
    def running(self) -> Moved:
        """Batch norm's running mean and variance."""
        return self._per_channel("running", 2 * self.sizes.stored)

    @property
    def scale(self) -> Moved:
        """Batch norm's weight."""
        return self._per_channel("weight", self.sizes.stored)

    @property
    def statistics(self) -> Moved:
        """A batch's mean and deviation, kept for backward."""
        return self._per_channel("batch", 2 * _STATISTIC_BYTES)

    @property
    def positions(self) -> Moved:
        """Where the maxima were, kept for backward."""
        elements = self.sizes.batch * math.prod(self.layer.output)
        name = f"{self.name}.positions"
        return Moved(tensor=name, bytes=elements * _POSITION_BYTES, of_images=True)

    def _map(self, tensor: str, elements: int) -> Moved:
        size = self.sizes
        return Moved(tensor=tensor, bytes=size.batch * elements * size.maps, of_images=True)

    def _per_channel(self, tensor: str, size: int) -> Moved:
        return Moved(tensor=f"{self.name}.{tensor}", bytes=self.layer.output[0] * size)

    def _parameters(self, size: int) -> tuple[Moved, ...]:
        layer = self.layer
        second = layer.output[0] if layer.bias or layer.kind is Kind.BN else 0
        weight = Moved(tensor=f"{self.name}.weight", bytes=(layer.cost.params - second) * size)
        if not second:
            return (weight,)
        return weight, Moved(tensor=f"{self.name}.bias", bytes=second * size)


def gradient(tensor: str) -> str:
    """The name of a tensor's gradient."""
    return f"gradient of {tensor}"


def touched(layer: Layer) -> int:
    """Elements of an image's input that some window covers: a 1x1 of stride 2 needs a quarter."""
    channels, *sides = layer.input
    if layer.stride is None:
        return math.prod(layer.input)
    kernel, padding = layer.kernel or (1, 1), layer.padding or (0, 0)
    return channels * math.prod(
        map(_covered, sides, layer.output[1:], kernel, layer.stride, padding)
    )


def _covered(side: int, windows: int, kernel: int, stride: int, padding: int) -> int:
    if stride > kernel:  # 1x1, which nobody pads: windows with gaps between them
        return windows * kernel
    return min(side, (windows - 1) * stride + kernel - padding)
