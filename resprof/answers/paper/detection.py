"""Detection and localisation (Appendices A to C): what is shared, what is done per region."""

from __future__ import annotations

import json

from resprof.answers.paper.context import (
    Context,
    Evaluator,
    convolutions,
    judged,
    listing,
    mac,
    projections,
    reference,
)
from resprof.counting.cost import Kind, NetworkCost
from resprof.model.published import Claim, Finding, Verdict
from resprof.units import format_count

_COCO_TRAIN_IMAGES = 80_000
"""Appendix A: 80k images for training, 40k for validation."""
_SHARED = ("conv1", "conv2_x", "conv3_x", "conv4_x")
"""The stages of a ResNet whose maps all regions share."""


def _shared_of_resnet(claim: Claim, context: Context) -> Finding:
    cost = context.cost("resnet101-B")
    ours = sum(placed.stage in _SHARED for placed in convolutions(cost))
    projected = sum(placed.stage in _SHARED for placed in projections(cost))
    how = f"conv1 to conv4_x, without the {projected} projections of option B"
    return judged(claim, ours, how)


def _shared_of_vgg(claim: Claim, context: Context) -> Finding:
    convs = convolutions(context.cost("vgg16"))
    last = convs[-1].layer
    image = context.cost("vgg16").architecture.image
    how = f"all convolutions; the last writes maps of 1/{image[-1] // last.output[-1]} of the image"
    return judged(claim, len(convs), how)


def _shared_macs(cost: NetworkCost) -> int:
    return sum(stage.cost.macs for stage in cost.stages() if stage.stage in _SHARED)


def _head(claim: Claim, context: Context) -> Finding:
    cost = context.cost("resnet101-B")
    head = next(stage.cost.macs for stage in cost.stages() if stage.stage == "conv5_x")
    ours = int(claim.printed) * head
    return reference(
        "conv5_x of ResNet-101 on a 14x14 region, as conv4_x gives it for 224x224, is "
        f"{mac(head)}; {claim.printed} regions are {mac(ours)}, {ours / cost.total.macs:.0f} times "
        "a whole 224x224 forward pass. In v1 the same holds for 7x7 regions without the stride.",
        f"{ours / 10**9:.1f} GMAC",
    )


def _frozen_bn(_: Claim, context: Context) -> Finding:
    cost = context.cost("resnet101-B")
    norms = [placed.layer for placed in cost.layers() if placed.layer.kind is Kind.BN]
    params = sum(layer.cost.params for layer in norms)
    return reference(
        f"in ResNet-101 {len(norms)} layers with {format_count(params)} of "
        f"{format_count(cost.total.params)} parameters, and their "
        f"{format_count(cost.total.buffers)} running statistics, stay as they were pre-trained."
    )


def _coco_schedule(claim: Claim, _: Context) -> Finding:
    printed = json.loads(claim.printed)
    iterations = sum(printed["iters"])
    images = {step: printed[f"{step}_batch"] * iterations for step in ("rpn", "frcnn")}
    return reference(
        f"{format_count(iterations)} iterations: {format_count(images['rpn'])} images for "
        f"proposals ({images['rpn'] / _COCO_TRAIN_IMAGES:g} epochs of 80,000), "
        f"{format_count(images['frcnn'])} for detection "
        f"({images['frcnn'] / _COCO_TRAIN_IMAGES:g} epochs)."
    )


def _scales(claim: Claim, context: Context) -> Finding:
    sides = json.loads(claim.printed)
    macs = [_shared_macs(context.cost("resnet101-B", image=(side, side))) for side in sides]
    return reference(
        f"conv1 to conv4_x of ResNet-101 on squares of sides {listing(map(str, sides))}: "
        f"{listing(f'{value / 10**9:.1f}' for value in macs)} GMAC, together "
        f"{sum(macs) / 10**9:.0f}."
    )


def _models(_: Claim, context: Context) -> Finding:
    vgg, resnet = context.cost("vgg16"), context.cost("resnet101-B")
    convs = sum(placed.layer.cost.macs for placed in convolutions(vgg))
    shared = _shared_macs(resnet)
    return reference(
        f"what all regions share costs, at 224x224, {mac(convs)} in VGG-16 and {mac(shared)} in "
        f"ResNet-101, {100 * shared / convs:.0f}% of it."
    )


def _localisation(claim: Claim, context: Context) -> Finding:
    classes = context.cost("resnet101-B").architecture.classes
    ours = {"cls": classes, "reg": 4 * classes}
    return Finding(
        ours=f"{ours['cls']} and {ours['reg']}",
        verdict=Verdict.EXACTLY if json.loads(claim.printed) == ours else Verdict.DIFFERS,
        explanation=f"{classes} classes: a score each, and four coordinates each.",
    )


EVALUATORS: dict[str, Evaluator] = {
    "det.91": _shared_of_resnet,
    "det.13": _shared_of_vgg,
    "det.head": _head,
    "det.bn": _frozen_bn,
    "det.coco": _coco_schedule,
    "det.scales": _scales,
    "det.models": _models,
    "loc.rpn": _localisation,
}
