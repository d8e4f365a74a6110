"""What this machine is, asked of a process of its own: torch may be missing, broken or crash.

It says what it knows anew each time that is more: the machine, then torch, then the GPU. Whatever
ends it, the last line holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from resprof.codec import from_json, to_json
from resprof.errors import EnvironmentMissing, UsageError, first_line, printable
from resprof.measure.host import machine_environment
from resprof.measure.worker import Emit, command, run_worker
from resprof.model.environment import DeviceKind, Environment

COMMAND = command("resprof.measure.probe:look")
LIMIT_S = 120.0
"""Loading torch from a cold network disk takes a minute; a driver that hangs never ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The environment as far as it is known; ``failure`` says why no further, None if it is."""

    environment: Environment
    failure: str | None


def probe_environment(device: str | None) -> Environment:
    """The environment of that device; None is CUDA where there is any, and then NVML is asked.

    Without torch its part is None. Raises ``EnvironmentMissing`` where a device that was asked for
    is not there, ``UsageError`` for a name that none has.
    """
    return probe(device).environment


def probe(
    device: str | None, *, command: Sequence[str] = COMMAND, limit_s: float = LIMIT_S
) -> Probe:
    """As ``probe_environment``, with why torch or the GPU could not be asked."""
    if device is not None and not re.fullmatch(r"cpu|cuda(:\d{1,4})?", device):
        raise UsageError(f"no device {printable(device)}", hint="write cpu, cuda or cuda:N")
    lines: list[str] = []
    failure = None
    try:
        ended = run_worker(command, device, sink=lines.append, limit_s=limit_s)
    except OSError as error:
        failure = error.strerror
    else:
        ended.raise_explained()
        failure = ended.why if ended.code else None
    if lines:
        found = from_json(Probe, lines[-1])
    else:
        found = Probe(environment=machine_environment(), failure=None)
    found = replace(found, failure=failure or found.failure)
    if device is not None and device != DeviceKind.CPU and found.environment.gpu is None:
        raise EnvironmentMissing(
            f"no CUDA device is usable: {found.failure}",
            hint="run resprof doctor to see what is available",
        )
    return found


def look(asked: str | None, emit: Emit) -> None:
    """Says what is known of the machine, step by step."""

    def say(environment: Environment, failure: str | None = None) -> None:
        emit(to_json(Probe(environment=environment, failure=failure), indent=None))

    failure = None
    machine = known = machine_environment()
    say(machine)
    try:
        for known in _asked_of_torch(machine, asked):
            say(known)
    except EnvironmentMissing:
        raise
    except Exception as error:  # a broken build of torch may raise anything
        failure = first_line(error)
        say(known, failure)
    if asked != DeviceKind.CPU:
        from resprof.measure.nvml import open_nvml

        gpu = known.gpu
        with open_nvml(gpu.uuid if gpu else None, gpu.pci_bus_id if gpu else None) as nvml:
            say(replace(known, nvml=nvml.report), failure)


def _asked_of_torch(environment: Environment, asked: str | None) -> Iterator[Environment]:
    from resprof.measure import device as torch_side

    environment = replace(environment, torch=torch_side.torch_build())
    yield environment
    kind = DeviceKind(torch_side.choose_device(asked).type)
    yield replace(environment, gpu=torch_side.gpu(kind))
