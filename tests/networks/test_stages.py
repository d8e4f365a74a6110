"""The stages' modules: the walk's names and shapes, every layer in exactly one of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from resprof.counting.cost import Shape, count
from resprof.model.networks import at_image, family_of, resolve
from resprof.networks.build import build

NETWORKS = (
    "resnet18",
    "resnet50",
    "resnet50-v1.5-A",
    "plain34",
    "cifar-resnet20",
    "cifar-plain20",
    "vgg16",
    "vgg19",
    "resnext50_32x4d",
)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_layer_with_parameters_is_in_the_stage_of_the_walk(name: str) -> None:
    architecture = resolve(name)
    stages = family_of(architecture).stages(architecture)
    cost = count(architecture)
    assert [stage for stage, _ in stages] == [row.stage for row in cost.stages()]
    for placed in cost.layers():
        if placed.layer.cost.params:
            holders = [
                stage
                for stage, paths in stages
                for path in paths
                if f"{placed.name}.".startswith(f"{path}.")
            ]
            assert holders == [placed.stage], placed.name


@pytest.mark.parametrize("name", NETWORKS)
def test_stages_run_one_after_the_other_and_end_in_their_output_shape(name: str) -> None:
    architecture = at_image(resolve(name), (64, 96))
    with torch.device("meta"):
        model = build(architecture)
        x = torch.zeros(2, 3, *architecture.image)
    entered: list[nn.Module] = []
    left: list[tuple[str, Shape]] = []
    expected: list[nn.Module] = []
    for stage, paths in family_of(architecture).stages(architecture):
        modules = [model.get_submodule(path) for path in paths]
        expected.extend(modules)
        for module in modules:
            module.register_forward_pre_hook(lambda module, _: entered.append(module))

        def leave(_: nn.Module, __: tuple[Tensor], out: Tensor, stage: str = stage) -> None:
            left.append((stage, tuple(out.shape[1:])))

        modules[-1].register_forward_hook(leave)
    model(x)
    assert entered == expected
    assert left == [(row.stage, row.output) for row in count(architecture).stages()]
