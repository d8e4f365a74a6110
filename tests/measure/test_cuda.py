"""The CUDA clock, on a machine that has a CUDA device."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from resprof.measure.cuda import CudaClock

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]


def _sleep(cycles: int) -> None:
    torch.cuda._sleep(cycles)  # type: ignore[no-untyped-call]


def test_event_time_grows_with_the_cycles_slept() -> None:
    clock = CudaClock(torch.device("cuda"))
    clock.one(partial(_sleep, 200_000_000))  # loads the kernel, and lets clocks rise
    short = clock.one(partial(_sleep, 20_000_000))
    long = clock.one(partial(_sleep, 80_000_000))
    assert long.seconds / short.seconds == pytest.approx(4.0, rel=0.1)
    assert long.wall_s is not None
    assert long.wall_s >= long.seconds


def test_back_to_back_waits_for_the_last_call() -> None:
    clock = CudaClock(torch.device("cuda"))
    call = partial(_sleep, 20_000_000)
    clock.back_to_back(call, 10)
    one = clock.one(call).seconds
    assert clock.back_to_back(call, 5) == pytest.approx(5 * one, rel=0.1)
