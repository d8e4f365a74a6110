"""The environment of a measurement in words."""

from __future__ import annotations

from resprof.records.environment import Environment


def device_kind(environment: Environment) -> str:
    """What kind of device ran."""
    return "the GPU" if environment.gpu is not None else "the CPU"


def device_name(environment: Environment) -> str:
    """The GPU, or the CPU where none ran."""
    if environment.gpu is not None:
        return environment.gpu.name
    return environment.machine.cpu_model or environment.machine.architecture


def describe(environment: Environment) -> str:
    """What a reader must know of where the samples were taken."""
    parts = [environment.date]
    torch, gpu = environment.torch, environment.gpu
    if torch is not None:
        parts.append(f"torch {torch.version}")
        parts.append(f"CUDA {torch.cuda}" if gpu else f"{torch.threads} threads")
    if gpu is not None and gpu.driver:
        parts.append(f"driver {gpu.driver}")
    parts += [f"Python {environment.python}", environment.machine.system]
    if environment.machine.load is not None:
        parts.append(f"load {environment.machine.load:g} at the start")
    return "; ".join(parts)
