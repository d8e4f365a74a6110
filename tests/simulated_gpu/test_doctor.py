"""What doctor finds through the real pynvml, on a card that answers, refuses or is not alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulated_gpu.program import SimulatedDevice

NAME = "Simulated CUDA device"
NO_PERMISSION, DRIVER_NOT_LOADED, VERSION_MISMATCH = 4, 9, 18
CARD, OTHER_CARD = (
    "GPU-10111213-1415-1617-1819-1a1b1c1d1e1f",
    "GPU-20212223-2425-2627-2829-2a2b2c2d2e2f",
)


class Doctor:
    """What doctor says: the environment, and messages by code, without those of the host."""

    def __init__(self, device: SimulatedDevice, **settings: Any) -> None:
        answer = device.answer("doctor", **settings)
        (result,) = answer["results"]
        self.environment = answer["environment"]
        self.settings = self.environment["nvml"]["settings"]
        self.findings = {
            row["code"]: row["message"]
            for row in result["rows"]
            if row["code"].partition("-")[0] in {"nvml", "gpu", "mig", "torch", "cuda", "ecc"}
        }


def test_a_card_that_answers(device: SimulatedDevice) -> None:
    found = Doctor(device)
    assert set(found.findings) == {"ecc"}
    assert found.environment["gpu"]["name"] == found.settings["name"] == NAME
    assert found.environment["gpu"]["uuid"] == found.settings["uuid"] == CARD
    assert found.settings["power_limit_w"] == 700
    assert found.settings["processes"] == 0


def test_a_machine_without_nvml(device: SimulatedDevice) -> None:
    found = Doctor(device, nvml=False)
    assert found.settings is None
    assert "NVML library is missing" in found.findings["nvml-no-driver"]
    assert found.environment["gpu"]["name"] == NAME


@pytest.mark.parametrize(
    ("code", "finding", "says"),
    [
        (DRIVER_NOT_LOADED, "nvml-no-driver", "driver is not loaded"),
        (NO_PERMISSION, "nvml-no-permission", "has no permission to use NVML"),
        (VERSION_MISMATCH, "nvml-failed", "different versions"),
    ],
)
def test_nvml_that_does_not_start(
    device: SimulatedDevice, code: int, finding: str, says: str
) -> None:
    found = Doctor(device, nvml_init=code)
    assert found.settings is None
    assert says in found.findings[finding]


def test_another_card_than_cudas(device: SimulatedDevice) -> None:
    found = Doctor(device, nvml_uuid=OTHER_CARD, nvml_pci_bus=9)
    assert f"none is called {CARD}" in found.findings["nvml-no-match"]


def test_a_slice_of_a_card(device: SimulatedDevice) -> None:
    found = Doctor(device, nvml_mig=1)
    assert found.settings["mig"] is True
    assert found.settings["uuid"] == OTHER_CARD
    assert "slice of the card" in found.findings["mig"]


def test_a_card_that_others_use(device: SimulatedDevice) -> None:
    found = Doctor(device, nvml_others=2)
    assert found.settings["processes"] == 2
    assert "2 other processes" in found.findings["gpu-processes"]


@pytest.mark.parametrize("refusal", ["nvml_unsupported", "nvml_forbidden"])
def test_a_card_that_tells_little(device: SimulatedDevice, refusal: str) -> None:
    calls = (
        "ComputeRunningProcesses,EccMode,EnforcedPowerLimit,MemoryInfo,MigMode,PersistenceMode,"
        "PowerManagementLimit,MaxClockInfo"
    )
    found = Doctor(device, **{refusal: calls})
    assert set(found.findings) == {"gpu-processes-unknown"}
    unknown = ("processes", "ecc", "power_limit_w", "memory_bytes", "mig", "persistence")
    assert {name: found.settings[name] for name in unknown} == dict.fromkeys(unknown)
    assert found.settings["sm_clock_max_hz"] is None
    assert found.settings["name"] == NAME
