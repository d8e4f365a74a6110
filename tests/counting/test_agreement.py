"""Three independent counts of every variant agree as integers, module by module."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from resprof.counting.cost import NetworkCost, Shape, count
from resprof.counting.witness import WitnessCount, count_with_torch
from resprof.counting.witness_fvcore import count_with_fvcore
from resprof.errors import EnvironmentMissing
from resprof.model.architecture import Architecture
from resprof.model.networks import at_image, resolve, variants
from resprof.networks.build import build

AT_DEFAULT_IMAGE = ("resnet50", "resnet50-v1.5", "vgg16", "cifar-resnet20")


def _at_small_image(name: str) -> Architecture:
    """The network at an image that is small and not square, with the registry's sides elsewhere."""
    if name in AT_DEFAULT_IMAGE:
        return resolve(name)
    side = 8 if name.startswith("cifar") else 33
    return at_image(resolve(name), (side, side + 5))


def _on_meta(architecture: Architecture) -> nn.Module:
    with torch.device("meta"):
        return build(architecture)


def _image(architecture: Architecture) -> tuple[int, int, int]:
    return (architecture.in_channels, *architecture.image)


def _forward_macs(cost: NetworkCost) -> dict[str, int]:
    return {
        placed.name: placed.layer.cost.macs for placed in cost.layers() if placed.layer.cost.macs
    }


def _modules(counted: WitnessCount) -> dict[str, int]:
    return {row.module: row.macs for row in counted.modules}


def _ungrouped_excess(cost: NetworkCost) -> int:
    """What a counter adds that takes a grouped convolution's weight gradient for a dense one."""
    return sum(
        (placed.layer.groups - 1) * placed.layer.cost.weight_grad_macs
        for placed in cost.layers()
        if placed.layer.groups is not None
    )


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if "1202" in name else ()) for name in variants()],
)
def test_the_formula_fvcore_and_torch_agree(name: str) -> None:
    architecture = _at_small_image(name)
    cost = count(architecture)
    model = _on_meta(architecture)
    by_torch = count_with_torch(model, _image(architecture))
    by_fvcore = count_with_fvcore(model, _image(architecture))
    for counted in (by_torch, by_fvcore):
        assert _modules(counted) == _forward_macs(cost)
        assert counted.forward_macs == cost.total.macs
    assert by_fvcore.backward_macs is None
    # The first convolution has no input gradient; grouped convolutions are torch's known fault.
    assert by_torch.backward_macs == cost.total.backward_macs + _ungrouped_excess(cost)


def test_only_resnext_is_affected_by_the_fault_in_backward() -> None:
    affected = {name for name in variants() if _ungrouped_excess(count(resolve(name)))}
    assert affected == {name for name in variants() if resolve(name).family == "resnext"}


def test_torch_ignores_groups_in_the_weight_gradient() -> None:
    """pytorch issue 183405; when this fails, the fault is mended and the excess can go."""
    groups, channels, side = 32, 64, 6
    conv = nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False, device="meta")
    # A dense 1x1 before it, so that the grouped convolution has an input gradient.
    first = nn.Conv2d(3, channels, 1, bias=False, device="meta")
    counted = count_with_torch(nn.Sequential(first, conv), (3, side, side))
    dense = side * side * 3 * channels
    grouped = side * side * channels * (channels // groups) * 3 * 3
    assert _modules(counted) == {"0": dense, "1": grouped}
    right = dense + 2 * grouped
    assert counted.backward_macs == right + (groups - 1) * grouped


@pytest.mark.parametrize("witness", [count_with_torch, count_with_fvcore])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_a_real_model_in_any_mode_and_precision_counts_like_one_on_meta(
    witness: Callable[[nn.Module, Shape], WitnessCount], dtype: torch.dtype
) -> None:
    architecture = resolve("cifar-resnet8", image=(8, 12), in_channels=2)
    expected = witness(_on_meta(architecture), _image(architecture))
    for training in (True, False):
        model = build(architecture).to(dtype).train(training)
        with torch.inference_mode(training):
            assert witness(model, _image(architecture)) == expected


def test_rows_lie_in_the_module_itself_and_add_up_to_the_total() -> None:
    architecture = _at_small_image("resnet18")
    for witness in (count_with_torch, count_with_fvcore):
        counted = witness(_on_meta(architecture), _image(architecture))
        assert sum(row.macs for row in counted.modules) == counted.forward_macs
        assert counted.version


def test_an_odd_number_of_flops_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FlopCounterMode, "get_flop_counts", lambda _: {"Global": {"conv": 3}})
    with pytest.raises(ArithmeticError, match="odd"):
        count_with_torch(_on_meta(resolve("cifar-resnet8")), (3, 32, 32))


def test_a_missing_fvcore_is_said_in_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fvcore.nn", None)
    with pytest.raises(EnvironmentMissing, match="fvcore") as caught:
        count_with_fvcore(_on_meta(resolve("cifar-resnet8")), (3, 32, 32))
    assert "pip install fvcore" in caught.value.hint
