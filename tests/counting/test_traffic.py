"""What operators move, held against torch's own operators: their tensors, element by element."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as fn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from resprof.counting.cost import Layer, count
from resprof.counting.operators import operators
from resprof.counting.traffic import Moved, Op, Operator, touched
from resprof.model.architecture import OPTIMIZER, Architecture
from resprof.model.networks import at_image, resolve
from resprof.model.recipe import Mode, Optimizer, Phase, Recipe, infer, train
from resprof.networks.build import build

aten = torch.ops.aten
BATCH = 2
FP32 = 4
NAMES = (
    "resnet18",
    "resnet34-A",
    "resnet50",
    "resnet50-v1.5-C",
    "plain18",
    "resnext50_32x4d",
    "cifar-resnet8",
    "vgg16",
)
Counted = Counter[tuple[Phase, Op]]
GRADIENTS = (Op.INPUT_GRAD, Op.WEIGHT_GRAD)


@cache
def needed(
    sides: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int]
) -> int:
    """Pixels that some window covers: numbered, and the numbers in all windows counted."""
    numbers = torch.arange(1.0, sides[0] * sides[1] + 1, dtype=torch.float64).view(1, 1, *sides)
    windows = fn.unfold(numbers, kernel, padding=pad, stride=stride)
    return len(set(windows.flatten().tolist()) - {0.0})


class Moves(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Elements that torch's operators take and give, by what they do.

    torch makes both gradients of a convolution in one operator, for which we count a pass each, and
    it hands on the whole input of a convolution that does not look at all of it.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.elements: Counted = Counter()
        self.phase = Phase.FORWARD

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = func(*args, **(kwargs or {}))
        taken = [each for each in tree_leaves(args) if isinstance(each, Tensor)]
        given = [each for each in tree_leaves(results) if isinstance(each, Tensor)]
        for op, elements in _counted(func.overloadpacket, args, taken, given):
            self.elements[self.phase, op] += elements
        return results


_AS_THEY_ARE = {
    aten.mm: Op.INPUT_GRAD,
    aten.addmm: Op.LINEAR,
    aten.relu: Op.RELU,
    aten.relu_: Op.RELU,
    aten.threshold_backward: Op.RELU,
    aten.constant_pad_nd: Op.PAD,
}
_POOLS = (aten.max_pool2d_with_indices, aten.max_pool2d_with_indices_backward)


def _counted(
    base: Any, args: Any, taken: list[Tensor], given: list[Tensor]
) -> Iterator[tuple[Op, int]]:
    moved = sum(each.numel() for each in (*taken, *given))
    if base in _AS_THEY_ARE:
        yield _AS_THEY_ARE[base], moved
    elif base in {aten.add, aten.add_} and taken[0].dim() == 4:
        yield Op.ADD, moved
    elif base is aten.sum:
        yield Op.WEIGHT_GRAD, given[0].numel()  # of a bias, beside the weight's
    elif base in _POOLS:
        yield Op.MAX_POOL, taken[0].numel() + given[0].numel()
    elif base is aten.native_batch_norm:
        renewed = 2 * taken[1].numel() if args[5] else 0  # in place: torch names no result
        yield Op.BN, moved + renewed
    elif base is aten.native_batch_norm_backward:
        yield Op.BN, moved - 2 * taken[2].numel()  # the running figures are taken, not used
    elif base is aten.convolution:
        x, weight, *_ = taken
        yield Op.CONV, moved - x.numel() + _looked_at(x, weight, args[3], args[4])
    elif base is aten.convolution_backward:
        yield from _gradients(args, taken, given)


def _looked_at(x: Tensor, weight: Tensor, stride: Any, padding: Any) -> int:
    height, width = x.shape[2:]
    kernel = (weight.shape[2], weight.shape[3])
    pixels = needed((height, width), kernel, tuple(stride), tuple(padding))
    return x.shape[0] * x.shape[1] * pixels


def _gradients(args: Any, taken: list[Tensor], given: list[Tensor]) -> Iterator[tuple[Op, int]]:
    upstream, x, weight, *_ = taken
    looked_at = _looked_at(x, weight, args[4], args[5])
    of_input, *_ = args[-1]
    of_parameters = sum(each.numel() for each in given[1 if of_input else 0 :])
    if of_input:
        yield Op.INPUT_GRAD, upstream.numel() + weight.numel() + x.numel()
    yield Op.WEIGHT_GRAD, upstream.numel() + looked_at + of_parameters


def small(name: str) -> Architecture:
    """The network at an image that is small and not square."""
    return resolve(name) if name.startswith("cifar") else at_image(resolve(name), (64, 96))


def watched(architecture: Architecture, mode: Mode) -> Counted:
    """What torch moves in a call."""
    torch.manual_seed(0)
    model = build(architecture).train(mode is Mode.TRAIN)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.eval()  # not counted by us, so not run here
    images = torch.randn(BATCH, architecture.in_channels, *architecture.image)
    labels = torch.zeros(BATCH, dtype=torch.int64)
    moves = Moves()
    with moves:
        if mode is Mode.INFER:
            with torch.no_grad():
                model(images)
        else:
            loss = fn.cross_entropy(model(images), labels)
            moves.phase = Phase.BACKWARD
            loss.backward()  # type: ignore[no-untyped-call]
    return moves.elements


def ours(architecture: Architecture, recipe: Recipe) -> Counted:
    """What we count; positions of maxima are bytes and no elements."""
    found: Counted = Counter()
    for operator in operators(count(architecture), recipe):
        for moved in _moved(operator):
            if not moved.tensor.endswith(".positions"):
                found[operator.phase, operator.work.op] += moved.bytes // FP32
    return found


def _moved(operator: Operator) -> tuple[Moved, ...]:
    return (*operator.work.reads, *operator.work.writes)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", Mode)
def test_operators_move_what_torchs_take_and_give(name: str, mode: Mode) -> None:
    architecture = small(name)
    recipe = (infer if mode is Mode.INFER else train)(batch=BATCH, image=architecture.image)
    theirs, found = watched(architecture, mode), ours(architecture, recipe)
    for phase in (Phase.FORWARD, Phase.BACKWARD):
        for op in (Op.CONV, Op.LINEAR, Op.BN, Op.RELU, Op.ADD, Op.MAX_POOL):
            assert found[phase, op] == theirs[phase, op], (phase, op)
        # Which of two products of matrices is which gradient, torch does not say.
        assert sum(found[phase, op] for op in GRADIENTS) == sum(
            theirs[phase, op] for op in GRADIENTS
        )
    assert found[Phase.FORWARD, Op.PAD] == theirs[Phase.FORWARD, Op.PAD]
    assert bool(found[Phase.BACKWARD, Op.BN]) is (mode is Mode.TRAIN and name != "vgg16")


def _with_windows(name: str) -> Iterator[Layer]:
    for placed in count(at_image(resolve(name), (37, 50))).layers():
        if placed.layer.stride is not None:
            yield placed.layer


@pytest.mark.parametrize("name", ["resnet34-A", "resnet50", "resnet50-v1.5", "vgg16"])
def test_what_is_touched_of_an_input_is_what_its_windows_cover(name: str) -> None:
    strided = 0
    for layer in _with_windows(name):
        channels, height, width = layer.input
        kernel, padding = layer.kernel or (1, 1), layer.padding or (0, 0)
        assert layer.stride is not None
        covered = needed((height, width), kernel, layer.stride, padding)
        assert touched(layer) == channels * covered
        strided += covered < height * width
    assert strided


@pytest.mark.parametrize("optimizer", Optimizer)
def test_the_update_moves_each_state_that_torchs_optimizer_keeps(optimizer: Optimizer) -> None:
    from resprof.networks.step import optimizer_of

    architecture = resolve("cifar-resnet8")
    recipe = replace(train(batch=1, image=architecture.image), optimizer=optimizer)
    model = build(architecture)
    model(torch.randn(2, 3, 32, 32)).sum().backward()
    theirs = optimizer_of(model, recipe)
    theirs.step()
    kept = [each for each in tree_leaves(theirs.state_dict()["state"]) if isinstance(each, Tensor)]
    states = sum(each.numel() for each in kept if each.dim())  # step counts are scalars
    parameters = sum(each.numel() for each in model.parameters())
    (update,) = (each for each in operators(count(architecture), recipe) if each.stage == OPTIMIZER)
    reads = sum(moved.bytes for moved in update.work.reads)
    writes = sum(moved.bytes for moved in update.work.writes)
    assert reads == FP32 * (2 * parameters + states)
    assert writes == FP32 * (parameters + states)
