"""The simulated device that tests run on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.simulated_gpu.build import TORCH, built
from tests.simulated_gpu.program import SimulatedDevice

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents and "device" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.simulated)


@pytest.fixture(scope="session")
def device(tmp_path_factory: pytest.TempPathFactory) -> SimulatedDevice:
    torch = os.environ.get("RESPROF_SIMULATED_TORCH", TORCH)
    environment = built(torch)
    if environment is None:
        pytest.skip(
            f"the simulated GPU is not built: python -m tests.simulated_gpu.build --torch {torch}"
        )
    ledger = tmp_path_factory.mktemp("simulated") / "ledger"
    return SimulatedDevice(environment=environment, ledger=ledger)
