"""Passes by hand on named blocks of ResNet-50: what fusing takes away and what it leaves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resprof.counting.cost import count
from resprof.counting.operators import operators
from resprof.counting.passes import passes
from resprof.counting.traffic import Fusion, Op, Pass
from resprof.model.networks import resolve, variants
from resprof.model.recipe import Mode, Optimizer, Phase, Precision, Recipe, infer, train

BATCH = 2
FP32 = 4
SIDE = (224, 224)
INFER = infer(batch=BATCH, image=SIDE)
STEP = train(batch=BATCH, image=SIDE)


def _fused(name: str, recipe: Recipe, block: str) -> dict[tuple[Phase, str, tuple[Op, ...]], int]:
    """Elements of the passes of a block."""
    found = passes(operators(count(resolve(name)), recipe), Fusion.FUSED)
    return {
        (first.phase, first.layer.partition(".")[2].partition(".")[2], each.ops): each.bytes // FP32
        for each in found
        if (first := each.first).block == block
    }


def _total(found: tuple[Pass, ...]) -> int:
    return sum(each.bytes for each in found)


def test_in_inference_a_bottleneck_is_three_passes_and_the_last_reads_the_shortcut() -> None:
    """conv4_2: 1024 maps of 14x14, 256 within."""
    outer, inner = BATCH * 1024 * 14 * 14, BATCH * 256 * 14 * 14
    first, middle, last = 1024 * 256, 256 * 256 * 9, 256 * 1024
    norm = 4  # scale, shift, mean and variance of each channel
    assert _fused("resnet50", INFER, "conv4_2") == {
        (Phase.FORWARD, "conv1", (Op.CONV, Op.BN, Op.RELU)): outer + first + norm * 256 + inner,
        (Phase.FORWARD, "conv2", (Op.CONV, Op.BN, Op.RELU)): inner + middle + norm * 256 + inner,
        (Phase.FORWARD, "conv3", (Op.CONV, Op.BN, Op.ADD, Op.RELU)): inner
        + last
        + norm * 1024
        + outer  # the shortcut
        + outer,
    }


def test_in_inference_a_projection_is_a_pass_with_its_batch_norm() -> None:
    """conv4_1 of v1.5: from 512 maps of 28x28 to 1024 of 14x14."""
    given, wide, inner = BATCH * 512 * 28 * 28, BATCH * 256 * 28 * 28, BATCH * 256 * 14 * 14
    outer = BATCH * 1024 * 14 * 14
    found = _fused("resnet50-v1.5", INFER, "conv4_1")
    assert found == {
        (Phase.FORWARD, "conv1", (Op.CONV, Op.BN, Op.RELU)): given + 512 * 256 + 4 * 256 + wide,
        (Phase.FORWARD, "conv2", (Op.CONV, Op.BN, Op.RELU)): wide + 256 * 256 * 9 + 4 * 256 + inner,
        (Phase.FORWARD, "downsample.0", (Op.CONV, Op.BN)): given // 4
        + 512 * 1024
        + 4 * 1024
        + outer,
        (Phase.FORWARD, "conv3", (Op.CONV, Op.BN, Op.ADD, Op.RELU)): inner
        + 256 * 1024
        + 4 * 1024
        + 2 * outer,
    }


def test_option_a_is_read_where_it_is_added() -> None:
    """conv3_1 of a CIFAR net: 16 maps of 32x32 are added to 32 of 16x16, every other pixel."""
    found = _fused("cifar-resnet8", infer(batch=BATCH, image=(32, 32)), "conv3_1")
    maps = BATCH * 32 * 16 * 16
    last = found[Phase.FORWARD, "conv2", (Op.CONV, Op.BN, Op.PAD, Op.ADD, Op.RELU)]
    assert last == maps + 32 * 32 * 9 + 4 * 32 + BATCH * 16 * 16 * 16 + maps


def test_in_training_batch_norm_is_a_pass_with_what_follows_it() -> None:
    """conv4_2, forward: a convolution cannot take along what waits for the whole batch."""
    outer, inner = BATCH * 1024 * 14 * 14, BATCH * 256 * 14 * 14
    forward = {
        key: value
        for key, value in _fused("resnet50", STEP, "conv4_2").items()
        if key[0] is Phase.FORWARD
    }
    norm = 4 + 2 + 2  # as in inference; running figures renewed, the batch's kept
    assert forward == {
        (Phase.FORWARD, "conv1", (Op.CONV,)): outer + 1024 * 256 + inner,
        (Phase.FORWARD, "bn1", (Op.BN, Op.RELU)): 2 * inner + norm * 256,
        (Phase.FORWARD, "conv2", (Op.CONV,)): inner + 256 * 256 * 9 + inner,
        (Phase.FORWARD, "bn2", (Op.BN, Op.RELU)): 2 * inner + norm * 256,
        (Phase.FORWARD, "conv3", (Op.CONV,)): inner + 256 * 1024 + outer,
        (Phase.FORWARD, "bn3", (Op.BN, Op.ADD, Op.RELU)): 3 * outer + norm * 1024,
    }


def test_in_backward_a_relu_is_judged_by_what_batch_norm_read() -> None:
    """conv4_2, backward: its own ReLUs' results need no look, the block's needs one."""
    outer, inner = BATCH * 1024 * 14 * 14, BATCH * 256 * 14 * 14
    backward = {
        key[1:]: value
        for key, value in _fused("resnet50", STEP, "conv4_2").items()
        if key[0] is Phase.BACKWARD
    }
    norm = 3 + 2  # scale, mean and deviation; gradients of scale and shift
    grad, weight = (Op.INPUT_GRAD,), (Op.WEIGHT_GRAD,)
    assert backward == {
        # The gradient, the result and batch norm's input; its gradient and the shortcut's.
        ("relu", (Op.RELU, Op.BN)): 5 * outer + norm * 1024,
        ("conv3", grad): outer + 256 * 1024 + inner,
        ("conv3", weight): outer + inner + 256 * 1024,
        ("relu2", (Op.RELU, Op.BN)): 3 * inner + norm * 256,
        ("conv2", grad): inner + 256 * 256 * 9 + inner,
        ("conv2", weight): inner + inner + 256 * 256 * 9,
        ("relu1", (Op.RELU, Op.BN)): 3 * inner + norm * 256,
        # It adds the shortcut's gradient to what it writes.
        ("conv1", (Op.INPUT_GRAD, Op.ADD)): inner + 1024 * 256 + outer + outer,
        ("conv1", weight): inner + outer + 1024 * 256,
    }


def test_in_backward_a_projections_batch_norm_goes_with_the_addition() -> None:
    """conv4_1: all that the block's result is computed from is read, so it need not be."""
    outer = BATCH * 1024 * 14 * 14
    found = _fused("resnet50", STEP, "conv4_1")
    norms = 2 * (3 + 2) * 1024
    # The gradient and the inputs of both batch norms are read, their gradients written.
    assert found[Phase.BACKWARD, "relu", (Op.RELU, Op.BN, Op.BN)] == 5 * outer + norms
    forward = found[Phase.FORWARD, "bn3", (Op.BN, Op.BN, Op.ADD, Op.RELU)]
    assert forward == 3 * outer + 2 * (4 + 2 + 2) * 1024


def test_the_whole_network_moves_images_weights_and_results() -> None:
    total = count(resolve("resnet50")).total
    image, logits = BATCH * 3 * 224 * 224, BATCH * 1000
    (whole,) = passes(operators(count(resolve("resnet50")), INFER), Fusion.WHOLE)
    assert whole.bytes == FP32 * (total.params + total.buffers + image + logits)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_whole_step_moves_images_labels_weights_and_state(accumulate: int) -> None:
    total = count(resolve("resnet50")).total
    recipe = replace(STEP, accumulate=accumulate)
    images = accumulate * BATCH * (FP32 * 3 * 224 * 224 + 8)
    weights_and_momentum, running = 2 * 2 * total.params, 2 * total.buffers
    (whole,) = passes(operators(count(resolve("resnet50")), recipe), Fusion.WHOLE)
    losses = accumulate * FP32
    assert whole.bytes == images + losses + FP32 * (weights_and_momentum + running)


def test_fused_gradients_are_added_where_they_are_made() -> None:
    """Of every further pass the sums so far are read, and nothing else comes on top."""
    cost = count(resolve("resnet18"))
    once = _total(passes(operators(cost, STEP), Fusion.FUSED))
    twice = _total(passes(operators(cost, replace(STEP, accumulate=2)), Fusion.FUSED))
    update = 5 * FP32 * cost.total.params
    assert twice == 2 * (once - update) + update + FP32 * cost.total.params


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, Recipe]:
    """Any network with any recipe that makes a difference to what is moved."""
    name = draw(st.sampled_from(variants()))
    make = draw(st.sampled_from([infer, train]))
    recipe = replace(
        make(batch=draw(st.integers(1, 64)), image=resolve(name).image),
        precision=draw(st.sampled_from(list(Precision))),
    )
    if recipe.mode is Mode.INFER:
        return name, recipe
    optimizer, passes_ = draw(st.sampled_from(list(Optimizer))), draw(st.integers(1, 4))
    return name, replace(recipe, optimizer=optimizer, accumulate=passes_)


@settings(max_examples=60, deadline=None)
@given(calls())
def test_fusing_moves_less_and_computes_the_same(call: tuple[str, Recipe]) -> None:
    name, recipe = call
    found = operators(count(resolve(name)), recipe)
    by_fusion = [passes(found, fusion) for fusion in Fusion]
    unfused, fused, whole = map(_total, by_fusion)
    assert unfused > fused > whole > 0
    assert len({sum(each.flops for each in those) for those in by_fusion}) == 1
    one_by_one, together = map(_by_stage, by_fusion[:2])
    assert one_by_one.keys() == together.keys()
    assert all(together[stage] <= one_by_one[stage] for stage in together)


def _by_stage(found: tuple[Pass, ...]) -> Counter[tuple[Phase, str]]:
    moved: Counter[tuple[Phase, str]] = Counter()
    for each in found:
        moved[each.first.phase, each.first.stage] += each.bytes
    return moved


@pytest.mark.parametrize("name", ["resnet50", "resnet34-A", "plain18", "vgg16", "cifar-resnet20"])
def test_in_inference_there_is_a_pass_for_each_weighted_layer_and_pool(name: str) -> None:
    architecture = resolve(name)
    cost = count(architecture)
    recipe = infer(batch=1, image=architecture.image)
    found = passes(operators(cost, recipe), Fusion.FUSED)
    opens = {Op.CONV, Op.LINEAR, Op.MAX_POOL, Op.AVG_POOL}
    layers = [placed.name for placed in cost.layers() if placed.layer.kind.value in opens]
    assert [each.first.layer for each in found] == layers
    assert sum(len(each.ops) for each in found) == len(list(cost.layers()))
