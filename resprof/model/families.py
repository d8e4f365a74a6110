"""The families of networks as data: He et al. 2015, and what they are compared with.

Sources: ImageNet nets, Table 1 and Fig. 3; CIFAR nets, Sec. 4.2; VGG, Simonyan and Zisserman 2014,
configurations D and E; the descendants, Xie et al. 2016 (ResNeXt) and Zagoruyko and Komodakis 2016
(wide), in the form that torchvision gives them.
"""

from __future__ import annotations

from dataclasses import dataclass

from resprof.model.architecture import Block, Shortcut, Stage, Stem, StrideIn

_STEM = Stem(channels=64, kernel=7, stride=2, pool=True)
_CIFAR_STEM = Stem(channels=16, kernel=3, stride=1, pool=False)
_FILTERS = (64, 128, 256, 512)
_CIFAR_FILTERS = (16, 32, 64)
_EXPANSION = 4
"""A bottleneck's output is four times as wide as its 3x3 (Table 1)."""

CIFAR_MOST_LAYERS = 9_998
"""Deeper CIFAR nets are refused: the paper's deepest has 1202 layers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A network of a family before options and parameters are applied.

    ``shortcut`` and ``stride_in`` are the family's defaults, None where the network has no such
    thing; ``fixed`` says that they cannot be chosen.
    """

    name: str
    family: str
    label: str
    depth: int
    block: Block
    stem: Stem | None
    stages: tuple[Stage, ...]
    shortcut: Shortcut | None = None
    stride_in: StrideIn | None = None
    fixed: bool = False
    groups: int = 1
    pooled: int = 1
    hidden: tuple[int, ...] = ()
    side: int = 224
    classes: int = 1000


def _residual_stages(
    block: Block, blocks: tuple[int, ...], filters: tuple[int, ...], inner_factor: int = 1
) -> tuple[Stage, ...]:
    expansion = _EXPANSION if block is Block.BOTTLENECK else 1
    return tuple(
        Stage(
            name=f"conv{index}_x",
            blocks=count,
            inner=inner_factor * channels,
            outer=expansion * channels,
            stride=1 if index == 2 else 2,
        )
        for index, (count, channels) in enumerate(zip(blocks, filters, strict=True), start=2)
    )


_IMAGENET_BLOCKS = {
    18: (Block.BASIC, (2, 2, 2, 2)),
    34: (Block.BASIC, (3, 4, 6, 3)),
    50: (Block.BOTTLENECK, (3, 4, 6, 3)),
    101: (Block.BOTTLENECK, (3, 4, 23, 3)),
    152: (Block.BOTTLENECK, (3, 8, 36, 3)),
}


def _resnet(depth: int) -> Member:
    block, blocks = _IMAGENET_BLOCKS[depth]
    return Member(
        name=f"resnet{depth}",
        family="resnet",
        label=f"ResNet-{depth}",
        depth=depth,
        block=block,
        stem=_STEM,
        stages=_residual_stages(block, blocks, _FILTERS),
        shortcut=Shortcut.B,
        stride_in=StrideIn.FIRST_1X1 if block is Block.BOTTLENECK else None,
    )


def _plain(depth: int) -> Member:
    block, blocks = _IMAGENET_BLOCKS[depth]
    return Member(
        name=f"plain{depth}",
        family="plain",
        label=f"plain-{depth}",
        depth=depth,
        block=block,
        stem=_STEM,
        stages=_residual_stages(block, blocks, _FILTERS),
    )


def cifar(depth: int, *, residual: bool) -> Member:
    """A CIFAR net of ``depth`` = 6n+2 weighted layers (Sec. 4.2)."""
    kind = "resnet" if residual else "plain"
    blocks = ((depth - 2) // 6,) * len(_CIFAR_FILTERS)
    return Member(
        name=f"cifar-{kind}{depth}",
        family=f"cifar-{kind}",
        label=f"CIFAR {'ResNet' if residual else 'plain'}-{depth}",
        depth=depth,
        block=Block.BASIC,
        stem=_CIFAR_STEM,
        stages=_residual_stages(Block.BASIC, blocks, _CIFAR_FILTERS),
        shortcut=Shortcut.A if residual else None,
        side=32,
        classes=10,
    )


def _vgg(depth: int, convs: tuple[int, ...]) -> Member:
    channels = (64, 128, 256, 512, 512)
    return Member(
        name=f"vgg{depth}",
        family="vgg",
        label=f"VGG-{depth}",
        depth=depth,
        block=Block.CONV,
        stem=None,
        stages=tuple(
            Stage(name=f"conv{index}_x", blocks=count, inner=width, outer=width, stride=2)
            for index, (count, width) in enumerate(zip(convs, channels, strict=True), start=1)
        ),
        pooled=7,
        hidden=(4096, 4096),
    )


def _descendant(
    name: str, family: str, label: str, depth: int, *, inner_factor: int, groups: int
) -> Member:
    block, blocks = _IMAGENET_BLOCKS[depth]
    return Member(
        name=name,
        family=family,
        label=label,
        depth=depth,
        block=block,
        stem=_STEM,
        stages=_residual_stages(block, blocks, _FILTERS, inner_factor),
        shortcut=Shortcut.B,
        stride_in=StrideIn.MIDDLE_3X3,
        fixed=True,
        groups=groups,
    )


CIFAR_LISTED = (20, 32, 44, 56, 110, 1202)
"""The depths that the paper trains."""

MEMBERS: dict[str, Member] = {
    member.name: member
    for member in (
        *(_resnet(depth) for depth in _IMAGENET_BLOCKS),
        *(_plain(depth) for depth in (18, 34)),
        *(cifar(depth, residual=True) for depth in CIFAR_LISTED),
        *(cifar(depth, residual=False) for depth in CIFAR_LISTED),
        _vgg(16, (2, 2, 3, 3, 3)),
        _vgg(19, (2, 2, 4, 4, 4)),
        _descendant(
            "resnext50_32x4d", "resnext", "ResNeXt-50 32x4d", 50, inner_factor=2, groups=32
        ),
        _descendant(
            "resnext101_32x8d", "resnext", "ResNeXt-101 32x8d", 101, inner_factor=4, groups=32
        ),
        _descendant(
            "resnext101_64x4d", "resnext", "ResNeXt-101 64x4d", 101, inner_factor=4, groups=64
        ),
        _descendant(
            "wide_resnet50_2", "wide-resnet", "Wide ResNet-50-2", 50, inner_factor=2, groups=1
        ),
        _descendant(
            "wide_resnet101_2", "wide-resnet", "Wide ResNet-101-2", 101, inner_factor=2, groups=1
        ),
    )
}
"""Every listed network by its name, in the order in which `resprof list` shows them."""
