"""The formula walk: an architecture's blocks in order of execution, each with its layers.

Layer names are the module paths of torchvision's networks, so a row here, a key of a state_dict
and a module that a profiler reports can be held against each other.
"""

from __future__ import annotations

from collections.abc import Iterator

from resprof.counting import layers as op
from resprof.counting.cost import BlockCost, Layer, NetworkCost, Shape, add_up
from resprof.model.architecture import Architecture, Block, Shortcut, Stage, StrideIn

_PROJECTION = ("downsample.0", "downsample.1")
"""torchvision's names of a projection and its batch norm."""


def count(architecture: Architecture) -> NetworkCost:
    """Counts a network for one image of the architecture's size."""
    blocks = tuple(
        _vgg(architecture) if architecture.block is Block.CONV else _resnet(architecture)
    )
    return NetworkCost(
        architecture=architecture,
        blocks=blocks,
        total=add_up(block.cost for block in blocks),
    )


def _block(stage: str, name: str, prefix: str, layers: tuple[Layer, ...]) -> BlockCost:
    return BlockCost(
        stage=stage,
        name=name,
        prefix=prefix,
        layers=layers,
        output=layers[-1].output,
        cost=add_up(layer.cost for layer in layers),
    )


def _resnet(architecture: Architecture) -> Iterator[BlockCost]:
    """Residual and plain networks, ImageNet and CIFAR."""
    stem = architecture.stem
    assert stem is not None, "only VGG has no stem"
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
    yield _block("conv1", "conv1", "", (conv1, op.batch_norm("bn1", x), op.relu("relu", x)))
    if stem.pool:
        pool = op.max_pool("maxpool", x, kernel=3, stride=2, padding=1)
        x = pool.output
        yield _block("conv2_x", "maxpool", "", (pool,))
    for index, stage in enumerate(architecture.stages, start=1):
        first = _block_layers(architecture, stage, x, stage.stride)
        x = first[-1].output
        # All blocks but a stage's first have the same shapes, so they are computed once.
        rest = _block_layers(architecture, stage, x, 1) if stage.blocks > 1 else first
        rest_block = _block(stage.name, "", "", rest)
        for number in range(stage.blocks):
            name = f"{stage.name.removesuffix('x')}{number + 1}"
            prefix = f"layer{index}.{number}."
            if number == 0:
                yield _block(stage.name, name, prefix, first)
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
    yield _block("fc", "fc", "", (pooled, op.linear("fc", pooled.output, architecture.classes)))


def _block_layers(
    architecture: Architecture, stage: Stage, x: Shape, stride: int
) -> tuple[Layer, ...]:
    if architecture.block is Block.BOTTLENECK:
        main = _bottleneck(architecture, stage, x, stride)
    else:
        main = _basic(stage, x, stride)
    last = main[-1].output
    shortcut = architecture.shortcut
    if shortcut is None:
        return (*main, op.relu("relu", last))
    changes = stride != 1 or x[0] != stage.outer
    side: tuple[Layer, ...] = ()
    if shortcut is Shortcut.C or (shortcut is Shortcut.B and changes):
        project, normalise = _PROJECTION
        projection = op.conv(project, x, stage.outer, kernel=1, stride=stride)
        side = (projection, op.batch_norm(normalise, projection.output))
    elif changes:
        side = (op.pad_shortcut("shortcut", x, stage.outer, stride),)
    return (*main, *side, op.add("add", last), op.relu("relu", last))


def _basic(stage: Stage, x: Shape, stride: int) -> tuple[Layer, ...]:
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


def _vgg(architecture: Architecture) -> Iterator[BlockCost]:
    """VGG: biased 3x3 convolutions without batch norm, a max pool after each stage."""
    x: Shape = (architecture.in_channels, *architecture.image)
    index = 0
    for stage in architecture.stages:
        for number in range(stage.blocks):
            conv = op.conv(
                f"features.{index}",
                x,
                stage.outer,
                kernel=3,
                bias=True,
                needs_input_grad=index > 0,
            )
            x = conv.output
            parts = [conv, op.relu(f"features.{index + 1}", x)]
            index += 2
            if number == stage.blocks - 1:
                parts.append(op.max_pool(f"features.{index}", x, kernel=2, stride=2, padding=0))
                x = parts[-1].output
                index += 1
            name = f"{stage.name.removesuffix('x')}{number + 1}"
            yield _block(stage.name, name, "", tuple(parts))
    yield _block("fc", "fc", "", _vgg_classifier(architecture, x))


def _vgg_classifier(architecture: Architecture, x: Shape) -> tuple[Layer, ...]:
    layers = [op.average_pool("avgpool", x, architecture.pooled)]
    x = layers[0].output
    index = 0
    for features in architecture.hidden:
        hidden = op.linear(f"classifier.{index}", x, features)
        layers += [hidden, op.relu(f"classifier.{index + 1}", hidden.output)]
        x = hidden.output
        index += 3  # torchvision's third module here is dropout
    return (*layers, op.linear(f"classifier.{index}", x, architecture.classes))
