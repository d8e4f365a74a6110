"""A torch that cannot be loaded, or memory that does not suffice: exit code 3 and two lines."""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

import pytest

from resprof import api
from resprof.errors import EnvironmentMissing, lacking
from tests.hostile.command import resprof

_RAISED = (
    "OSError('libcudart.so.13: cannot open shared object file: No such file or directory')",
    "ImportError('libcudart.so.13: cannot open shared object file: No such file or directory')",
    "OSError(12, 'Cannot allocate memory')",
    "MemoryError()",
    "AttributeError('_ARRAY_API not found')",
)
_REAL_IN_WORKERS = """\
import sys
if sys.argv[0] == "-c":
    sys.path = [each for each in sys.path if not __file__.startswith(each or "?")]
    del sys.modules["torch"]
    import torch
else:
"""


def broken(folder: Path, raised: str, *, otherwise: str = "") -> dict[str, str]:
    """An environment in which torch raises that when it is imported, and nothing is cached."""
    package = folder / "broken" / "torch"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        f"{otherwise}    raise {raised}\n" if otherwise else f"raise {raised}\n"
    )
    path = os.pathsep.join([str(package.parent), os.environ.get("PYTHONPATH", "")])
    return {"PYTHONPATH": path, "XDG_CACHE_HOME": str(folder / "cache")}


@pytest.mark.parametrize(
    "arguments",
    [
        "flops cifar-resnet20 --check",
        "budget cifar-resnet20 --memory 8GiB",
        "bench cifar-resnet20 --batch 1 --run run.jsonl",
        "validate cifar-resnet20",
        "validate cifar-resnet20 --device cuda",
        "calibrate --peaks",
        "report --quick --out report",
    ],
)
def test_every_command_that_loads_torch(arguments: str, tmp_path: Path) -> None:
    env = broken(tmp_path, _RAISED[0])
    resprof(*arguments.split(), env=env, cwd=tmp_path).assert_two_lines(3, "cannot be loaded")


@pytest.mark.parametrize("raised", _RAISED)
def test_whatever_it_raises(raised: str, tmp_path: Path) -> None:
    done = resprof("memory", "cifar-resnet20", env=broken(tmp_path, raised))
    done.assert_two_lines(3, "torch cannot be loaded")


@pytest.mark.parametrize("arguments", ["flops resnet18", "show resnet18", "doctor", "list"])
def test_what_needs_no_torch_goes_on(arguments: str, tmp_path: Path) -> None:
    env = broken(tmp_path, _RAISED[0])
    assert resprof(*arguments.split(), env=env, cwd=tmp_path).code == 0


def test_little_address_space_is_what_the_machine_lacks(tmp_path: Path) -> None:
    most = 400 * 2**20
    done = resprof(
        *("memory", "cifar-resnet20"),
        env={"XDG_CACHE_HOME": str(tmp_path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
    )
    done.assert_two_lines(3, "torch cannot be loaded")


def test_a_finished_bench_is_shown_though_its_prediction_fails(tmp_path: Path) -> None:
    env = broken(tmp_path, _RAISED[0], otherwise=_REAL_IN_WORKERS)
    bench = ("bench", "cifar-resnet20", "--batch", "1", "--metric", "latency", "--json")
    done = resprof(*bench, "--time-limit", "100ms", "--run", tmp_path / "run.jsonl", env=env)
    assert done.code == 0, done.said
    (result,) = json.loads(done.out)["results"]
    assert result["rows"][0]["latency_median_s"] > 0
    assert result["predicted"] is None


def test_the_library_raises_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EnvironmentMissing, match="torch"):
        api.build("resnet18")


def test_a_module_of_resprof_that_is_missing_is_a_bug() -> None:
    assert lacking(ModuleNotFoundError("no", name="resprof.nosuch")) is None
    assert lacking(OSError(2, "No such file or directory", "nosuch.so")) is None
    assert lacking(ModuleNotFoundError("no", name="torch")) is not None
