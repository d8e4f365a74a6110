"""Traffic by hand and by a second count, bounds that order themselves, published results below."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest

from resprof.answers.flops.flops import Per
from resprof.answers.roofline.peaks import datasheet_peaks
from resprof.answers.roofline.roofline import Against, roofline
from resprof.counting.cost import Kind, count
from resprof.counting.operators import operators
from resprof.counting.passes import passes
from resprof.counting.traffic import Fusion, Op, Operator
from resprof.errors import UsageError
from resprof.model.architecture import OPTIMIZER
from resprof.model.devices import Device, device, devices
from resprof.model.networks import resolve
from resprof.model.published import PublishedResult, results
from resprof.model.recipe import Mode, Optimizer, Phase, Precision, Recipe, infer, train

IMAGE = (224, 224)
FP32 = 4
_H100 = "h100-sxm"


def _operators(name: str, recipe: Recipe) -> tuple[Operator, ...]:
    return operators(count(resolve(name, image=recipe.image)), recipe)


def _bytes(operator: Operator) -> int:
    work = operator.work
    return sum(moved.bytes for moved in (*work.reads, *work.writes))


def test_a_convolution_reads_its_input_and_weights_and_writes_its_output() -> None:
    """conv1 of ResNet-50, batch 2, fp32, written out."""
    first = _operators("resnet50", infer(batch=2, image=IMAGE))[0]
    image, weight, output = 2 * 3 * 224 * 224, 64 * 3 * 7 * 7, 2 * 64 * 112 * 112
    assert first.work.op is Op.CONV
    assert _bytes(first) == FP32 * (image + weight + output)
    assert first.work.flops == 2 * 2 * 118_013_952


def test_a_1x1_convolution_of_stride_2_needs_a_quarter_of_its_input() -> None:
    found = _operators("resnet50", infer(batch=1, image=IMAGE))
    conv = next(op for op in found if op.layer == "layer2.0.conv1")
    given, weight, output = 256 * 28 * 28, 256 * 128, 128 * 28 * 28
    assert _bytes(conv) == FP32 * (given + weight + output)


@pytest.mark.parametrize("name", ["resnet18", "resnet50-v1.5", "cifar-resnet20", "vgg16"])
def test_maps_written_in_inference_are_those_of_the_formula_walk(name: str) -> None:
    """A second count: every layer but a flattening writes each element of its output once."""
    architecture = resolve(name)
    recipe = infer(batch=3, image=architecture.image)
    written = sum(
        moved.bytes for op in operators(count(architecture), recipe) for moved in op.work.writes
    )
    elements = sum(math.prod(placed.layer.output) for placed in count(architecture).layers())
    assert written == FP32 * 3 * elements


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "cifar-resnet20"])
@pytest.mark.parametrize("recipe", [infer, train])
@pytest.mark.parametrize("fusion", Fusion)
def test_flops_are_those_that_are_counted_however_they_are_fused(
    name: str, recipe: object, fusion: Fusion
) -> None:
    architecture = resolve(name)
    chosen: Recipe = recipe(batch=4, image=architecture.image)  # type: ignore[operator]
    total = count(architecture).total
    macs = total.macs + (total.backward_macs if chosen.mode is Mode.TRAIN else 0)
    found = passes(operators(count(architecture), chosen), fusion)
    assert sum(each.flops for each in found) == 2 * 4 * macs


@pytest.mark.parametrize("recipe", [infer(batch=8, image=IMAGE), train(batch=8, image=IMAGE)])
def test_the_more_is_fused_the_fewer_bytes_move_and_the_less_time_it_takes(recipe: Recipe) -> None:
    against = Against(device=device(_H100))
    found, _ = roofline(resolve("resnet50"), recipe, against)
    by_fusion = {bound.fusion: bound for bound in found.bounds}
    unfused, fused, whole = (by_fusion[f] for f in (Fusion.UNFUSED, Fusion.FUSED, Fusion.WHOLE))
    assert unfused.bytes > fused.bytes > whole.bytes
    assert unfused.least_time_s > fused.least_time_s > whole.least_time_s


@pytest.mark.parametrize("per", [Per.STAGE, Per.LAYER])
@pytest.mark.parametrize("mode", Mode)
def test_rows_add_up_to_the_total(per: Per, mode: Mode) -> None:
    recipe = (infer if mode is Mode.INFER else train)(batch=16, image=IMAGE)
    found, _ = roofline(resolve("resnet50"), recipe, Against(device=device(_H100), per=per))
    assert sum(row.flops for row in found.rows) == found.total.flops
    assert sum(row.bytes for row in found.rows) == found.total.bytes
    assert sum(row.least_time_s for row in found.rows) == pytest.approx(found.total.least_time_s)
    assert sum(row.share for row in found.rows) == pytest.approx(1.0)
    for row in found.rows:
        if row.intensity is not None:
            assert row.intensity == pytest.approx(row.flops / row.bytes)


def test_no_time_is_less_than_either_peak_allows() -> None:
    peaks = datasheet_peaks(_known(_H100), Precision.BF16)
    recipe = replace(infer(batch=64, image=IMAGE), precision=Precision.BF16)
    against = Against(device=_known(_H100), per=Per.LAYER)
    found, _ = roofline(resolve("resnet50"), recipe, against)
    for row in found.rows:
        assert row.least_time_s >= row.flops / peaks.flops_per_s * (1 - 1e-12)
        assert row.least_time_s >= row.bytes / peaks.bandwidth_bytes_per_s * (1 - 1e-12)


def test_the_optimizer_moves_what_its_state_needs() -> None:
    moved: Counter[Optimizer] = Counter()
    for optimizer in Optimizer:
        recipe = replace(train(batch=2, image=IMAGE), optimizer=optimizer)
        found = _operators("resnet18", recipe)
        moved[optimizer] = sum(_bytes(op) for op in found if op.stage == OPTIMIZER)
    params = FP32 * count(resolve("resnet18")).total.params
    # Read weight and gradient, write weight; then each state is read and written.
    assert moved[Optimizer.SGD] == 3 * params
    assert moved[Optimizer.SGD_MOMENTUM] == 5 * params
    assert moved[Optimizer.ADAM] == moved[Optimizer.ADAMW] == 7 * params


def test_the_image_has_no_gradient() -> None:
    found = _operators("resnet18", train(batch=1, image=IMAGE))
    of_conv1 = [op.work.op for op in found if op.layer == "conv1" and op.phase is Phase.BACKWARD]
    assert Op.INPUT_GRAD not in of_conv1
    assert Op.WEIGHT_GRAD in of_conv1


def test_a_precision_that_a_device_lacks_is_an_error_that_names_those_it_has() -> None:
    with pytest.raises(UsageError, match="bf16") as caught:
        datasheet_peaks(_known("t4"), Precision.BF16)
    assert "fp16" in caught.value.hint
    assert "bf16" not in caught.value.hint


def _known(device_id: str) -> Device:
    found = device(device_id)
    assert found is not None
    return found


_PRECISIONS = {
    "fp32": Precision.FP32,
    "tf32": Precision.TF32,
    "fp16": Precision.FP16,
    "amp": Precision.AMP_FP16,
}


def _bounded(result: PublishedResult) -> tuple[PublishedResult, float] | None:
    """A published rate as a share of what its card allows where no map leaves the chip."""
    precision, rate = _PRECISIONS.get(result.precision), result.throughput_images_per_s
    if precision is None or result.peaks_of is None or result.batch is None or rate is None:
        return None
    recipe_of = infer if result.mode is Mode.INFER else train
    batch = max(1, result.batch // result.devices)
    recipe = replace(recipe_of(batch=batch, image=IMAGE), precision=precision)
    found, _ = roofline(resolve(result.model), recipe, Against(device=_known(result.peaks_of)))
    whole = next(bound for bound in found.bounds if bound.fusion is Fusion.WHOLE)
    most = batch / whole.least_time_s
    return result, rate / result.devices / most


def test_no_published_result_is_faster_than_its_card_allows() -> None:
    found = [each for result in results() if (each := _bounded(result)) is not None]
    assert len(found) >= 30
    assert all(0 < share < 1 for _, share in found)


def test_large_batches_reach_a_plausible_share_of_the_arithmetic_peak() -> None:
    """Most of them 10 to 75% (tensor cores and plain fp32 apart)."""
    shares: dict[bool, list[float]] = {True: [], False: []}
    for result in results():
        bounded = _bounded(result)
        if bounded is not None and (result.batch or 0) // result.devices >= 64:
            shares[result.precision == "fp32"].append(bounded[1])
    for of_kind in shares.values():
        if of_kind:
            plausible = sum(0.10 <= share <= 0.75 for share in of_kind)
            assert plausible / len(of_kind) >= 0.75


def test_every_card_has_a_roofline_in_every_precision_that_it_has() -> None:
    for card in devices():
        for precision in Precision:
            try:
                peaks = datasheet_peaks(card, precision)
            except UsageError:
                continue
            assert peaks.flops_per_s > 0
            assert 1 < peaks.flops_per_s / peaks.bandwidth_bytes_per_s < 1000


def test_layers_of_a_kind_appear_as_often_as_in_the_walk() -> None:
    found = _operators("resnet50", infer(batch=1, image=IMAGE))
    ours = Counter(op.work.op for op in found)
    theirs = Counter(placed.layer.kind for placed in count(resolve("resnet50")).layers())
    assert ours[Op.CONV] == theirs[Kind.CONV]
    assert ours[Op.BN] == theirs[Kind.BN]
    assert ours[Op.ADD] == theirs[Kind.ADD]
