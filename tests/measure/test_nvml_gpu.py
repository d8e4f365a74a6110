"""Telemetry on a machine that has a CUDA device: the claims that the scripted one is held to."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import torch

from resprof.measure.device import gpu
from resprof.measure.nvml import Nvml, between, open_nvml
from resprof.model.environment import DeviceKind, NvmlState

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]


@pytest.fixture
def nvml() -> Iterator[Nvml]:
    found = gpu(DeviceKind.CUDA)
    assert found is not None
    with open_nvml(found.uuid, found.pci_bus_id) as opened:
        if opened.report.state is not NvmlState.AVAILABLE:
            pytest.skip(f"no telemetry here: {opened.report.message}")
        yield opened


def _work(seconds: float) -> None:
    matrix = torch.randn(4096, 4096, device="cuda")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(20):
            matrix @ matrix  # for the heat of it
        torch.cuda.synchronize()


def test_the_device_is_the_one_that_torch_has(nvml: Nvml) -> None:
    settings = nvml.report.settings
    assert settings is not None
    assert settings.name == torch.cuda.get_device_name()
    if settings.memory_bytes is not None and settings.mig is not True:
        total = torch.cuda.get_device_properties(0).total_memory
        assert settings.memory_bytes == pytest.approx(total, rel=0.05)


def test_work_shows_in_what_the_driver_tells(nvml: Nvml) -> None:
    _work(0.5)
    before = nvml.read()
    _work(2)
    round_ = between(before, nvml.read())
    assert round_ is not None
    assert round_.seconds == pytest.approx(2, abs=0.5)
    if round_.energy_j is not None and round_.power_w is not None:
        assert round_.energy_j / round_.seconds == pytest.approx(round_.power_w, rel=0.5)
    if round_.sm_clock_hz is not None:
        assert 1e8 < round_.sm_clock_hz < 1e10
    for throttled in round_.throttled or ():
        # Drivers advance counters in steps of about 0.1 s.
        assert 0 <= throttled.seconds <= round_.seconds + 0.3


def test_our_own_context_is_not_another_process(nvml: Nvml) -> None:
    settings = nvml.report.settings
    assert settings is not None
    _work(0.1)
    reading = nvml.read()
    assert reading is not None
    if settings.processes is not None and reading.processes is not None:
        assert reading.processes <= settings.processes


def test_a_reading_is_cheap(nvml: Nvml) -> None:
    nvml.read()
    start = time.perf_counter()
    for _ in range(10):
        nvml.read()
    assert (time.perf_counter() - start) / 10 < 0.05
