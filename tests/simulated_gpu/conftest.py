"""The simulated device that tests run on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulated_gpu.build import built
from tests.simulated_gpu.program import TESTED_TORCH, SimulatedDevice

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents and "device" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.simulated)


@pytest.fixture(scope="session")
def device(tmp_path_factory: pytest.TempPathFactory) -> SimulatedDevice:
    environment = built(TESTED_TORCH)
    if environment is None:
        pytest.skip(
            "the simulated GPU is not built: "
            f"python -m tests.simulated_gpu.build --torch {TESTED_TORCH}"
        )
    ledger = tmp_path_factory.mktemp("simulated") / "ledger"
    return SimulatedDevice(environment=environment, ledger=ledger)
