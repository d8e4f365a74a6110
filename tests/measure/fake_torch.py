"""Stands in for torch where a process of its own is asked: a machine with two CUDA devices.

``install`` writes it as ``torch.py`` beside a ``pynvml.py`` that lists the devices the other way
round; a folder with both, first on PYTHONPATH, is such a machine.
"""

from __future__ import annotations

from pathlib import Path

_TORCH = """
from types import SimpleNamespace

__version__ = "2.99.0+cu130"
version = SimpleNamespace(cuda="13.0")
OutOfMemoryError = type("OutOfMemoryError", (RuntimeError,), {})
_C = SimpleNamespace(_cuda_hasPrimaryContext=lambda index: False)


class device:
    def __init__(self, name, index=None):
        self.type, _, number = name.partition(":")
        self.index = int(number) if number else index


class _Cuda:
    chosen = 0

    def is_available(self):
        return True

    def is_initialized(self):
        return True

    def device_count(self):
        return 2

    def set_device(self, index):
        self.chosen = index

    def current_device(self):
        return self.chosen

    def get_device_properties(self, index):
        if index == 0:  # as an older build, without a PCI address
            return SimpleNamespace(
                name="NVIDIA H100 80GB HBM3", uuid="hopper", major=9, minor=0, total_memory=80 << 30
            )
        return SimpleNamespace(
            name="NVIDIA A10",
            uuid="not as NVML lists it",
            major=8,
            minor=6,
            total_memory=24 << 30,
            pci_domain_id=0,
            pci_bus_id=0x17,
            pci_device_id=0,
        )


cuda = _Cuda()
_precision = SimpleNamespace(fp32_precision="ieee")
backends = SimpleNamespace(
    cudnn=SimpleNamespace(version=lambda: 91100, conv=_precision, benchmark=False),
    cpu=SimpleNamespace(get_cpu_capability=lambda: "AVX2"),
    cuda=SimpleNamespace(matmul=_precision),
)


def get_num_threads():
    return 1


def get_num_interop_threads():
    return 1
"""

_PYNVML = """
import sys

sys.path.insert(0, {tests!r})
from fake_nvml import FakeDevice, FakeNvml

ampere = FakeDevice(uuid="GPU-ampere", name="NVIDIA A10", pci=(0, 0x17, 0), persistence=0)
hopper = FakeDevice(
    uuid="GPU-hopper",
    power_limit_w=400.0,
    persistence=0,
    mig=1,
    compute_mode=3,
    pids=[1, 2],
)
sys.modules[__name__] = FakeNvml(ampere, hopper)
"""


def install(folder: Path) -> None:
    """Makes the folder such a machine, for processes that have it first on their path."""
    (folder / "torch.py").write_text(_TORCH)
    (folder / "pynvml.py").write_text(_PYNVML.format(tests=str(Path(__file__).parent)))
