"""The process that is asked what the machine is: torch may be missing, broken, crash or hang."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from resprof.errors import EnvironmentMissing, UsageError
from resprof.measure.host import machine_environment
from resprof.measure.probe import COMMAND, probe, probe_environment
from resprof.model.environment import NvmlState
from tests.measure.fake_torch import install


def with_torch(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str | None) -> None:
    """Puts a torch of that text before the real one; None is a machine with two GPUs."""
    if text is None:
        install(folder)
    else:
        (folder / "torch.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_the_real_torch_is_described_without_being_loaded_here() -> None:
    script = (
        "from resprof.measure.probe import probe_environment as p; import sys; "
        "e = p('cpu'); print(e.torch.version, e.gpu, e.nvml, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [version("torch"), "None", "None", "False"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("torch", "words"),
    [
        ("raise ModuleNotFoundError(\"No module named 'torch'\")", "No module named 'torch'"),
        ("raise ImportError('libcudart.so.13: cannot open')", "ImportError: libcudart.so.13"),
        ("raise OSError('half a file\\nand more')", "OSError: half a file"),
        ("raise ImportError", "ImportError"),
        ("__version__ = '2.0'", "has no attribute"),
        ("import os; os.abort()", "SIGABRT"),
        ("import os; os._exit(9)", "exit code 9"),
    ],
)
def test_a_torch_that_does_not_load_leaves_the_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, torch: str, words: str
) -> None:
    with_torch(monkeypatch, tmp_path, torch)
    found = probe(None)
    assert words in (found.failure or "")
    assert "\n" not in (found.failure or "")
    assert (found.environment.torch, found.environment.gpu) == (None, None)
    assert found.environment.machine.cores == machine_environment().machine.cores
    assert probe_environment("cpu").torch is None
    with pytest.raises(EnvironmentMissing, match="no CUDA device is usable"):
        probe("cuda")


def test_what_torch_prints_while_it_loads_is_no_part_of_the_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_torch(monkeypatch, tmp_path, None)
    with (tmp_path / "torch.py").open("a") as text:
        text.write("print('a banner'); import os; os.write(1, b'another')\n")
    assert probe(None).failure is None


def test_a_process_that_hangs_is_ended_and_what_it_said_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_torch(monkeypatch, tmp_path, "import time; time.sleep(600)")
    found = probe(None, limit_s=2)
    assert "after 2 s" in (found.failure or "")
    assert found.environment.torch is None


def test_a_driver_that_crashes_leaves_torch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_torch(monkeypatch, tmp_path, None)
    with (tmp_path / "torch.py").open("a") as text:
        text.write("_Cuda.current_device = lambda self: __import__('os').abort()\n")
    found = probe(None)
    assert found.environment.torch is not None
    assert found.environment.torch.version == "2.99.0+cu130"
    assert found.environment.gpu is None
    assert "SIGABRT" in (found.failure or "")


def test_an_interpreter_that_is_not_there_is_a_failure_too() -> None:
    found = probe(None, command=("/nowhere/python",))
    assert found.failure == "No such file or directory"
    assert found.environment.machine == machine_environment().machine


@pytest.mark.parametrize(
    ("device", "name", "address"),
    [
        (None, "NVIDIA H100 80GB HBM3", None),
        ("cuda", "NVIDIA H100 80GB HBM3", None),
        ("cuda:1", "NVIDIA A10", "00000000:17:00.0"),
    ],
)
def test_telemetry_is_that_of_the_device_that_torch_chose(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    device: str | None,
    name: str,
    address: str | None,
) -> None:
    with_torch(monkeypatch, tmp_path, None)
    environment = probe_environment(device)
    assert environment.gpu is not None
    assert environment.nvml is not None
    assert environment.nvml.settings is not None
    assert environment.gpu.name == environment.nvml.settings.name == name
    assert environment.gpu.pci_bus_id == address


def test_a_measurement_on_the_cpu_asks_no_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_torch(monkeypatch, tmp_path, None)
    environment = probe_environment("cpu")
    assert (environment.gpu, environment.nvml) == (None, None)
    assert environment.torch is not None


def test_without_pynvml_the_gpu_is_known_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_torch(monkeypatch, tmp_path, None)
    (tmp_path / "pynvml.py").write_text("raise ModuleNotFoundError('pynvml')")
    environment = probe_environment("cuda")
    assert environment.gpu is not None
    assert environment.nvml is not None
    assert environment.nvml.state is NvmlState.NOT_INSTALLED


def test_a_device_that_was_asked_for_and_is_not_there_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_torch(monkeypatch, tmp_path, None)
    with pytest.raises(EnvironmentMissing, match="cuda:7") as raised:
        probe("cuda:7")
    assert "cuda:1" in raised.value.hint
    for name in ("gpu", "cuda:", "cuda:x", "cuda:-1", "CPU", ""):
        with pytest.raises(UsageError, match="no device"):
            probe(name)


def test_the_module_can_be_run_by_hand() -> None:
    done = subprocess.run(
        COMMAND, input='"cpu"', capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == 0
    assert all(line.startswith('{"environment": {"date": ') for line in done.stdout.splitlines())
