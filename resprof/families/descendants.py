"""Residual networks with wider or grouped 3x3 convolutions, in the form torchvision gives them.

ResNeXt is Xie et al. 2016, wide residual networks are Zagoruyko and Komodakis 2016.
"""

from __future__ import annotations

from dataclasses import replace

from resprof.families import residual
from resprof.families.residual import IMAGENET_BLOCKS, IMAGENET_STEM, imagenet_stages
from resprof.model.architecture import Shortcut, StrideIn
from resprof.model.networks import Member


def _member(
    name: str, family: str, label: str, depth: int, *, inner_factor: int, groups: int
) -> Member:
    block, _ = IMAGENET_BLOCKS[depth]
    return Member(
        name=name,
        family=family,
        label=label,
        depth=depth,
        block=block,
        stem=IMAGENET_STEM,
        stages=imagenet_stages(depth, inner_factor),
        shortcut=Shortcut.B,
        stride_in=StrideIn.MIDDLE_3X3,
        fixed=True,
        groups=groups,
    )


FAMILY = replace(
    residual.FAMILY,
    members=(
        _member("resnext50_32x4d", "resnext", "ResNeXt-50 32x4d", 50, inner_factor=2, groups=32),
        _member("resnext101_32x8d", "resnext", "ResNeXt-101 32x8d", 101, inner_factor=4, groups=32),
        _member("resnext101_64x4d", "resnext", "ResNeXt-101 64x4d", 101, inner_factor=4, groups=64),
        _member("wide_resnet50_2", "wide-resnet", "Wide ResNet-50-2", 50, inner_factor=2, groups=1),
        _member(
            "wide_resnet101_2", "wide-resnet", "Wide ResNet-101-2", 101, inner_factor=2, groups=1
        ),
    ),
    unlisted=lambda base, typed: None,  # noqa: ARG005
)
