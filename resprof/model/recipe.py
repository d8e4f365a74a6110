"""What is run: a network and a recipe make a workload, the key to predictions and measurements.

A recipe never says on which device. Options that mean nothing in a mode are None there, so two
recipes that run the same are equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self, TypeVar

from resprof.errors import UsageError


class Phase(StrEnum):
    """When it happens."""

    SETUP = "setup"
    FORWARD = "forward"
    BACKWARD = "backward"
    OPTIMIZER = "optimizer"


MOST_BATCH = 1_000_000_000
MOST_ACCUMULATED = 256


class Mode(StrEnum):
    """One forward pass without autograd, or a training step: forward, backward, optimiser."""

    INFER = "infer"
    TRAIN = "train"


class Arithmetic(StrEnum):
    """What a device's units multiply, as its peaks are named; sums are in fp32."""

    dtype: str
    since: int
    """The major compute capability from which a GPU has it; before, torch does something else."""

    FP32 = "fp32", "float32"
    TF32 = "tf32", "float32", 8
    FP16 = "fp16", "float16"
    BF16 = "bf16", "bfloat16", 8

    def __new__(cls, value: str, dtype: str, since: int = 0) -> Self:
        """A row: the name, torch's type of what is multiplied, and since when."""
        member = str.__new__(cls, value)
        member._value_, member.dtype, member.since = value, dtype, since
        return member

    @property
    def fp32_precision(self) -> str:
        """What torch calls the way in which it multiplies fp32, a switch of CUDA's libraries."""
        return "tf32" if self is Arithmetic.TF32 else "ieee"


class Precision(StrEnum):
    """All that tells one precision from another, a row for each; the types are torch's, by name.

    ``fp32`` means that TF32 is off; the amp forms are torch.autocast over fp32 weights.
    """

    arithmetic: Arithmetic
    """What convolutions and fully connected layers compute in."""
    stored: str
    """The type of the parameters."""
    remark: str
    """What help says of it, if anything."""
    published: str
    """What published results call it."""

    FP32 = "fp32", Arithmetic.FP32, "float32", "has TF32 off"
    TF32 = "tf32", Arithmetic.TF32, "float32"
    FP16 = "fp16", Arithmetic.FP16, "float16"
    BF16 = "bf16", Arithmetic.BF16, "bfloat16"
    AMP_FP16 = "amp-fp16", Arithmetic.FP16, "float32", "", "amp"
    AMP_BF16 = "amp-bf16", Arithmetic.BF16, "float32", "", "amp_bf16"

    def __new__(
        cls,
        value: str,
        arithmetic: Arithmetic = Arithmetic.FP32,
        stored: str = "float32",
        remark: str = "",
        published: str | None = None,
    ) -> Self:
        """A row: the name, and the attributes in the order above."""
        member = str.__new__(cls, value)
        member._value_, member.arithmetic, member.stored = value, arithmetic, stored
        member.remark, member.published = remark, published or value
        return member

    @property
    def maps(self) -> str:
        """The type of the maps between layers, and of weights where they are used."""
        return self.arithmetic.dtype

    @property
    def maps_bytes(self) -> int:
        """Bytes of an element of a map, and of a weight in use."""
        return _bytes(self.maps)

    @property
    def stored_bytes(self) -> int:
        """Bytes of a stored parameter."""
        return _bytes(self.stored)

    @property
    def autocast(self) -> str | None:
        """The type that torch.autocast computes in; None where there is no autocast."""
        return self.maps if self.maps != self.stored else None

    @property
    def whole(self) -> str | None:
        """The type that the whole network is cast to; None where it stays in fp32."""
        return self.stored if self.stored != "float32" else None

    @property
    def scaled(self) -> bool:
        """Whether a training step scales its loss: fp16 would lose small gradients."""
        return self.autocast == "float16"

    @property
    def only_cuda(self) -> bool:
        """Whether it is nothing but a switch of CUDA's libraries."""
        return self.arithmetic.fp32_precision != "ieee"

    @property
    def in_memory(self) -> Precision:
        """The first that stores the same: TF32 is a way to multiply, not a type that is stored."""
        return next(
            each for each in Precision if (each.maps, each.stored) == (self.maps, self.stored)
        )


def _bytes(dtype: str) -> int:
    """Of a type whose name ends in its bits: ``float32``, ``bfloat16``."""
    return int(dtype.removeprefix("b").removeprefix("float")) // 8


class MemoryFormat(StrEnum):
    """NCHW or NHWC."""

    CONTIGUOUS = "contiguous"
    CHANNELS_LAST = "channels-last"


class Optimizer(StrEnum):
    """``sgd-momentum`` is the paper's: momentum 0.9, weight decay 1e-4 (Sec. 3.4)."""

    SGD = "sgd"
    SGD_MOMENTUM = "sgd-momentum"
    ADAM = "adam"
    ADAMW = "adamw"


class OptimizerImpl(StrEnum):
    """How torch runs the optimiser's update."""

    FOREACH = "foreach"
    FUSED = "fused"
    FOR_LOOP = "for-loop"


class Checkpoint(StrEnum):
    """What is computed again in backward instead of kept."""

    NONE = "none"
    BLOCK = "block"


class Engine(StrEnum):
    """How the forward pass is launched."""

    EAGER = "eager"
    GRAPH = "graph"
    COMPILE = "compile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is run. ``batch`` is per forward pass, ``accumulate`` multiplies it."""

    mode: Mode
    batch: int
    image: tuple[int, int]
    precision: Precision = Precision.FP32
    memory_format: MemoryFormat = MemoryFormat.CONTIGUOUS
    optimizer: Optimizer | None = None
    optimizer_impl: OptimizerImpl | None = None
    accumulate: int | None = None
    checkpoint: Checkpoint | None = None
    engine: Engine = Engine.EAGER
    cudnn_benchmark: bool = False


Chosen = TypeVar("Chosen", Optimizer, OptimizerImpl, Checkpoint, int)


def recipe_of(
    *,
    mode: Mode,
    batch: int,
    image: tuple[int, int],
    precision: Precision = Precision.FP32,
    memory_format: MemoryFormat = MemoryFormat.CONTIGUOUS,
    optimizer: Optimizer | None = None,
    optimizer_impl: OptimizerImpl | None = None,
    accumulate: int | None = None,
    checkpoint: Checkpoint | None = None,
    engine: Engine = Engine.EAGER,
    cudnn_benchmark: bool = False,
) -> Recipe:
    """The recipe that was asked for; in training what is None there is the paper's or PyTorch's.

    Raises ``UsageError`` for an option that means nothing in inference.
    """
    return Recipe(
        mode=mode,
        batch=batch,
        image=image,
        precision=precision,
        memory_format=memory_format,
        optimizer=_in_training(mode, "optimizer", optimizer, Optimizer.SGD_MOMENTUM),
        optimizer_impl=_in_training(mode, "optimizer-impl", optimizer_impl, OptimizerImpl.FOREACH),
        accumulate=_in_training(mode, "accumulate", accumulate, 1),
        checkpoint=_in_training(mode, "checkpoint", checkpoint, Checkpoint.NONE),
        engine=engine,
        cudnn_benchmark=cudnn_benchmark,
    )


def _in_training(mode: Mode, option: str, chosen: Chosen | None, default: Chosen) -> Chosen | None:
    if mode is Mode.TRAIN:
        return default if chosen is None else chosen
    if chosen is not None:
        raise UsageError(
            f"--{option} means nothing in inference",
            hint=f"leave it out, or add --mode {Mode.TRAIN}",
        )
    return None


def infer(*, batch: int, image: tuple[int, int]) -> Recipe:
    """A forward pass with everything else at its default."""
    return recipe_of(mode=Mode.INFER, batch=batch, image=image)


def train(*, batch: int, image: tuple[int, int]) -> Recipe:
    """The paper's training step with everything else at its default."""
    return recipe_of(mode=Mode.TRAIN, batch=batch, image=image)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A network by its canonical id and parameters, and the recipe it is run by."""

    model: str
    classes: int
    in_channels: int
    width: float
    recipe: Recipe

    @property
    def text(self) -> str:
        """What a user types for this workload, complete, in a fixed order."""
        recipe = self.recipe
        parts = [
            self.model,
            f"--mode {recipe.mode}",
            f"--batch {recipe.batch}",
            f"--image {recipe.image[0]}x{recipe.image[1]}",
            f"--classes {self.classes}",
            f"--in-channels {self.in_channels}",
            f"--width {repr(self.width).removesuffix('.0')}",
            f"--precision {recipe.precision}",
            f"--memory-format {recipe.memory_format}",
        ]
        if recipe.mode is Mode.TRAIN:
            parts += [
                f"--optimizer {recipe.optimizer}",
                f"--optimizer-impl {recipe.optimizer_impl}",
                f"--accumulate {recipe.accumulate}",
                f"--checkpoint {recipe.checkpoint}",
            ]
        parts += [
            f"--engine {recipe.engine}",
            "--cudnn-benchmark" if recipe.cudnn_benchmark else "--no-cudnn-benchmark",
        ]
        return " ".join(parts)


class OfWorkload:
    """A record that has a workload's fields among its own."""

    __slots__ = ()
    model: str
    classes: int
    in_channels: int
    width: float
    recipe: Recipe

    @property
    def workload(self) -> Workload:
        """What was run, as one record."""
        return Workload(
            model=self.model,
            classes=self.classes,
            in_channels=self.in_channels,
            width=self.width,
            recipe=self.recipe,
        )
