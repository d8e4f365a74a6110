"""Traces against traces at other batch sizes, counted layers, and what measures activations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from resprof.answers.bench.subject import subject
from resprof.answers.memory.traces import network_of, phase_peaks
from resprof.counting.cost import Kind, count
from resprof.errors import UsageError
from resprof.measure.memory import kept_for_backward, largest_live_sets
from resprof.measure.subject import prepare
from resprof.memory.trace import Action, Event, Role, Trace
from resprof.model.architecture import LOSS, Architecture
from resprof.model.networks import resolve
from resprof.model.recipe import (
    Checkpoint,
    MemoryFormat,
    Mode,
    Optimizer,
    OptimizerImpl,
    Phase,
    Precision,
    Recipe,
    Workload,
)
from resprof.networks.recorder import NotTraceable
from resprof.networks.step import Network
from resprof.networks.tracer import TRACED, trace, trace_alone

_FP32, _INT64 = 4, 8

TRAIN = Recipe(
    mode=Mode.TRAIN,
    batch=2,
    image=(64, 64),
    optimizer=Optimizer.SGD_MOMENTUM,
    optimizer_impl=OptimizerImpl.FOREACH,
    accumulate=1,
    checkpoint=Checkpoint.NONE,
)
INFER = Recipe(mode=Mode.INFER, batch=2, image=(64, 64))
NHWC = MemoryFormat.CHANNELS_LAST


def _traced(name: str, recipe: Recipe) -> tuple[Architecture, Trace]:
    architecture = resolve(name, image=recipe.image)
    return architecture, trace(network_of(architecture), recipe, key=name)


def _at(found: Trace, batch: int) -> list[Event]:
    return [
        replace(event, constant=event.constant + event.per_image * batch, per_image=0)
        for event in found.events
    ]


def _live(events: list[Event], until: Callable[[Event], bool] | None = None) -> Counter[Role]:
    """Live bytes by role at the end, or after the last event that ``until`` holds for."""
    last = max((i for i, e in enumerate(events) if until(e)), default=-1) if until else len(events)
    role_of: dict[int, tuple[Role, int]] = {}
    for event in events[: last + 1]:
        if event.action is Action.ALLOCATE:
            assert event.block not in role_of
            role_of[event.block] = event.role, event.constant
        elif event.action is Action.FREE:
            del role_of[event.block]
        else:
            assert event.onto is not None
            role_of[event.onto] = event.role, role_of.pop(event.block)[1]
    live: Counter[Role] = Counter()
    for role, size in role_of.values():
        live[role] += size
    return live


def _end_of_forward(event: Event) -> bool:
    return event.phase is Phase.FORWARD and event.step == 1


_RECIPES = [
    ("resnet18", TRAIN, (32, 256)),
    ("resnet50", replace(TRAIN, precision=Precision.AMP_FP16, memory_format=NHWC), (256,)),
    (
        "resnet50-v1.5-C",
        replace(
            TRAIN,
            image=(65, 97),
            checkpoint=Checkpoint.BLOCK,
            optimizer=Optimizer.ADAMW,
            optimizer_impl=OptimizerImpl.FUSED,
        ),
        (32,),
    ),
    (
        "cifar-resnet20",
        replace(
            TRAIN,
            image=(32, 32),
            precision=Precision.BF16,
            accumulate=3,
            optimizer=Optimizer.ADAM,
            optimizer_impl=OptimizerImpl.FOR_LOOP,
        ),
        (32, 256),
    ),
    (
        "vgg16",
        replace(TRAIN, precision=Precision.AMP_BF16, checkpoint=Checkpoint.BLOCK),
        (32, 256),
    ),
    ("resnext50_32x4d", replace(TRAIN, precision=Precision.FP16, memory_format=NHWC), (32,)),
    ("plain18", replace(TRAIN, optimizer=Optimizer.SGD), (32,)),
    ("resnet34", INFER, (32, 256)),
    ("vgg16", replace(INFER, precision=Precision.AMP_FP16, memory_format=NHWC), (32,)),
]


@pytest.mark.parametrize(("name", "recipe", "batches"), _RECIPES)
def test_two_small_batches_say_what_any_other_does(
    name: str, recipe: Recipe, batches: tuple[int, ...]
) -> None:
    architecture, found = _traced(name, recipe)
    assert found.batches == TRACED
    for batch in batches:
        direct = trace_alone(network_of(architecture), replace(recipe, batch=batch), key=name)
        assert direct.batches == (batch,)
        assert _at(found, batch) == list(direct.events)
        constant, per_image = found.largest_elements
        assert direct.largest_elements[0] >= constant + per_image * batch


def test_one_image_is_traced_by_itself() -> None:
    _, found = _traced("resnet18", replace(TRAIN, batch=1))
    assert found.batches == (1,)
    assert all(event.per_image == 0 for event in found.events)


def test_what_depends_on_the_batch_in_another_way_is_traced_by_itself() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x.flatten(1)
            return y + 1 if x.shape[0] == 2 else y * 2 + 1

    network = Network(build=Branching, stages=(), blocks=(), image=(1, 2, 2), classes=4)
    found = trace(network, replace(INFER, batch=5), key="")
    assert found.batches == (5,)


_STATE = {Optimizer.SGD: 0, Optimizer.SGD_MOMENTUM: 1, Optimizer.ADAM: 2, Optimizer.ADAMW: 2}


@pytest.mark.parametrize("implementation", OptimizerImpl)
@pytest.mark.parametrize("optimizer", Optimizer)
def test_a_step_leaves_what_can_be_counted(
    optimizer: Optimizer, implementation: OptimizerImpl
) -> None:
    recipe = replace(TRAIN, image=(32, 32), optimizer=optimizer, optimizer_impl=implementation)
    architecture, found = _traced("cifar-resnet20", recipe)
    total = count(architecture).total
    norms = sum(placed.layer.kind is Kind.BN for placed in count(architecture).layers())
    # Fused Adam counts its steps on the device, in one scalar per parameter tensor.
    steps = 0
    if _STATE[optimizer] == 2 and implementation is OptimizerImpl.FUSED:
        steps = _FP32 * len(list(network_of(architecture).build().parameters()))
    batch = 100
    assert _live(_at(found, batch)) == Counter(
        {
            Role.PARAMETER: _FP32 * total.params,
            Role.GRADIENT: _FP32 * total.params,
            Role.OPTIMIZER: _STATE[optimizer] * _FP32 * total.params + steps,
            Role.BUFFER: _FP32 * total.buffers + _INT64 * norms,
            Role.INPUT: batch * (_FP32 * 3 * 32 * 32 + _INT64),
        }
    )


@pytest.mark.parametrize(
    ("precision", "bytes_each", "scaler"),
    [
        (Precision.FP32, 4, 0),
        (Precision.FP16, 2, 0),
        (Precision.BF16, 2, 0),
        (Precision.AMP_FP16, 4, 2 * _FP32),
        (Precision.AMP_BF16, 4, 0),
    ],
)
@pytest.mark.parametrize("memory_format", MemoryFormat)
def test_precision_decides_on_the_size_of_what_stands(
    precision: Precision, bytes_each: int, scaler: int, memory_format: MemoryFormat
) -> None:
    recipe = replace(
        TRAIN, image=(32, 32), precision=precision, memory_format=memory_format, accumulate=2
    )
    architecture, found = _traced("cifar-resnet20-B", recipe)
    params = count(architecture).total.params
    live = _live(_at(found, 2))
    assert live[Role.PARAMETER] == live[Role.GRADIENT] == bytes_each * params
    assert live[Role.OPTIMIZER] == bytes_each * params + scaler
    assert live[Role.TEMPORARY] == live[Role.ACTIVATION] == 0


def _workload(name: str, recipe: Recipe) -> Workload:
    architecture = resolve(name)
    return Workload(
        model=name, classes=architecture.classes, in_channels=3, width=1.0, recipe=recipe
    )


@pytest.mark.parametrize("name", ["resnet18", "cifar-resnet20", "resnet50-v1.5", "plain18"])
def test_kept_for_backward_is_what_a_real_run_keeps(name: str) -> None:
    recipe = replace(TRAIN, batch=3)
    work = prepare(subject(_workload(name, recipe)), recipe, torch.device("cpu"))
    _, found = _traced(name, recipe)
    kept: Counter[str] = Counter()
    for event in _at(found, recipe.batch):
        if event.role is Role.ACTIVATION and event.phase is Phase.FORWARD and event.step == 1:
            sign = {Action.ALLOCATE: 1, Action.FREE: -1, Action.MOVE: 0}[event.action]
            kept[event.stage or LOSS] += sign * event.constant
    assert dict(kept) == kept_for_backward(work.steps, work.stages)


def test_live_sets_of_inference_are_those_of_a_real_run() -> None:
    recipe = replace(INFER, batch=3)
    work = prepare(subject(_workload("resnet50", recipe)), recipe, torch.device("cpu"))
    _, found = _traced("resnet50", recipe)
    measured = largest_live_sets(work.steps, work.stages)
    peaks = phase_peaks(found, recipe.batch)
    live = _live(_at(found, recipe.batch), until=lambda event: event.phase is Phase.SETUP)
    assert peaks[Phase.FORWARD] - live.total() == max(measured.values())
    assert not any(event.role is Role.ACTIVATION for event in found.events)


def test_checkpointed_blocks_keep_their_inputs_and_the_rest_of_the_network() -> None:
    """Of ResNet-18's eight blocks only their inputs; the stem and the classifier are kept whole."""
    batch = 2
    architecture, found = _traced("resnet18", replace(TRAIN, checkpoint=Checkpoint.BLOCK))
    cost = count(architecture)
    maps = {block.name: block.layers[-1].cost.elements for block in cost.blocks}
    stem = cost.blocks[0].layers
    inputs = [block for block in maps if block.startswith("conv") and "_" in block]
    elements = sum(layer.cost.elements for layer in stem if layer.kind in {Kind.CONV, Kind.BN})
    elements += maps["maxpool"] + sum(maps[block] for block in inputs)
    features = architecture.stages[-1].outer
    expected = batch * (_FP32 * (elements + features + architecture.classes))
    expected += batch * _INT64 * maps["maxpool"]  # where each maximum was
    expected += _FP32 * (2 * stem[0].output[0] + 1)  # statistics, the sum of the labels' weights
    # The last block's output is the average pool's input, which keeps nothing of it.
    expected -= batch * _FP32 * maps[inputs[-1]]
    assert _live(_at(found, batch), until=_end_of_forward)[Role.ACTIVATION] == expected


def test_residual_gradients_are_added_in_place() -> None:
    """An identity shortcut's gradient has one user left when the branch's arrives."""
    _, found = _traced("resnet18", TRAIN)
    moves = [event for event in found.events if event.action is Action.MOVE]
    blocks = {event.module.rpartition(".")[0] for event in moves}
    assert {event.operator for event in moves} == {"aten.add"}
    assert len(moves) == found.steps * 8
    assert {f"layer{stage}.{block}" for stage in range(1, 5) for block in range(2)} == blocks


def test_every_layer_is_told_in_forward_and_in_backward() -> None:
    architecture, found = _traced("resnet50", replace(TRAIN, checkpoint=Checkpoint.BLOCK))
    layers = {
        placed.name: placed.stage
        for placed in count(architecture).layers()
        if placed.layer.kind in {Kind.CONV, Kind.BN, Kind.LINEAR}
    }
    for phase in (Phase.SETUP, Phase.FORWARD, Phase.BACKWARD, Phase.OPTIMIZER):
        told = {event.module: event.stage for event in found.events if event.phase is phase}
        assert layers.items() <= told.items(), phase


def test_a_batch_that_batch_norm_refuses_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="refuses a batch of 1") as raised:
        _traced("resnet18", replace(TRAIN, batch=1, image=(32, 32)))
    assert raised.value.hint


def test_an_operator_that_needs_data_is_named() -> None:
    class Choosing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[x.flatten(1).sum(1).nonzero()[:, 0]].flatten(1)

    network = Network(build=Choosing, stages=(), blocks=(), image=(1, 2, 2), classes=4)
    with pytest.raises(NotTraceable, match=r"aten\.nonzero"):
        trace(network, INFER, key="")
