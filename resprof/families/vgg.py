"""VGG, what the paper compares with: Simonyan and Zisserman 2014, configurations D and E.

Names of layers are the module paths of torchvision's networks.
"""

from __future__ import annotations

from collections.abc import Iterator

from resprof.counting import cost as op
from resprof.counting.cost import BlockCost, Layer, Shape
from resprof.model.architecture import Architecture, Stage
from resprof.model.networks import Family, Member, Paths


def _member(depth: int, convs: tuple[int, ...]) -> Member:
    channels = (64, 128, 256, 512, 512)
    return Member(
        name=f"vgg{depth}",
        family="vgg",
        label=f"VGG-{depth}",
        depth=depth,
        block="conv",
        stem=None,
        stages=tuple(
            Stage(name=f"conv{index}_x", blocks=count, inner=width, outer=width, stride=2)
            for index, (count, width) in enumerate(zip(convs, channels, strict=True), start=1)
        ),
        pooled=7,
        hidden=(4096, 4096),
    )


def _table(architecture: Architecture) -> Iterator[tuple[str, str]]:
    for stage in architecture.stages:
        yield stage.name, f"[3x3, {stage.outer}] x {stage.blocks}; 2x2 max pool, stride 2"
    hidden = "".join(f"{features}-d fc, " for features in architecture.hidden)
    yield "fc", f"{hidden}{architecture.classes}-d fc"


def _walk(architecture: Architecture) -> Iterator[BlockCost]:
    """Biased 3x3 convolutions without batch norm, a max pool after each stage."""
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
            yield op.block(stage.name, name, "", tuple(parts))
    yield op.block("fc", "fc", "", _classifier(architecture, x))


def _classifier(architecture: Architecture, x: Shape) -> tuple[Layer, ...]:
    layers = [op.average_pool("avgpool", x, architecture.pooled)]
    x = layers[0].output
    index = 0
    for features in architecture.hidden:
        hidden = op.linear(f"classifier.{index}", x, features)
        layers += [hidden, op.relu(f"classifier.{index + 1}", hidden.output)]
        x = hidden.output
        index += 3  # torchvision's third module here is dropout
    return (*layers, op.linear(f"classifier.{index}", x, architecture.classes))


def _stage_paths(architecture: Architecture) -> tuple[tuple[str, Paths], ...]:
    return (*_stages_before_fc(architecture), ("fc", ("avgpool", "classifier")))


def _stages_before_fc(architecture: Architecture) -> Iterator[tuple[str, Paths]]:
    first = 0
    for stage in architecture.stages:
        after = first + 2 * stage.blocks + 1  # a convolution and a ReLU per block, then the pool
        yield stage.name, tuple(f"features.{index}" for index in range(first, after))
        first = after


def _block_paths(architecture: Architecture) -> tuple[Paths, ...]:
    """There are no residual blocks, so each stage is computed again as a whole."""
    return tuple(paths for _, paths in _stages_before_fc(architecture))


def _smallest_side(architecture: Architecture) -> int:
    """The unpadded 2x2 pools round sizes down."""
    return int(2**architecture.halvings)


FAMILY = Family(
    members=(_member(16, (2, 2, 3, 3, 3)), _member(19, (2, 2, 4, 4, 4))),
    table=_table,
    walk=_walk,
    module="resprof.networks.vgg:VGG",
    stages=_stage_paths,
    blocks=_block_paths,
    smallest_side=_smallest_side,
)
