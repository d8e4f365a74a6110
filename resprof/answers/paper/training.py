"""Schedules: settings that nothing proves, and what follows from them by arithmetic."""

from __future__ import annotations

import json
from typing import Any

from resprof.answers.paper.context import (
    IMAGENET_NETS,
    Context,
    Evaluator,
    label,
    listing,
    mac,
    not_checkable,
    reference,
    training_macs,
)
from resprof.model.published import Claim, Finding
from resprof.model.published import claim as published_claim
from resprof.units import format_count

_CIFAR_TRAIN_IMAGES = 50_000
_CIFAR_SPLIT_IMAGES = 45_000
"""Sec. 4.2: the schedule was found on 45,000 images for training and 5,000 for validation."""


def _settings(claim_id: str) -> Any:
    return json.loads(published_claim(claim_id).printed)


def _imagenet(claim: Claim, context: Context) -> Finding:
    printed = json.loads(claim.printed)
    images = printed["batch"] * printed["max_iter"]
    epochs = images / _settings("train.data")[0]
    nets = listing(
        f"{label(name)} {mac(images * training_macs(context.cost(name).total))}"
        for name in IMAGENET_NETS
    )
    return reference(
        f"{printed['batch']} x {format_count(printed['max_iter'])} images are {epochs:g} epochs; "
        f"forward and backward over them: {nets}.",
        f"{format_count(images)} images",
    )


def _gpus(claim: Claim, _: Context) -> Finding:
    batch = _settings("train.imagenet")["batch"]
    return not_checkable(
        f"stated by the authors; a batch of {batch} leaves {batch // int(claim.printed)} images "
        "for each."
    )


def _data(claim: Claim, context: Context) -> Finding:
    train, validation, test = (int(images) for images in json.loads(claim.printed))
    classes = context.cost("resnet50-B").architecture.classes
    return not_checkable(
        f"the data set is not here; by these figures each of {classes} classes has "
        f"{train / classes:g} images for training on average, {validation / classes:g} for "
        f"validation and {test / classes:g} for test."
    )


def _test_scales(claim: Claim, context: Context) -> Finding:
    sides = json.loads(claim.printed)
    nets = ("resnet50-B", "resnet152-B")
    costs = {name: [context.cost(name, image=(s, s)).total.macs for s in sides] for name in nets}
    crop = {name: context.cost(name).total.macs for name in nets}
    each = "; ".join(
        f"{label(name)} {listing(f'{macs / 10**9:.2f}' for macs in costs[name])} GMAC, together "
        f"{sum(costs[name]) / crop[name]:.1f} times its 224x224 crop"
        for name in nets
    )
    return reference(
        f"forward at sides {listing(map(str, sides))}, taking images as squares and fc as applied "
        f"once: {each}.",
    )


def _three_times(claim: Claim, context: Context) -> Finding:
    schedule = _settings("train.imagenet")
    iterations = int(claim.printed) * schedule["max_iter"]
    images = iterations * schedule["batch"]
    macs = images * training_macs(context.cost("plain34").total)
    return reference(
        f"{format_count(iterations)} iterations, {images / _settings('train.data')[0]:g} epochs, "
        f"{mac(macs)} for plain-34; how well it then does takes training to see."
    )


def _cifar(claim: Claim, context: Context) -> Finding:
    printed = json.loads(claim.printed)
    batch, iterations = printed["batch"], printed["iters"]
    images = batch * iterations
    drops = listing(f"{batch * drop / _CIFAR_TRAIN_IMAGES:.1f}" for drop in printed["drops"])
    macs = images * training_macs(context.cost("cifar-resnet110").total)
    return reference(
        f"{images / _CIFAR_TRAIN_IMAGES:.1f} epochs of all 50,000 images "
        f"({images / _CIFAR_SPLIT_IMAGES:.1f} of the split's 45,000), the rate dropped after "
        f"{drops}; {batch // printed['gpus']} images on each GPU; "
        f"{mac(macs)} for CIFAR ResNet-110.",
        f"{format_count(images)} images",
    )


def _warm_up(claim: Claim, _: Context) -> Finding:
    images = int(claim.printed) * _settings("train.cifar")["batch"]
    return reference(
        f"{format_count(images)} images, {images / _CIFAR_TRAIN_IMAGES:.2f} epochs of 50,000 "
        f"({images / _CIFAR_SPLIT_IMAGES:.2f} of 45,000).",
        f"{format_count(images)} images",
    )


EVALUATORS: dict[str, Evaluator] = {
    "train.imagenet": _imagenet,
    "train.gpus": _gpus,
    "train.data": _data,
    "train.test": _test_scales,
    "train.3x": _three_times,
    "train.cifar": _cifar,
    "train.cifar110": _warm_up,
}
