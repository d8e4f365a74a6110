"""The device torch offers and the switches that decide what it runs."""

from __future__ import annotations

import torch

from resprof.errors import EnvironmentMissing
from resprof.measure.host import nvidia_driver
from resprof.measure.nvml_device import pci_address
from resprof.model.environment import DeviceKind, Gpu, TorchBuild
from resprof.model.recipe import Recipe


def choose_device(asked: str | None) -> torch.device:
    """The device asked for, ``cpu``, ``cuda`` or ``cuda:N``; None is CUDA where there is any.

    Makes a CUDA device the current one. Raises ``EnvironmentMissing`` where it is not there.
    """
    if asked == "cpu" or (asked is None and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise EnvironmentMissing(
            "torch sees no CUDA device here", hint="measure on the CPU with --device cpu"
        )
    device = torch.device(asked or "cuda")
    index, devices = device.index or 0, torch.cuda.device_count()
    if index >= devices:
        raise EnvironmentMissing(
            f"there is no device cuda:{index}, torch sees {devices}",
            hint=f"choose one up to cuda:{devices - 1}",
        )
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def set_switches(recipe: Recipe) -> None:
    """Makes fp32 mean fp32, which for cuDNN's convolutions it does not unless told so."""
    arithmetic = recipe.precision.arithmetic.fp32_precision
    # Through the newer of torch's two interfaces only: it refuses a mixture.
    torch.backends.cuda.matmul.fp32_precision = arithmetic
    torch.backends.cudnn.conv.fp32_precision = arithmetic  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = recipe.cudnn_benchmark


def torch_build() -> TorchBuild:
    """The torch of this process and how its switches stand now."""
    backends = torch.backends
    return TorchBuild(
        version=str(torch.__version__),
        cuda=torch.version.cuda,
        cudnn=backends.cudnn.version() if torch.cuda.is_available() else None,  # type: ignore[no-untyped-call]
        cpu_capability=backends.cpu.get_cpu_capability(),
        threads=torch.get_num_threads(),
        interop_threads=torch.get_num_interop_threads(),
        tf32_matmul=backends.cuda.matmul.fp32_precision == "tf32",
        tf32_conv=backends.cudnn.conv.fp32_precision == "tf32",  # type: ignore[attr-defined]
        cudnn_benchmark=bool(backends.cudnn.benchmark),
    )


def gpu(kind: DeviceKind) -> Gpu | None:
    """The current CUDA device; None for a measurement on the CPU."""
    if kind is not DeviceKind.CUDA:
        return None
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    uuid = getattr(properties, "uuid", None)
    return Gpu(
        name=properties.name,
        uuid=None if uuid is None else f"GPU-{uuid}",
        capability=f"{properties.major}.{properties.minor}",
        memory_bytes=properties.total_memory,
        driver=nvidia_driver(),
        pci_bus_id=_pci_bus_id(properties),
    )


def _pci_bus_id(properties: object) -> str | None:
    """The device's PCI address as NVML writes it; None in builds of torch that do not tell."""
    parts = ("pci_domain_id", "pci_bus_id", "pci_device_id")
    domain, bus, device = (getattr(properties, part, None) for part in parts)
    if domain is None or bus is None or device is None:
        return None
    return pci_address(domain, bus, device)


_NO_MEMORY = ("can't allocate memory", "out of memory", "ALLOC_FAILED", "ALLOCATION_FAILED")
"""How torch's CPU allocator says so; then CUDA and its libraries, where memory runs out beside
torch's allocator: when a kernel is loaded, or a handle is made."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, which some say in words only; also beneath a later error.

    A CUDA graph whose capture ran out of memory may fail once more when the capture is ended. What
    an error of another kind was raised from is no part of it: that was dealt with.
    """
    seen: list[BaseException] = []
    below: BaseException | None = error
    while below is not None and below not in seen:
        if isinstance(below, (MemoryError, torch.OutOfMemoryError)):
            return True
        if any(words in str(below) for words in _NO_MEMORY):
            return True
        seen.append(below)
        below = _beneath(below)
    return False


def _beneath(error: BaseException) -> BaseException | None:
    if error.__cause__ is not None:
        return error.__cause__
    if error.__suppress_context__ or not isinstance(error, RuntimeError):
        return None
    return error.__context__
