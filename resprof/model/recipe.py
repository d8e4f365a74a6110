"""What is run: a network and a recipe make a workload, the key to predictions and measurements.

A recipe never says on which device. Options that mean nothing in a mode are None there, so two
recipes that run the same are equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from functools import cache
from types import NoneType
from typing import Any, Self, SupportsIndex, TypedDict, TypeVar, get_args, get_type_hints

from resprof.errors import UsageError, printable
from resprof.units import check_count


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
class Option:
    """How a field of a recipe is asked for, at a command line and in Python, and told.

    ``training`` is the default of what means nothing in inference; ``most`` bounds a count.
    ``words`` is how the value is said: alone, where it says by itself what it is, or with a name. A
    switch is said where it is on. ``terse`` leaves the default out of what a user would type.
    """

    help: str
    words: str
    metavar: str | None = None
    training: Any = None
    most: int = 0
    terse: bool = False


def _option(help: str, words: str, **more: Any) -> dict[str, Option]:  # noqa: A002
    return {"option": Option(help=help, words=words, **more)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is run, each option declared once.

    ``batch`` is per forward pass, ``accumulate`` multiplies it.
    """

    mode: Mode = field(metadata=_option("inference, or a training step", "{}"))
    batch: int = field(
        metadata=_option("images per forward pass", "batch {}", metavar="N", most=MOST_BATCH)
    )
    image: tuple[int, int]
    precision: Precision = field(
        default=Precision.FP32,
        metadata=_option(
            ", ".join(f"{each} {each.remark}" for each in Precision if each.remark), "{}"
        ),
    )
    memory_format: MemoryFormat = field(
        default=MemoryFormat.CONTIGUOUS, metadata=_option("NCHW or NHWC", "{}")
    )
    optimizer: Optimizer | None = field(
        default=None,
        metadata=_option(
            "default: sgd-momentum, the paper's", "{}", training=Optimizer.SGD_MOMENTUM
        ),
    )
    optimizer_impl: OptimizerImpl | None = field(
        default=None,
        metadata=_option("default: foreach", "({})", training=OptimizerImpl.FOREACH),
    )
    accumulate: int | None = field(
        default=None,
        metadata=_option(
            "forward passes per optimiser step; default: 1",
            "accumulate {}",
            metavar="K",
            most=MOST_ACCUMULATED,
            training=1,
        ),
    )
    checkpoint: Checkpoint | None = field(
        default=None,
        metadata=_option(
            "recompute blocks in backward; default: none",
            "checkpoint {}",
            training=Checkpoint.NONE,
        ),
    )
    engine: Engine = field(default=Engine.EAGER, metadata=_option("how a step is launched", "{}"))
    cudnn_benchmark: bool = field(
        default=False,
        metadata=_option("let cuDNN benchmark its algorithms first", "cudnn.benchmark"),
    )


OPTIONS: Mapping[str, Option] = {
    each.name: each.metadata["option"] for each in fields(Recipe) if each.metadata
}
"""The options of a recipe by the fields' names; the image's size is the network's."""
DEFAULTS: Mapping[str, Any] = {each.name: each.default for each in fields(Recipe)}
"""The defaults of the fields, ``MISSING`` for what every recipe has to say."""
TRAINING = tuple(name for name, option in OPTIONS.items() if option.training is not None)
"""Those that mean nothing in inference."""


class RecipeWords(TypedDict, total=False):
    """Options of a recipe as a library is given them, for what mode and batch leave open."""

    precision: str
    memory_format: str
    optimizer: str | None
    optimizer_impl: str | None
    accumulate: SupportsIndex | None
    checkpoint: str | None


@cache
def kind_of(name: str) -> type:
    """The type of an option's values, beside None."""
    hint = get_type_hints(Recipe)[name]
    kind: type = next((each for each in get_args(hint) if each is not NoneType), hint)
    return kind


def recipe_of(*, mode: Mode, batch: int, image: tuple[int, int], **asked: Any) -> Recipe:
    """The recipe that was asked for; what is None is the paper's or PyTorch's.

    Raises ``UsageError`` for an option that means nothing in inference.
    """
    given = {name: value for name, value in asked.items() if value is not None}
    for name in TRAINING:
        if mode is Mode.TRAIN:
            given.setdefault(name, OPTIONS[name].training)
        elif name in given:
            raise UsageError(
                f"--{name.replace('_', '-')} does not apply to inference",
                hint=f"leave it out, or add --mode {Mode.TRAIN}",
            )
    return Recipe(mode=mode, batch=batch, image=image, **given)


def recipe_in_words(image: tuple[int, int], **words: Any) -> Recipe:
    """A recipe by the words of the command's options; None is the default of its mode.

    Raises ``UsageError`` for what does not exist, is out of range or means nothing in inference.
    """
    asked = {
        name: _read(name, word)
        for name, word in words.items()
        if word is not None or DEFAULTS[name] is MISSING
    }
    return recipe_of(image=image, **asked)


def _read(name: str, word: Any) -> Any:
    kind, option = kind_of(name), OPTIONS[name]
    if option.most:
        return check_count(word, name, most=option.most)
    return one_of(kind, word, name) if issubclass(kind, StrEnum) else word


Choice = TypeVar("Choice", bound=StrEnum)


def one_of(choices: type[Choice], word: str, what: str) -> Choice:
    """The choice that goes by this word; ``UsageError``, which names all, where none does."""
    try:
        return choices(word)
    except ValueError:
        raise UsageError(
            f"unknown {what} {printable(word)}", hint=f"choose from {', '.join(choices)}"
        ) from None


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
        early = ("mode", "batch")
        parts = [
            self.model,
            *_typed(recipe, early),
            f"--image {recipe.image[0]}x{recipe.image[1]}",
            f"--classes {self.classes}",
            f"--in-channels {self.in_channels}",
            f"--width {repr(self.width).removesuffix('.0')}",
            *_typed(recipe, [name for name in OPTIONS if name not in early]),
        ]
        return " ".join(parts)


def _typed(recipe: Recipe, names: Iterable[str]) -> Iterator[str]:
    """Options as a user types them."""
    for name in names:
        value, option = getattr(recipe, name), name.replace("_", "-")
        if value is None or (OPTIONS[name].terse and value == _default(name)):
            continue
        if isinstance(value, bool):
            yield f"--{option}" if value else f"--no-{option}"
        else:
            yield f"--{option} {value}"


def in_words(recipe: Recipe, names: Iterable[str], *, whole: bool) -> str:
    """Options as they are said, in one line; not ``whole``, those named are left out by default."""
    said = ""
    for name in names:
        value, option = getattr(recipe, name), OPTIONS[name]
        by_itself = option.words in {"{}", "({})"}
        if value in {None, False} or not (whole or by_itself or value != _default(name)):
            continue
        words = option.words.format(value)
        said += f" {words}" if words.startswith("(") else f", {words}"
    return said.removeprefix(", ")


def _default(name: str) -> object:
    """Of an option in the mode in which it means something."""
    training = OPTIONS[name].training
    return DEFAULTS[name] if training is None else training
