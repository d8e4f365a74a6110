"""Residual and plain networks, ImageNet and CIFAR: He et al. 2015, Table 1, Fig. 3 and Sec. 4.2.

Names of layers are the module paths of torchvision's networks, so a row of the walk, a key of a
state_dict and a module that a profiler reports can be held against each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from resprof.counting import cost as op
from resprof.counting.cost import PROJECTION, BlockCost, Layer, Shape
from resprof.errors import UsageError, printable
from resprof.model.architecture import Architecture, Shortcut, Stage, Stem, StrideIn
from resprof.model.networks import Family, Member, Paths

BASIC = "basic"
BOTTLENECK = "bottleneck"
"""What a stage repeats."""
IMAGENET_STEM = Stem(channels=64, kernel=7, stride=2, pool=True)
_CIFAR_STEM = Stem(channels=16, kernel=3, stride=1, pool=False)
_FILTERS = (64, 128, 256, 512)
_CIFAR_FILTERS = (16, 32, 64)
_CIFAR_LISTED = (20, 32, 44, 56, 110, 1202)
"""The depths that the paper trains."""
CIFAR_MOST_LAYERS = 9_998
"""Deeper CIFAR nets are refused: the paper's deepest has 1202 layers."""
_CIFAR_NAME = re.compile(r"cifar-(?P<kind>resnet|plain)(?P<depth>[0-9]{1,9})")
IMAGENET_BLOCKS = {
    18: (BASIC, (2, 2, 2, 2)),
    34: (BASIC, (3, 4, 6, 3)),
    50: (BOTTLENECK, (3, 4, 6, 3)),
    101: (BOTTLENECK, (3, 4, 23, 3)),
    152: (BOTTLENECK, (3, 8, 36, 3)),
}


def imagenet_stages(depth: int, inner_factor: int = 1) -> tuple[Stage, ...]:
    """The stages of Table 1, the 3x3 of a block ``inner_factor`` times as wide."""
    block, blocks = IMAGENET_BLOCKS[depth]
    return _stages(block, blocks, _FILTERS, inner_factor)


def _stages(
    block: str, blocks: tuple[int, ...], filters: tuple[int, ...], inner_factor: int = 1
) -> tuple[Stage, ...]:
    return tuple(
        Stage(
            name=f"conv{index}_x",
            blocks=count,
            inner=inner_factor * channels,
            outer=_BLOCKS[block].expansion * channels,
            stride=1 if index == 2 else 2,
        )
        for index, (count, channels) in enumerate(zip(blocks, filters, strict=True), start=2)
    )


def _resnet(depth: int) -> Member:
    block, _ = IMAGENET_BLOCKS[depth]
    return Member(
        name=f"resnet{depth}",
        family="resnet",
        label=f"ResNet-{depth}",
        depth=depth,
        block=block,
        stem=IMAGENET_STEM,
        stages=imagenet_stages(depth),
        shortcut=Shortcut.B,
        stride_in=_BLOCKS[block].stride_in,
    )


def _plain(depth: int) -> Member:
    return replace(
        _resnet(depth),
        name=f"plain{depth}",
        family="plain",
        label=f"plain-{depth}",
        shortcut=None,
        stride_in=None,
    )


def _cifar(depth: int, *, residual: bool) -> Member:
    """A CIFAR net of ``depth`` = 6n+2 weighted layers (Sec. 4.2)."""
    kind = "resnet" if residual else "plain"
    blocks = ((depth - 2) // 6,) * len(_CIFAR_FILTERS)
    return Member(
        name=f"cifar-{kind}{depth}",
        family=f"cifar-{kind}",
        label=f"CIFAR {'ResNet' if residual else 'plain'}-{depth}",
        depth=depth,
        block=BASIC,
        stem=_CIFAR_STEM,
        stages=_stages(BASIC, blocks, _CIFAR_FILTERS),
        shortcut=Shortcut.A if residual else None,
        side=32,
        classes=10,
    )


def _unlisted(base: str, typed: str) -> Member | None:
    """A CIFAR net of any depth; ``UsageError`` for a depth that none has."""
    match = _CIFAR_NAME.fullmatch(base)
    if match is None:
        return None
    depth = int(match["depth"])
    if depth % 6 != 2 or not 8 <= depth <= CIFAR_MOST_LAYERS:
        below = min(max(depth - (depth - 2) % 6, 8), CIFAR_MOST_LAYERS)
        above = min(below + 6, CIFAR_MOST_LAYERS)
        near = f"{below}" if below in {above, depth} else f"{below} or {above}"
        raise UsageError(
            f"no CIFAR network of {depth} layers: {printable(typed)}",
            hint=f"depths are 6n+2 from 8 to {CIFAR_MOST_LAYERS}; try {near}",
        )
    return _cifar(depth, residual=match["kind"] == "resnet")


def _table(architecture: Architecture) -> Iterator[tuple[str, str]]:
    stem = _stem(architecture)
    stride = f", stride {stem.stride}" if stem.stride > 1 else ""
    yield "conv1", f"{stem.kernel}x{stem.kernel}, {stem.channels}{stride}"
    for index, stage in enumerate(architecture.stages):
        pool = "3x3 max pool, stride 2; " if index == 0 and stem.pool else ""
        block = _BLOCKS[architecture.block].text(architecture, stage)
        yield stage.name, f"{pool}[{block}] x {stage.blocks}"
    yield "fc", f"average pool, {architecture.classes}-d fc"


def _stem(architecture: Architecture) -> Stem:
    assert architecture.stem is not None, f"{architecture.id} has no stem"
    return architecture.stem


def _walk(architecture: Architecture) -> Iterator[BlockCost]:
    stem = _stem(architecture)
    x: Shape = (architecture.in_channels, *architecture.image)
    conv1 = op.conv(
        "conv1",
        x,
        stem.channels,
        kernel=stem.kernel,
        stride=stem.stride,
        needs_input_grad=False,  # nobody asks for the gradient of the image
    )
    x = conv1.output
    yield op.block("conv1", "conv1", "", (conv1, op.batch_norm("bn1", x), op.relu("relu", x)))
    if stem.pool:
        pool = op.max_pool("maxpool", x, kernel=3, stride=2, padding=1)
        x = pool.output
        yield op.block("conv2_x", "maxpool", "", (pool,))
    for index, stage in enumerate(architecture.stages, start=1):
        first = _block_layers(architecture, stage, x, stage.stride)
        x = first[-1].output
        # All blocks but a stage's first have the same shapes, so they are computed once.
        rest = _block_layers(architecture, stage, x, 1) if stage.blocks > 1 else first
        rest_block = op.block(stage.name, "", "", rest)
        for number in range(stage.blocks):
            name = f"{stage.name.removesuffix('x')}{number + 1}"
            prefix = f"layer{index}.{number}."
            if number == 0:
                yield op.block(stage.name, name, prefix, first)
            else:
                yield BlockCost(
                    stage=stage.name,
                    name=name,
                    prefix=prefix,
                    layers=rest,
                    output=rest_block.output,
                    cost=rest_block.cost,
                )
    pooled = op.average_pool("avgpool", x, architecture.pooled)
    yield op.block("fc", "fc", "", (pooled, op.linear("fc", pooled.output, architecture.classes)))


def _block_layers(
    architecture: Architecture, stage: Stage, x: Shape, stride: int
) -> tuple[Layer, ...]:
    main = _BLOCKS[architecture.block].layers(architecture, stage, x, stride)
    last = main[-1].output
    shortcut = architecture.shortcut
    if shortcut is None:
        return (*main, op.relu("relu", last))
    changes = stride != 1 or x[0] != stage.outer
    side: tuple[Layer, ...] = ()
    if shortcut is Shortcut.C or (shortcut is Shortcut.B and changes):
        projection = op.conv(f"{PROJECTION}.0", x, stage.outer, kernel=1, stride=stride)
        side = (projection, op.batch_norm(f"{PROJECTION}.1", projection.output))
    elif changes:
        side = (op.pad_shortcut("shortcut", x, stage.outer, stride),)
    return (*main, *side, op.add("add", last), op.relu("relu", last))


def _basic(
    architecture: Architecture,  # noqa: ARG001 # as for a bottleneck
    stage: Stage,
    x: Shape,
    stride: int,
) -> tuple[Layer, ...]:
    """Two 3x3 convolutions (Fig. 5, left)."""
    conv1 = op.conv("conv1", x, stage.inner, kernel=3, stride=stride)
    conv2 = op.conv("conv2", conv1.output, stage.outer, kernel=3)
    return (
        conv1,
        op.batch_norm("bn1", conv1.output),
        op.relu("relu1", conv1.output),
        conv2,
        op.batch_norm("bn2", conv2.output),
    )


def _bottleneck(
    architecture: Architecture, stage: Stage, x: Shape, stride: int
) -> tuple[Layer, ...]:
    """1x1, 3x3, 1x1 (Fig. 5, right); v1 strides in the first, v1.5 in the second."""
    v1 = architecture.stride_in is StrideIn.FIRST_1X1
    conv1 = op.conv("conv1", x, stage.inner, kernel=1, stride=stride if v1 else 1)
    conv2 = op.conv(
        "conv2",
        conv1.output,
        stage.inner,
        kernel=3,
        stride=1 if v1 else stride,
        groups=architecture.groups,
    )
    conv3 = op.conv("conv3", conv2.output, stage.outer, kernel=1)
    return (
        conv1,
        op.batch_norm("bn1", conv1.output),
        op.relu("relu1", conv1.output),
        conv2,
        op.batch_norm("bn2", conv2.output),
        op.relu("relu2", conv2.output),
        conv3,
        op.batch_norm("bn3", conv3.output),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A kind of block: how much wider its output is than its 3x3, its layers before the addition.

    ``stride_in`` is where the published networks downsample, None where there is no choice, and
    ``text`` its notation in Table 1.
    """

    expansion: int
    stride_in: StrideIn | None
    layers: Callable[[Architecture, Stage, Shape, int], tuple[Layer, ...]]
    text: Callable[[Architecture, Stage], str]


_BLOCKS = {
    BASIC: _Kind(
        expansion=1,
        stride_in=None,
        layers=_basic,
        text=lambda _, stage: f"3x3, {stage.inner}; 3x3, {stage.outer}",
    ),
    BOTTLENECK: _Kind(
        expansion=4,
        stride_in=StrideIn.FIRST_1X1,
        layers=_bottleneck,
        text=lambda architecture, stage: (
            f"1x1, {stage.inner}; 3x3, {stage.inner}"
            + (f" in {architecture.groups} groups" if architecture.groups > 1 else "")
            + f"; 1x1, {stage.outer}"
        ),
    ),
}


def _stage_paths(architecture: Architecture) -> tuple[tuple[str, Paths], ...]:
    pooled = _stem(architecture).pool
    stages = []
    for index, stage in enumerate(architecture.stages, start=1):
        layer = f"layer{index}"
        stages.append((stage.name, ("maxpool", layer) if pooled and index == 1 else (layer,)))
    return (("conv1", ("conv1", "bn1", "relu")), *stages, ("fc", ("avgpool", "fc")))


def _block_paths(architecture: Architecture) -> tuple[Paths, ...]:
    return tuple(
        (f"layer{index}.{block}",)
        for index, stage in enumerate(architecture.stages, start=1)
        for block in range(stage.blocks)
    )


def _smallest_side(architecture: Architecture) -> int:
    """Padded convolutions and pools round sizes up."""
    return int(2 ** (architecture.halvings - 1)) + 1


FAMILY = Family(
    members=(
        *(_resnet(depth) for depth in IMAGENET_BLOCKS),
        *(_plain(depth) for depth in (18, 34)),
        *(_cifar(depth, residual=True) for depth in _CIFAR_LISTED),
        *(_cifar(depth, residual=False) for depth in _CIFAR_LISTED),
    ),
    unlisted=_unlisted,
    table=_table,
    walk=_walk,
    module="resprof.networks.resnet:ResNet",
    stages=_stage_paths,
    blocks=_block_paths,
    smallest_side=_smallest_side,
)
