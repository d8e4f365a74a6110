"""The device torch offers and the switches that decide what it runs."""

from __future__ import annotations

import torch

from resprof.errors import EnvironmentMissing
from resprof.measure.environment import first_match
from resprof.records.environment import DeviceKind, Gpu, TorchBuild
from resprof.records.recipe import Recipe


def choose_device(asked: DeviceKind | None) -> DeviceKind:
    """The kind asked for; None is CUDA where there is any. Raises ``EnvironmentMissing``."""
    if asked is DeviceKind.CPU:
        return asked
    if torch.cuda.is_available():
        return DeviceKind.CUDA
    if asked is DeviceKind.CUDA:
        raise EnvironmentMissing(
            "torch sees no CUDA device here", hint="measure on the CPU with --device cpu"
        )
    return DeviceKind.CPU


def set_switches(recipe: Recipe) -> None:
    """Makes fp32 mean fp32, which for cuDNN's convolutions it does not unless told so."""
    # Through the newer of torch's two interfaces only: it refuses a mixture.
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]
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
        driver=first_match("/proc/driver/nvidia/version", r"Module.*?\s(\d+\.[\d.]+)\s"),
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: torch's CPU allocator says so in words only."""
    known = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    return known or "can't allocate memory" in str(error)
