"""What a device can do at most, measured: one large GEMM for each arithmetic, one large copy.

Medians of calls between events, on normal values: power and clocks depend on the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import TYPE_CHECKING, Any

from resprof.answers.roofline.peaks import MeasuredPeaks
from resprof.codec import from_json, to_json
from resprof.errors import EnvironmentMissing
from resprof.measure.memory_history import DeviceMemory, run_in_child
from resprof.model.recipe import Arithmetic

if TYPE_CHECKING:
    import torch

    from resprof.measure.clock import Call, Clock


LIMIT_S = 120.0
SIDE = 8192
"""Of a square GEMM: its 10^12 operations take a millisecond and fill every unit."""
COPIED_BYTES = 2**30
"""Many times what any cache holds."""
_CALLS = 10
_WARM_UP_S = 1.0
"""Of the same calls: clocks rise by then, and libraries have chosen their kernels."""
_IN_A_ROW = 5
"""Calls between two events, so that starting the first weighs little."""
_SEED = 20151210

Run = Callable[..., str]


def peaks_on_cuda(*, run: Run = run_in_child) -> tuple[MeasuredPeaks, ...]:
    """Measures the CUDA device, in a process of its own.

    Raises ``EnvironmentMissing`` without a device, ``NotMeasured`` where memory runs out.
    """
    task = f"{__name__}:{measure_peaks.__name__}"
    argument = {"side": SIDE, "bytes": COPIED_BYTES, "calls": _CALLS, "warm_up_s": _WARM_UP_S}
    lines = run(task, argument, limit_s=LIMIT_S).splitlines()
    return tuple(from_json(MeasuredPeaks, line) for line in lines)


def measure_peaks(argument: Any, memory: DeviceMemory) -> str:
    """The child's task: ``argument`` has the sizes; returns a line for each arithmetic."""
    import torch

    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    try:
        return "".join(to_json(each, indent=None) for each in _peaks(argument, memory))
    finally:
        matmul.fp32_precision = before


def _peaks(argument: Any, memory: DeviceMemory) -> Iterator[MeasuredPeaks]:
    environment = memory.environment()
    if environment.gpu is None or environment.torch is None:
        raise EnvironmentMissing("the device has no name", hint="run it on a CUDA device")
    clock, calls = _clock(memory.device), argument["calls"]
    side, size = argument["side"], argument["bytes"]
    bandwidth = 2 * size / _seconds(_copy(size, memory.device), clock, argument)
    generation = int(environment.gpu.capability.partition(".")[0])
    for arithmetic in Arithmetic:
        if generation < arithmetic.since:
            continue
        seconds = _seconds(_gemm(side, arithmetic, memory.device), clock, argument)
        yield MeasuredPeaks(
            device=environment.gpu.name,
            arithmetic=arithmetic,
            flops_per_s=2 * side**3 / seconds,
            bandwidth_bytes_per_s=bandwidth,
            how=f"the median of {calls} times {_IN_A_ROW} calls: a GEMM of {side} x {side} x "
            f"{side}, a copy of {size} bytes within device memory, read and written",
            date=environment.date,
            torch=environment.torch.version,
            driver=environment.gpu.driver,
        )


def _clock(device: torch.device) -> Clock:
    from resprof.measure.clock import CpuClock
    from resprof.measure.cuda import CudaClock

    return CudaClock(device) if device.type == "cuda" else CpuClock()


def _seconds(call: Call, clock: Clock, argument: Any) -> float:
    def several() -> None:
        for _ in range(_IN_A_ROW):
            call()

    end = clock.now() + argument["warm_up_s"]
    clock.one(several)
    while clock.now() < end:
        clock.one(several)
    return median(clock.one(several).seconds for _ in range(argument["calls"])) / _IN_A_ROW


def _gemm(side: int, arithmetic: Arithmetic, device: torch.device) -> Call:
    import torch

    torch.backends.cuda.matmul.fp32_precision = arithmetic.fp32_precision
    random = torch.Generator(device).manual_seed(_SEED)
    left, right = (
        torch.randn(side, side, generator=random, device=device).to(
            getattr(torch, arithmetic.dtype)
        )
        for _ in range(2)
    )
    result = torch.empty_like(left)
    return lambda: torch.mm(left, right, out=result)


def _copy(size: int, device: torch.device) -> Call:
    import torch

    random = torch.Generator(device).manual_seed(_SEED)
    source = torch.randn(size // torch.float32.itemsize, generator=random, device=device)
    target = torch.empty_like(source)
    return lambda: target.copy_(source)
