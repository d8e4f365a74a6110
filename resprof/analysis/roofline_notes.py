"""The conventions of a roofline in sentences: what is one pass, and what it leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from resprof.records.answer import Note
from resprof.records.recipe import Checkpoint, Mode, Precision, Recipe
from resprof.records.traffic import Operator
from resprof.units import format_bytes, format_percent

_UNFUSED = (
    "Unfused: every operator is a pass that reads what it needs of its inputs once and writes its "
    "results once, as torch runs them eagerly."
)
_FUSED = (
    "Fused: a convolution with the batch norm, ReLU and addition behind it is one pass, which "
    "reads its input, its weights and the shortcut and writes the result."
)
_FUSED_TRAINING = (
    "Fused: batch norm with the ReLU and addition behind it is one pass, in backward too; a "
    "convolution and each of its two gradients are passes of their own, since batch norm needs "
    "figures of the whole batch first."
)
_WHOLE = (
    "Whole: no map leaves the chip; images, weights and results move once. At these rates nothing "
    "is faster, whatever is fused or cached."
)


def conventions(recipe: Recipe, *, l2_bytes: int | None, cached: float) -> Iterator[Note]:
    """What the figures for a recipe mean.

    ``cached`` is the share of the unfused bytes that belong to maps of at most ``l2_bytes``.
    """
    training = recipe.mode is Mode.TRAIN
    yield Note(
        code="convention",
        message="A pass takes at least its FLOPs over the peak rate or its bytes over the "
        "bandwidth, whichever is longer, and passes follow one another. FLOPs are 2 x MACs of "
        "convolutions and fully connected layers by the direct algorithm; Winograd's needs fewer.",
    )
    yield Note(code="unfused", message=_UNFUSED)
    yield Note(code="fused", message=_FUSED_TRAINING if training else _FUSED)
    yield Note(code="whole", message=_WHOLE)
    if training:
        again = " What a checkpointed block computes again is not counted."
        yield Note(
            code="training",
            message="A training step is forward, loss, backward and the update, which reads "
            "weights, gradients and the optimizer's state and writes weights and state once."
            + (again if recipe.checkpoint is Checkpoint.BLOCK else ""),
        )
    if recipe.precision in {Precision.AMP_FP16, Precision.AMP_BF16}:
        yield Note(
            code="autocast",
            message="Autocast keeps parameters in 4 bytes, casts weights and images to 2 in every "
            "forward pass and weight gradients back: passes of their own where nothing is fused.",
        )
    if l2_bytes is not None and cached:
        yield Note(
            code="l2",
            message=f"{format_percent(cached, 0)} of the unfused bytes belong to maps that fit "
            f"into {format_bytes(l2_bytes, 3)} of L2 cache, which may serve a part of them.",
        )


def cached_share(operators: Iterable[Operator], l2_bytes: int) -> float:
    """The part of all that operators move that belongs to maps of at most so many bytes."""
    small = everything = 0
    for operator in operators:
        for moved in (*operator.work.reads, *operator.work.writes):
            size = moved.bytes * operator.times
            everything += size
            small += size if moved.of_images and moved.bytes <= l2_bytes else 0
    return small / everything
