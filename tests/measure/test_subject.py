"""A recipe becomes a step: what is run is what was asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from resprof.answers.bench.subject import subject
from resprof.errors import EnvironmentMissing
from resprof.measure.device import is_out_of_memory
from resprof.measure.subject import Work, prepare
from resprof.model.networks import resolve, workload_of
from resprof.model.recipe import (
    Checkpoint,
    Engine,
    MemoryFormat,
    Optimizer,
    OptimizerImpl,
    Precision,
    Recipe,
    infer,
    train,
)

_CPU = torch.device("cpu")
_TRAIN = train(batch=2, image=(32, 32))
_INFER = infer(batch=2, image=(32, 32))


def _work(recipe: Recipe, name: str = "cifar-resnet8") -> Work:
    return prepare(subject(workload_of(resolve(name), recipe)), recipe, _CPU)


def test_a_training_step_moves_the_weights_and_its_gradients_go_with_the_next() -> None:
    work = _work(_TRAIN)
    parameters = list(work.steps.model.parameters())
    before = [parameter.detach().clone() for parameter in parameters]
    work.call()
    assert all(parameter.grad is not None for parameter in parameters)
    assert any(not torch.equal(old, new) for old, new in zip(before, parameters, strict=True))
    work.steps.clear()
    assert all(parameter.grad is None for parameter in parameters)


def test_inference_of_a_deep_net_is_finite_after_settling() -> None:
    work = _work(replace(_INFER, batch=1), "cifar-resnet110")
    assert not work.steps.model.training
    output = work.steps.forward()
    assert output.is_inference()
    assert bool(torch.isfinite(output).all())


@pytest.mark.parametrize("recipe", [_INFER, _TRAIN])
@pytest.mark.parametrize("precision", [p for p in Precision if p is not Precision.TF32])
@pytest.mark.parametrize("layout", MemoryFormat)
def test_every_precision_and_layout_runs_and_stays_finite(
    recipe: Recipe, precision: Precision, layout: MemoryFormat
) -> None:
    work = _work(replace(recipe, precision=precision, memory_format=layout))
    work.call()
    work.call()
    assert bool(torch.isfinite(work.steps.forward()).all())


@pytest.mark.parametrize(
    ("precision", "weights", "output"),
    [
        (Precision.FP32, torch.float32, torch.float32),
        (Precision.BF16, torch.bfloat16, torch.bfloat16),
        (Precision.FP16, torch.float16, torch.float16),
        (Precision.AMP_BF16, torch.float32, torch.bfloat16),
    ],
)
def test_precision_is_that_of_weights_or_of_autocast(
    precision: Precision, weights: torch.dtype, output: torch.dtype
) -> None:
    work = _work(replace(_INFER, precision=precision))
    assert {parameter.dtype for parameter in work.steps.model.parameters()} == {weights}
    assert work.steps.forward().dtype is output
    assert work.steps.given[0].dtype is weights


def test_channels_last_holds_for_images_and_for_the_weights_of_convolutions() -> None:
    work = _work(replace(_INFER, memory_format=MemoryFormat.CHANNELS_LAST))
    weights = [p for p in work.steps.model.parameters() if p.dim() == 4]
    for tensor in (work.steps.given[0], *weights):
        assert tensor.is_contiguous(memory_format=torch.channels_last)


def _one_step(**changes: Any) -> list[torch.Tensor]:
    """The parameters after a step, in double precision's place fp32 and one batch for all."""
    work = _work(replace(_TRAIN, **changes))
    work.call()
    return [parameter.detach() for parameter in work.steps.model.parameters()]


@pytest.mark.parametrize("optimizer", Optimizer)
def test_all_implementations_of_an_optimizer_do_the_same(optimizer: Optimizer) -> None:
    results = [_one_step(optimizer=optimizer, optimizer_impl=impl) for impl in OptimizerImpl]
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=1e-4, atol=1e-6)


def test_checkpointing_changes_nothing_but_memory() -> None:
    torch.testing.assert_close(_one_step(checkpoint=Checkpoint.BLOCK), _one_step())


def test_accumulated_passes_over_one_batch_average_to_its_gradient() -> None:
    """Batch norm sees each pass by itself, so all passes over one batch are alike."""
    torch.testing.assert_close(_one_step(accumulate=3), _one_step(), rtol=1e-4, atol=1e-6)


def test_everybody_measures_the_same_weights_and_images() -> None:
    first, second = _work(_INFER), _work(_INFER)
    assert torch.equal(first.steps.given[0], second.steps.given[0])
    assert torch.equal(first.steps.forward(), second.steps.forward())
    assert float(first.steps.given[0].std()) == pytest.approx(1.0, abs=0.1)


def test_a_cuda_graph_needs_a_cuda_device() -> None:
    with pytest.raises(EnvironmentMissing, match="CUDA device"):
        _work(replace(_INFER, engine=Engine.GRAPH))


@pytest.mark.slow
def test_the_compiled_network_computes_the_same() -> None:
    compiled, eager = _work(replace(_INFER, engine=Engine.COMPILE)), _work(_INFER)
    compiled.call()
    torch.testing.assert_close(
        compiled.steps.forward(), eager.steps.forward(), rtol=1e-3, atol=1e-4
    )


def test_memory_that_ran_out_beneath_a_later_error_is_seen() -> None:
    """As when the end of a capture fails as well."""
    full = RuntimeError("the capture was invalidated")
    full.__context__ = torch.OutOfMemoryError("CUDA out of memory")
    assert is_out_of_memory(full)
    other = RuntimeError("the capture was invalidated")
    other.__context__ = ValueError("no such thing")
    assert not is_out_of_memory(other)


def test_memory_that_ran_out_and_was_dealt_with_is_not_why_another_error_came() -> None:
    full = torch.OutOfMemoryError("CUDA out of memory")
    hidden = RuntimeError("the capture was invalidated")
    hidden.__context__, hidden.__suppress_context__ = full, True
    assert not is_out_of_memory(hidden)
    other = KeyError("a bug in what came after")
    other.__context__ = full
    assert not is_out_of_memory(other)
    told = ValueError("told on purpose")
    told.__cause__ = full
    assert is_out_of_memory(told)
    first, second = RuntimeError("one"), RuntimeError("two")
    first.__context__, second.__context__ = second, first
    assert not is_out_of_memory(first)
