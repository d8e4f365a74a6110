"""The largest batch, predicted and found, on a GPU that the model makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from resprof.answers.gpu.largest_batch import (
    CONTEXT_BATCH,
    MOST_TRIES,
    DeviceLook,
    check_largest,
    judged,
    largest_workloads,
)
from resprof.answers.gpu.validate_cuda import TOLERANCE
from resprof.answers.gpu.validation import BatchTry, LargestBatchCheck
from resprof.errors import EnvironmentMissing, NotMeasured
from resprof.memory.overlay import CONTEXT, Calibration
from resprof.model.networks import resolve
from resprof.model.recipe import MemoryFormat, Mode, Precision, Workload, train
from tests.answers.gpu.model_device import ModelDevice
from tests.answers.gpu.scripted_memory import GPU

CHOSEN = tuple(largest_workloads(["cifar-resnet8"]))


def test_a_gpu_as_predicted_has_no_error() -> None:
    device = ModelDevice()
    look, (check,) = check_largest(CHOSEN, tolerance=TOLERANCE, device=device)
    assert look is not None
    assert look.environment.gpu == GPU
    assert check.failure is None
    assert check.error == 0.0
    assert check.within
    assert check.predicted_batch == check.recipe.batch == check.fitting_batch
    assert check.context_bytes == CONTEXT
    assert check.in_use_bytes == 0
    assert not check.bound_hit
    assert [tried.batch for tried in check.tries] == device.batches
    assert device.batches[:2] == [CONTEXT_BATCH, check.predicted_batch]
    assert len(device.batches) <= 11
    for tried in check.tries:
        assert tried.fits is (tried.error is None)
        assert tried.fits is (tried.batch <= check.fitting_batch)


def test_what_others_use_is_not_taken_for_context_and_makes_the_prediction_wrong() -> None:
    device = ModelDevice(in_use=2**28)
    _, (check,) = check_largest(CHOSEN, tolerance=TOLERANCE, device=device)
    assert check.in_use_bytes == 2**28
    assert check.context_bytes == CONTEXT
    assert check.within is False
    assert check.error is not None
    assert check.error > 0.5


def test_what_is_in_use_may_be_unknown() -> None:
    _, (check,) = check_largest(CHOSEN, tolerance=TOLERANCE, device=ModelDevice(secret=True))
    assert check.in_use_bytes is None
    assert check.within


def test_a_calibration_has_the_context() -> None:
    calibration = Calibration(
        device=GPU.name,
        capability=(9, 0),
        torch="2.13.0",
        driver=None,
        date="2026-01-01T00:00:00Z",
        total_bytes=2**40,
        context_bytes=CONTEXT,
        cublas_bytes=32 * 2**20,
        cublas_handles=2,
    )
    device = ModelDevice()
    _, (check,) = check_largest(CHOSEN, tolerance=TOLERANCE, device=device, calibration=calibration)
    assert check.error == 0.0
    assert check.total_bytes == device.total
    assert device.batches[0] == check.predicted_batch


class Scripted(ModelDevice):
    """Answers by a rule from the second try on, when the context is known."""

    def __init__(self, rule: Callable[[int], bool]) -> None:
        super().__init__()
        self._rule = rule

    def run(self, workload: Workload) -> BatchTry:
        tried = super().run(workload)
        return tried if len(self.batches) == 1 else replace(tried, fits=self._rule(tried.batch))


def predicted() -> int:
    _, (check,) = check_largest(CHOSEN, tolerance=TOLERANCE, device=ModelDevice())
    assert check.predicted_batch is not None
    return check.predicted_batch


def test_fitting_that_is_not_monotone_is_seen_beside_the_answer() -> None:
    most = predicted()
    device = Scripted(lambda batch: batch <= most or batch == most + 2)
    _, (check,) = check_largest(CHOSEN, tolerance=TOLERANCE, device=device)
    assert (check.fitting_batch, check.failing_batch) == (most, most + 1)
    assert check.fits_above == (most + 2,)
    assert check.within


def test_the_search_goes_on_below_a_hole() -> None:
    most = predicted()
    device = Scripted(lambda batch: batch <= most and batch != most - 1)
    _, (check,) = check_largest(CHOSEN, tolerance=TOLERANCE, device=device)
    assert (check.fitting_batch, check.failing_batch) == (most - 2, most - 1)
    assert most in check.fits_above


def test_a_device_without_end_is_reported_as_far_as_it_was_seen() -> None:
    _, (check,) = check_largest(CHOSEN, tolerance=TOLERANCE, device=Scripted(lambda _: True))
    assert check.bound_hit
    assert len(check.tries) == MOST_TRIES == check.most_tries
    assert check.failing_batch is None
    assert check.fitting_batch == max(tried.batch for tried in check.tries)
    assert check.error is None
    assert check.within is False, "whatever it takes at the most is too far off"


def test_a_network_that_does_not_fit_at_all_is_an_answer() -> None:
    _, (check,) = check_largest(CHOSEN, tolerance=TOLERANCE, device=Scripted(lambda _: False))
    assert (check.fitting_batch, check.failing_batch) == (0, 1)
    assert check.error is None
    assert check.within is False
    assert check.fits_above == (CONTEXT_BATCH,)


def test_an_error_leaves_what_is_known() -> None:
    class Dying(ModelDevice):
        def run(self, workload: Workload) -> BatchTry:
            if len(self.batches) == 3:
                raise NotMeasured("the measuring process failed", hint="run it again")
            return super().run(workload)

    _, (first, second) = check_largest([*CHOSEN, *CHOSEN], tolerance=TOLERANCE, device=Dying())
    assert first.failure == "the measuring process failed; run it again"
    assert len(first.tries) == 3
    assert first.fitting_batch == first.predicted_batch
    assert (first.error, first.within) == (None, None)
    assert second.failure is not None
    assert second.tries == ()
    assert second.predicted_batch is None


def test_a_device_that_cannot_be_looked_at_is_a_failure_of_each_workload() -> None:
    class Blind(ModelDevice):
        def look(self) -> DeviceLook:
            raise NotMeasured("the GPU ran out of memory", hint="choose a smaller batch")

    look, checks = check_largest([*CHOSEN, *CHOSEN], tolerance=TOLERANCE, device=Blind())
    assert look is None
    assert [check.failure is None for check in checks] == [False, False]


def test_a_device_too_small_for_the_context_is_a_failure() -> None:
    _, (check,) = check_largest(CHOSEN, tolerance=TOLERANCE, device=ModelDevice(total=CONTEXT))
    assert check.failure is not None
    assert "leaves nothing" in check.failure


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a CUDA device")
def test_without_a_device_the_environment_is_missing() -> None:
    with pytest.raises(EnvironmentMissing):
        check_largest(CHOSEN, tolerance=TOLERANCE)


def test_nothing_asked_touches_no_device() -> None:
    assert check_largest((), tolerance=TOLERANCE) == (None, ())


@pytest.mark.parametrize(
    ("fitting", "failing", "resolution", "error", "within"),
    [
        (1000, 1001, 1, 0.0, True),
        (991, 992, 1, 1000 / 991 - 1, True),
        (990, 991, 1, 1000 / 990 - 1, False),
        (1015, 1020, 5, 1000 / 1015 - 1, False),
        (500, 900, 1, None, False),
        (1200, 2400, 1, None, False),
        (1100, None, 1, None, False),
        (500, 991, 1, None, False),
        (500, 992, 1, None, None),
        (500, 1200, 1, None, None),
        (0, None, 1, None, None),
    ],
)
def test_an_error_is_judged_only_as_far_as_it_is_known(
    fitting: int, failing: int | None, resolution: int, error: float | None, within: bool | None
) -> None:
    check = judged(
        LargestBatchCheck(
            model="resnet50",
            recipe=train(batch=1000, image=(224, 224)),
            predicted_batch=1000,
            fitting_batch=fitting,
            failing_batch=failing,
            resolution=resolution,
            most_tries=MOST_TRIES,
        ),
        TOLERANCE,
    )
    assert check.error == error
    assert check.within is within
    assert (check.failure is not None) is (within is None)


def test_the_standing_set_is_two_networks_in_two_precisions_and_layouts() -> None:
    chosen = list(largest_workloads())
    assert [architecture.id for architecture, _ in chosen] == ["resnet50", "resnet152"]
    assert {recipe.mode for _, recipe in chosen} == {Mode.TRAIN}
    assert {recipe.precision for _, recipe in chosen} == {Precision.AMP_BF16, Precision.FP32}
    assert {recipe.memory_format for _, recipe in chosen} == set(MemoryFormat)


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_on_a_gpu_the_largest_batch_is_as_predicted() -> None:
    architecture = resolve("resnet152")
    recipe = next(recipe for model, recipe in largest_workloads() if model == architecture)
    look, (check,) = check_largest([(architecture, recipe)], tolerance=TOLERANCE)
    assert look is not None
    assert check.failure is None
    assert check.in_use_bytes is not None
    assert check.fits_above == ()
    assert not check.bound_hit
    assert check.error is not None
    # This process too may have a context from another test, which the prediction leaves out.
    held = check.in_use_bytes / look.total_bytes
    assert -TOLERANCE <= check.error <= TOLERANCE + 2 * held
