"""What tests of several rooms share."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

_DETECTION_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@pytest.fixture(scope="session", autouse=True)
def _one_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing comes from the user's cache or goes there; what one test has traced all can use."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of all workers
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield


@pytest.fixture(scope="session")
def torchvision() -> Iterator[ModuleType]:
    """torchvision as an oracle; skipped where it is not installed.

    Its wheel does not load its operators on a CPU build of torch and then fails to import, because
    it registers shapes for two detection operators that do not exist. No classification network
    uses them, so declaring them without a kernel is enough.
    """
    torch = pytest.importorskip("torch")
    try:
        imported = importlib.import_module("torchvision")
    except ModuleNotFoundError:
        pytest.skip("torchvision is not installed")
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for schema in _DETECTION_SCHEMAS:
            library.define(schema)
        imported = importlib.import_module("torchvision")
        yield imported
        # The schemas live as long as the library object does.
        del library
    else:
        yield imported
