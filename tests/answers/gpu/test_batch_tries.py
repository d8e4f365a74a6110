"""One batch size in a process of its own: on scripted devices and, where there is one, a GPU."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from resprof.answers.gpu import largest_batch
from resprof.answers.gpu.largest_batch import CudaDevice, free_beside, look_around, try_batch
from resprof.answers.gpu.validation import BatchTry
from resprof.codec import to_plain
from resprof.errors import UsageError
from resprof.measure import memory_history
from resprof.measure.memory_history import Usage
from resprof.model.networks import resolve, workload_of
from resprof.model.recipe import Precision, Recipe, Workload, train
from tests.answers.gpu import scripted_memory
from tests.answers.gpu.scripted_memory import GPU, ScriptedMemory

MIB = 2**20
on_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]


def workload(batch: int, model: str = "cifar-resnet8", **changes: object) -> Workload:
    architecture = resolve(model)
    recipe: Recipe = replace(train(batch=batch, image=architecture.image), **changes)  # type: ignore[arg-type]
    return workload_of(architecture, recipe)


@pytest.fixture
def scripted_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Child processes find a scripted device."""
    monkeypatch.setenv("PYTHONPATH", str(Path(scripted_memory.__file__).parent))
    monkeypatch.setattr(memory_history, "DEVICE", "scripted_memory:ScriptedMemory")


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.AMP_FP16])
def test_a_batch_that_runs_fits(scripted_child: None, precision: Precision) -> None:
    tried = CudaDevice().run(workload(2, precision=precision))
    assert tried.seconds > 0
    assert replace(tried, seconds=0.0) == BatchTry(
        batch=2,
        fits=True,
        error=None,
        seconds=0.0,
        peak_allocated_bytes=2,
        peak_reserved_bytes=7,
        start_bytes=100 - 60,
        context_bytes=100 - 60 - 5,
        retries=0,
    )


def test_running_out_of_memory_is_an_answer(scripted_child: None) -> None:
    tried = CudaDevice().run(workload(10**12))  # more than addresses reach
    assert not tried.fits
    assert tried.error is not None
    assert "can't allocate memory" in tried.error
    assert "\n" not in tried.error


def test_any_other_end_is_not(scripted_child: None) -> None:
    with pytest.raises(UsageError, match="optimizer"):
        CudaDevice().run(workload(2, optimizer=None))


@pytest.fixture
def _untouched_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(largest_batch, "prepare_process", lambda _: None)


class Retried(ScriptedMemory):
    def usage(self) -> Usage:
        return replace(super().usage(), retries=1)


class Roomy(ScriptedMemory):
    def usage(self) -> Usage:
        return replace(super().usage(), free=2**30)


@pytest.mark.usefixtures("_untouched_process")
@pytest.mark.parametrize(
    ("message", "memory", "ends"),
    [
        ("CUDA error: out of memory\nCompile with ...", ScriptedMemory(), True),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ...", ScriptedMemory(), True),
        ("GET was unable to find an engine to execute this computation", Retried(), True),
        ("GET was unable to find an engine to execute this computation", ScriptedMemory(), False),
        ("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling ...", Retried(), True),
        ("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling ...", Roomy(), False),
        ("cuDNN Frontend error: INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED", Roomy(), True),
        ("CUDA error: an illegal memory access was encountered", Retried(), False),
    ],
)
def test_libraries_say_it_in_words_of_their_own(
    monkeypatch: pytest.MonkeyPatch, message: str, memory: ScriptedMemory, ends: bool
) -> None:
    def run(*_: object) -> None:
        raise RuntimeError(message)

    monkeypatch.setattr(largest_batch, "run_on_device", run)
    order = to_plain(workload(2))
    if not ends:
        with pytest.raises(RuntimeError, match=message[:20]):
            try_batch(order, memory)
        return
    tried = json.loads(try_batch(order, memory))
    assert not tried["fits"]
    assert tried["error"] == message.splitlines()[0]


@pytest.mark.parametrize(
    ("beside", "in_use"),
    [
        (60 - 10, 100 - 60 - 10),  # one more context takes 10, so the own one does
        (60 - 40, 0),  # the own context is all there is
        (60 - 41, 0),
        (None, None),
    ],
)
def test_what_others_use_is_what_the_own_context_does_not(
    beside: int | None, in_use: int | None
) -> None:
    look = json.loads(look_around(None, ScriptedMemory(), lambda: beside))
    assert look["total_bytes"] == 100
    assert look["in_use_bytes"] == in_use
    assert look["environment"]["gpu"]["name"] == GPU.name


def test_a_second_process_tells_what_is_free(scripted_child: None) -> None:
    assert free_beside() == 60


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a CUDA device")
def test_without_a_second_process_what_others_use_is_unknown(scripted_child: None) -> None:
    """The scripted child starts its own child like any other, and that finds no device."""
    look = CudaDevice().look()
    assert look.total_bytes == 100
    assert look.in_use_bytes is None


class TestOnAGpu:
    pytestmark = on_gpu

    def test_what_this_process_holds_is_in_use_to_the_byte(self) -> None:
        held = [torch.empty(MIB, dtype=torch.uint8, device="cuda")]  # makes the context
        before = CudaDevice().look().in_use_bytes
        held.append(torch.empty(512 * MIB, dtype=torch.uint8, device="cuda"))
        after = CudaDevice().look().in_use_bytes
        assert before is not None
        assert after is not None
        assert after - before == 512 * MIB
        assert before > 100 * MIB, "a context is in use"
        held.clear()
        torch.cuda.empty_cache()

    def test_a_batch_fits_or_does_not(self) -> None:
        device = CudaDevice()
        small = device.run(workload(32, "resnet18"))
        assert small.fits
        assert small.peak_reserved_bytes >= small.peak_allocated_bytes > 0
        assert 100 * MIB < small.context_bytes < 2048 * MIB
        assert small.start_bytes < small.context_bytes
        # No tensor of it passes 2^31 elements: what runs out is memory and nothing else.
        large = device.run(workload(2048, "resnet152"))
        assert not large.fits
        assert large.error is not None
        assert "out of memory" in large.error
        assert large.retries > 0
