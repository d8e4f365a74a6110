"""Schedules, accuracies and detection: what nothing here proves, and what follows from it."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from resprof.answers.paper.evaluation import (
    IMAGENET_NETS,
    CountNetwork,
    Evaluator,
    convolutions,
    judge_figure,
    label,
    listing,
    mac,
    not_checkable,
    projections,
    reference,
    training_macs,
)
from resprof.counting.cost import Kind, NetworkCost
from resprof.model.published import (
    Claim,
    Finding,
    PublishedAccuracy,
    Verdict,
    accuracies,
    digits_of,
    judge,
)
from resprof.model.published import claim as published_claim
from resprof.units import format_count

_CIFAR_TRAIN_IMAGES = 50_000
_CIFAR_SPLIT_IMAGES = 45_000
"""Sec. 4.2: the schedule was found on 45,000 images for training and 5,000 for validation."""


def _settings(claim_id: str) -> Any:
    return json.loads(published_claim(claim_id).printed)


def _imagenet(claim: Claim, count: CountNetwork) -> Finding:
    printed = json.loads(claim.printed)
    images = printed["batch"] * printed["max_iter"]
    epochs = images / _settings("train.data")[0]
    nets = listing(
        f"{label(name)} {mac(images * training_macs(count(name).total))}" for name in IMAGENET_NETS
    )
    return reference(
        f"{printed['batch']} x {format_count(printed['max_iter'])} images are {epochs:g} epochs; "
        f"forward and backward over them: {nets}.",
        f"{format_count(images)} images",
    )


def _gpus(claim: Claim, _: CountNetwork) -> Finding:
    batch = _settings("train.imagenet")["batch"]
    return not_checkable(
        f"stated by the authors; a batch of {batch} leaves {batch // int(claim.printed)} images "
        "for each."
    )


def _data_sets(claim: Claim, count: CountNetwork) -> Finding:
    train, validation, test = (int(images) for images in json.loads(claim.printed))
    classes = count("resnet50-B").architecture.classes
    return not_checkable(
        f"the data set is not included; by these numbers each of {classes} classes has "
        f"{train / classes:g} images for training on average, {validation / classes:g} for "
        f"validation and {test / classes:g} for test."
    )


def _test_scales(claim: Claim, count: CountNetwork) -> Finding:
    sides = json.loads(claim.printed)
    nets = ("resnet50-B", "resnet152-B")
    costs = {name: [count(name, image=(s, s)).total.macs for s in sides] for name in nets}
    crop = {name: count(name).total.macs for name in nets}
    each = "; ".join(
        f"{label(name)} {listing(f'{macs / 10**9:.2f}' for macs in costs[name])} GMAC, together "
        f"{sum(costs[name]) / crop[name]:.1f} times its 224x224 crop"
        for name in nets
    )
    return reference(
        f"forward at sides {listing(map(str, sides))}, taking images as squares and fc as applied "
        f"once: {each}.",
    )


def _three_times(claim: Claim, count: CountNetwork) -> Finding:
    schedule = _settings("train.imagenet")
    iterations = int(claim.printed) * schedule["max_iter"]
    images = iterations * schedule["batch"]
    macs = images * training_macs(count("plain34").total)
    return reference(
        f"{format_count(iterations)} iterations, {images / _settings('train.data')[0]:g} epochs, "
        f"{mac(macs)} for plain-34; its accuracy can only be found by training."
    )


def _cifar_schedule(claim: Claim, count: CountNetwork) -> Finding:
    printed = json.loads(claim.printed)
    batch, iterations = printed["batch"], printed["iters"]
    images = batch * iterations
    drops = listing(f"{batch * drop / _CIFAR_TRAIN_IMAGES:.1f}" for drop in printed["drops"])
    macs = images * training_macs(count("cifar-resnet110").total)
    return reference(
        f"{images / _CIFAR_TRAIN_IMAGES:.1f} epochs of all 50,000 images "
        f"({images / _CIFAR_SPLIT_IMAGES:.1f} of the split's 45,000), the rate dropped after "
        f"{drops}; {batch // printed['gpus']} images on each GPU; "
        f"{mac(macs)} for CIFAR ResNet-110.",
        f"{format_count(images)} images",
    )


def _warm_up(claim: Claim, _: CountNetwork) -> Finding:
    images = int(claim.printed) * _settings("train.cifar")["batch"]
    return reference(
        f"{format_count(images)} images, {images / _CIFAR_TRAIN_IMAGES:.2f} epochs of 50,000 "
        f"({images / _CIFAR_SPLIT_IMAGES:.2f} of 45,000).",
        f"{format_count(images)} images",
    )


def _accuracy(accuracy_id: str) -> PublishedAccuracy:
    return next(accuracy for accuracy in accuracies() if accuracy.id == accuracy_id)


def _difference(larger: str, smaller: str) -> Evaluator:
    def evaluate(claim: Claim, _: CountNetwork) -> Finding:
        a, b = _accuracy(larger), _accuracy(smaller)
        gap = Fraction(a.printed) - Fraction(b.printed)
        return reference(
            f"{a.where}: {a.printed} - {b.printed} = {float(gap):g}, {_how(claim, gap)}."
        )

    return evaluate


def _relative_gain(claim: Claim, _: CountNetwork) -> Finding:
    a, b = _accuracy("coco.resnet101"), _accuracy("coco.vgg16")
    gain = 100 * (Fraction(a.printed) / Fraction(b.printed) - 1)
    return reference(
        f"{a.where}: ({a.printed} - {b.printed}) / {b.printed} = {float(gain):.2f}%, "
        f"{_how(claim, gain)}."
    )


def _how(claim: Claim, value: Fraction) -> str:
    return f"{judge(claim.printed, value)} ({digits_of(claim.printed, value)})"


def _below_ensembles(claim: Claim, _: CountNetwork) -> Finding:
    single = _accuracy("top5.resnet152")
    earlier = [accuracy for accuracy in accuracies() if accuracy.where == "Table 5"]
    best = min(earlier, key=lambda accuracy: Fraction(accuracy.printed))
    below = Fraction(claim.printed) < Fraction(best.printed)
    return reference(
        f"{single.where} prints {single.printed}, {'below' if below else 'not below'} the best "
        f"earlier ensemble of {best.where}, {best.what.rsplit(', ', 1)[1]} with {best.printed} "
        f"({listing(sorted(accuracy.printed for accuracy in earlier))}); those are test errors, "
        "this is a validation error."
    )


def _error_of_1202(_: Claim, __: CountNetwork) -> Finding:
    return reference("an error rate: reproducing it takes training, which resprof does not do.")


_COCO_TRAIN_IMAGES = 80_000
"""Appendix A: 80k images for training, 40k for validation."""
_SHARED = ("conv1", "conv2_x", "conv3_x", "conv4_x")
"""The stages of a ResNet whose maps all regions share."""


def _shared_of_resnet(claim: Claim, count: CountNetwork) -> Finding:
    cost = count("resnet101-B")
    ours = sum(placed.stage in _SHARED for placed in convolutions(cost))
    projected = sum(placed.stage in _SHARED for placed in projections(cost))
    how = f"conv1 to conv4_x, without the {projected} projections of option B"
    return judge_figure(claim, ours, how)


def _shared_of_vgg(claim: Claim, count: CountNetwork) -> Finding:
    convs = convolutions(count("vgg16"))
    last = convs[-1].layer
    image = count("vgg16").architecture.image
    how = f"all convolutions; the last writes maps of 1/{image[-1] // last.output[-1]} of the image"
    return judge_figure(claim, len(convs), how)


def _shared_macs(cost: NetworkCost) -> int:
    return sum(stage.cost.macs for stage in cost.stages() if stage.stage in _SHARED)


def _detection_head(claim: Claim, count: CountNetwork) -> Finding:
    cost = count("resnet101-B")
    head = next(stage.cost.macs for stage in cost.stages() if stage.stage == "conv5_x")
    ours = int(claim.printed) * head
    return reference(
        "conv5_x of ResNet-101 on a 14x14 region, as conv4_x gives it for 224x224, is "
        f"{mac(head)}; {claim.printed} regions are {mac(ours)}, {ours / cost.total.macs:.0f} times "
        "a whole 224x224 forward pass. In v1 the same holds for 7x7 regions without the stride.",
        f"{ours / 10**9:.1f} GMAC",
    )


def _frozen_bn(_: Claim, count: CountNetwork) -> Finding:
    cost = count("resnet101-B")
    norms = [placed.layer for placed in cost.layers() if placed.layer.kind is Kind.BN]
    params = sum(layer.cost.params for layer in norms)
    return reference(
        f"in ResNet-101 {len(norms)} layers with {format_count(params)} of "
        f"{format_count(cost.total.params)} parameters, and their "
        f"{format_count(cost.total.buffers)} running statistics, stay as they were pre-trained."
    )


def _coco_schedule(claim: Claim, _: CountNetwork) -> Finding:
    printed = json.loads(claim.printed)
    iterations = sum(printed["iters"])
    images = {step: printed[f"{step}_batch"] * iterations for step in ("rpn", "frcnn")}
    return reference(
        f"{format_count(iterations)} iterations: {format_count(images['rpn'])} images for "
        f"proposals ({images['rpn'] / _COCO_TRAIN_IMAGES:g} epochs of 80,000), "
        f"{format_count(images['frcnn'])} for detection "
        f"({images['frcnn'] / _COCO_TRAIN_IMAGES:g} epochs)."
    )


def _detection_scales(claim: Claim, count: CountNetwork) -> Finding:
    sides = json.loads(claim.printed)
    macs = [_shared_macs(count("resnet101-B", image=(side, side))) for side in sides]
    return reference(
        f"conv1 to conv4_x of ResNet-101 on squares of sides {listing(map(str, sides))}: "
        f"{listing(f'{value / 10**9:.1f}' for value in macs)} GMAC, together "
        f"{sum(macs) / 10**9:.0f}."
    )


def _detection_models(_: Claim, count: CountNetwork) -> Finding:
    vgg, resnet = count("vgg16"), count("resnet101-B")
    convs = sum(placed.layer.cost.macs for placed in convolutions(vgg))
    shared = _shared_macs(resnet)
    return reference(
        f"what all regions share costs, at 224x224, {mac(convs)} in VGG-16 and {mac(shared)} in "
        f"ResNet-101, {100 * shared / convs:.0f}% of it."
    )


def _localisation(claim: Claim, count: CountNetwork) -> Finding:
    classes = count("resnet101-B").architecture.classes
    ours = {"cls": classes, "reg": 4 * classes}
    return Finding(
        ours=f"{ours['cls']} and {ours['reg']}",
        verdict=Verdict.EXACTLY if json.loads(claim.printed) == ours else Verdict.DIFFERS,
        explanation=f"{classes} classes: a score each, and four coordinates each.",
    )


EVALUATORS: dict[str, Evaluator] = {
    "train.imagenet": _imagenet,
    "train.gpus": _gpus,
    "train.data": _data_sets,
    "train.test": _test_scales,
    "train.3x": _three_times,
    "train.cifar": _cifar_schedule,
    "train.cifar110": _warm_up,
    "acc.34_vs_18": _difference("top1.resnet18", "top1.resnet34"),
    "acc.34_vs_plain": _difference("top1.plain34", "top1.resnet34"),
    "acc.coco": _difference("coco.resnet101", "coco.vgg16"),
    "acc.coco_rel": _relative_gain,
    "acc.coco50": _difference("coco50.resnet101", "coco50.vgg16"),
    "acc.449": _below_ensembles,
    "cifar.1202": _error_of_1202,
    "det.91": _shared_of_resnet,
    "det.13": _shared_of_vgg,
    "det.head": _detection_head,
    "det.bn": _frozen_bn,
    "det.coco": _coco_schedule,
    "det.scales": _detection_scales,
    "det.models": _detection_models,
    "loc.rpn": _localisation,
}
