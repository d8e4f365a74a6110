"""The operators of a call by hand: what each moves, in which precision, how often."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest

from resprof.counting.cost import Kind, count
from resprof.counting.operators import operators
from resprof.counting.traffic import Moved, Op, Operator
from resprof.model.architecture import OPTIMIZER
from resprof.model.networks import resolve
from resprof.model.recipe import Phase, Precision, Recipe, infer, train

BATCH = 2
FP32 = 4
NAMES = (
    "resnet18",
    "resnet34-A",
    "resnet50",
    "resnet50-v1.5-C",
    "plain18",
    "resnext50_32x4d",
    "cifar-resnet8",
    "vgg16",
)


def _moved(operator: Operator) -> tuple[Moved, ...]:
    return (*operator.work.reads, *operator.work.writes)


def _bytes(found: Iterable[Operator]) -> int:
    return sum(moved.bytes * each.times for each in found for moved in _moved(each))


def _of(
    name: str, recipe: Recipe, layer: str, phase: Phase = Phase.FORWARD
) -> tuple[Operator, ...]:
    found = operators(count(resolve(name)), recipe)
    return tuple(each for each in found if (each.layer, each.phase) == (layer, phase))


def _sizes(operator: Operator) -> tuple[list[int], list[int]]:
    work = operator.work
    return [moved.bytes for moved in work.reads], [moved.bytes for moved in work.writes]


SIDE = (224, 224)
STEP = train(batch=BATCH, image=SIDE)


@pytest.mark.parametrize("precision", [Precision.FP16, Precision.BF16])
def test_a_network_of_two_bytes_moves_half_of_one_of_four(precision: Precision) -> None:
    recipe = infer(batch=BATCH, image=SIDE)
    cost = count(resolve("resnet50"))
    half = operators(cost, replace(recipe, precision=precision))
    assert 2 * _bytes(half) == _bytes(operators(cost, recipe))
    tf32 = operators(cost, replace(recipe, precision=Precision.TF32))
    assert _bytes(tf32) == _bytes(operators(cost, recipe))


def test_autocast_keeps_parameters_in_four_bytes_and_casts_what_convolutions_read() -> None:
    recipe = replace(STEP, precision=Precision.AMP_BF16)
    weight, image, out = 64 * 3 * 7 * 7, 3 * 224 * 224, 64 * 112 * 112
    images, weights, conv = _of("resnet50", recipe, "conv1")
    assert _sizes(images) == ([4 * BATCH * image], [2 * BATCH * image])
    assert _sizes(weights) == ([4 * weight], [2 * weight])
    assert _sizes(conv) == ([2 * BATCH * image, 2 * weight], [2 * BATCH * out])
    (norm,) = _of("resnet50", recipe, "bn1")
    scale_and_shift, running, batch = [4 * 64, 4 * 64], 4 * 2 * 64, 4 * 2 * 64
    maps = 2 * BATCH * out
    assert _sizes(norm) == ([maps, *scale_and_shift, running], [maps, running, batch])
    gradient, back = _of("resnet50", recipe, "conv1", Phase.BACKWARD)
    assert _sizes(gradient) == ([2 * BATCH * out, 2 * BATCH * image], [2 * weight])
    assert _sizes(back) == ([2 * weight], [4 * weight])


def test_a_convolutions_gradients_are_a_pass_each() -> None:
    """The 3x3 of conv3_2 in ResNet-50: 128 maps of 28x28 to as many."""
    maps, weight = FP32 * BATCH * 128 * 28 * 28, FP32 * 128 * 128 * 9
    of_input, of_weight = _of("resnet50", STEP, "layer2.1.conv2", Phase.BACKWARD)
    assert [each.work.op for each in (of_input, of_weight)] == [Op.INPUT_GRAD, Op.WEIGHT_GRAD]
    assert _sizes(of_input) == ([maps, weight], [maps])
    assert _sizes(of_weight) == ([maps, maps], [weight])
    macs = BATCH * 128 * 28 * 28 * 128 * 9
    assert of_input.work.flops == of_weight.work.flops == 2 * macs


def test_pools_and_loss_by_hand() -> None:
    (pool,) = _of("resnet50", STEP, "maxpool")
    (back,) = _of("resnet50", STEP, "maxpool", Phase.BACKWARD)
    large, small_map = FP32 * BATCH * 64 * 112 * 112, FP32 * BATCH * 64 * 56 * 56
    positions = BATCH * 64 * 56 * 56
    assert _sizes(pool) == ([large], [small_map, positions])
    assert _sizes(back) == ([small_map, positions], [large])
    (average,) = _of("resnet50", STEP, "avgpool")
    (spread,) = _of("resnet50", STEP, "avgpool", Phase.BACKWARD)
    last, vector = FP32 * BATCH * 2048 * 7 * 7, FP32 * BATCH * 2048
    assert _sizes(average) == ([last], [vector])
    assert _sizes(spread) == ([vector], [last])
    logits, labels = FP32 * BATCH * 1000, 8 * BATCH
    (loss,) = _of("resnet50", STEP, "", Phase.FORWARD)
    (of_loss,) = _of("resnet50", STEP, "", Phase.BACKWARD)
    assert _sizes(loss) == ([logits, labels], [FP32])
    assert _sizes(of_loss) == ([logits, labels], [logits])


def test_option_a_looks_at_every_other_pixel_and_gives_zeros_back_between() -> None:
    recipe = train(batch=BATCH, image=(32, 32))
    (forward,) = _of("cifar-resnet8", recipe, "layer2.0.shortcut")
    (backward,) = _of("cifar-resnet8", recipe, "layer2.0.shortcut", Phase.BACKWARD)
    pixels, out, whole = (FP32 * BATCH * each for each in (16 * 256, 32 * 256, 16 * 1024))
    assert _sizes(forward) == ([pixels], [out])
    assert _sizes(backward) == ([pixels], [whole])


def test_the_gradient_scaler_looks_at_every_gradient_first() -> None:
    recipe = replace(STEP, precision=Precision.AMP_FP16)
    cost = count(resolve("resnet18"))
    unscale, update = (each for each in operators(cost, recipe) if each.stage == OPTIMIZER)
    assert unscale.work.op is Op.UNSCALE
    assert _bytes([unscale]) == 4 * cost.total.params
    assert _bytes([update]) == 5 * 4 * cost.total.params


def test_passes_of_an_accumulated_step_are_counted_each_and_their_gradients_added() -> None:
    cost = count(resolve("resnet18"))
    once = operators(cost, STEP)
    thrice = operators(cost, replace(STEP, accumulate=3))
    update = _bytes(each for each in once if each.stage == OPTIMIZER)
    added = 2 * 3 * FP32 * cost.total.params  # twice: two gradients read, their sum written
    assert _bytes(thrice) == 3 * (_bytes(once) - update) + update + added
    flops = [sum(each.work.flops * each.times for each in found) for found in (once, thrice)]
    assert flops[1] == 3 * flops[0]
    assert flops[0] == 2 * BATCH * (cost.total.macs + cost.total.backward_macs)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_learnt_and_every_gradient_read_once(name: str) -> None:
    """What is written as a gradient of a parameter is what the update reads."""
    architecture = resolve(name)
    found = operators(count(architecture), train(batch=1, image=architecture.image))
    (update,) = (each for each in found if each.stage == OPTIMIZER)
    made = Counter(
        moved.tensor
        for each in found
        for moved in each.work.writes
        if each.phase is Phase.BACKWARD and not moved.of_images
    )
    read = {moved.tensor for moved in update.work.reads if moved.tensor.startswith("gradient")}
    assert set(made) == read
    assert set(made.values()) == {1}


@pytest.mark.parametrize("name", NAMES)
def test_every_map_is_made_before_it_is_taken(name: str) -> None:
    architecture = resolve(name)
    for recipe in (infer, train):
        for precision in (Precision.FP32, Precision.AMP_FP16):
            chosen = replace(recipe(batch=1, image=architecture.image), precision=precision)
            known = {"image", "labels"}
            sizes: dict[str, int] = {}
            for operator in operators(count(architecture), chosen):
                for moved in operator.work.reads:
                    assert not moved.of_images or moved.tensor in known
                    assert moved.bytes <= sizes.get(moved.tensor, math.inf)
                for moved in operator.work.writes:
                    known.add(moved.tensor)
                    sizes[moved.tensor] = moved.bytes


def test_every_kind_of_layer_has_its_operator() -> None:
    assert {kind.value for kind in Kind} <= {op.value for op in Op}
