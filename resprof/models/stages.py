"""Which modules run in which stage, for whoever times or watches a network stage by stage."""

from __future__ import annotations

from resprof.records.architecture import Architecture, Block


def stage_paths(architecture: Architecture) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Each stage's name and the paths of its modules, both in order of execution.

    Every convolution, batch norm, pool and fully connected layer lies in exactly one of them. A
    stage begins where its first module is entered and ends where its last one is left. The paths
    are torchvision's too, so they hold for its networks as they do for ours.
    """
    return _vgg(architecture) if architecture.block is Block.CONV else _resnet(architecture)


def _resnet(architecture: Architecture) -> tuple[tuple[str, tuple[str, ...]], ...]:
    pooled = architecture.stem is not None and architecture.stem.pool
    stages = []
    for index, stage in enumerate(architecture.stages, start=1):
        layer = f"layer{index}"
        stages.append((stage.name, ("maxpool", layer) if pooled and index == 1 else (layer,)))
    return (("conv1", ("conv1", "bn1", "relu")), *stages, ("fc", ("avgpool", "fc")))


def _vgg(architecture: Architecture) -> tuple[tuple[str, tuple[str, ...]], ...]:
    stages = []
    first = 0
    for stage in architecture.stages:
        after = first + 2 * stage.blocks + 1  # a convolution and a ReLU per block, then the pool
        stages.append((stage.name, tuple(f"features.{index}" for index in range(first, after))))
        first = after
    return (*stages, ("fc", ("avgpool", "classifier")))
