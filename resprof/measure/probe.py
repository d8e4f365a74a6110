"""What this machine is, asked of a process of its own: torch may be missing, broken or crash.

The child writes the environment as JSON, anew in a line each time more of it is known: the machine,
then torch, then the GPU. Whatever ends it, the last line holds.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TextIO

from resprof.codec import from_plain, to_json
from resprof.errors import EnvironmentMissing, UsageError, printable
from resprof.measure.bound import command, explain, inherited, private_stdout, raise_explained
from resprof.measure.host import machine_environment
from resprof.model.environment import DeviceKind, Environment

COMMAND = command("resprof.measure.probe")
LIMIT_S = 120.0
"""Loading torch from a cold network disk takes a minute; a driver that hangs never ends."""
_FAILED = 1


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
    code, lines, errors = _run([*command, *([] if device is None else [device])], limit_s)
    environment = _last(lines) or machine_environment()
    last = [line for line in errors.splitlines() if line.strip()]
    raise_explained(code, last, [EnvironmentMissing])
    failure = None if code == 0 else _last_words(code, last, limit_s)
    if device is not None and device != DeviceKind.CPU and environment.gpu is None:
        raise EnvironmentMissing(
            f"no CUDA device can be had: {failure}", hint="resprof doctor says what there is"
        )
    return Probe(environment=environment, failure=failure)


def _run(command: Sequence[str], limit_s: float) -> tuple[int | None, str, str]:
    """Exit code, stdout and stderr; the code is None for a process that had to be ended."""
    try:
        # Its own session: an interrupt from the terminal reaches this process, which ends it.
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=limit_s,
            env=inherited(),
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired as hung:
        return None, _text(hung.stdout), _text(hung.stderr)
    except OSError as error:
        return _FAILED, "", f"error: {error.strerror}"
    return done.returncode, done.stdout, done.stderr


def _text(output: str | bytes | None) -> str:
    """What a process wrote before it was ended comes as bytes, whatever was asked for."""
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def _last(lines: str) -> Environment | None:
    whole = [line for line in lines.splitlines(keepends=True) if line.endswith("\n")]
    return from_plain(Environment, json.loads(whole[-1])) if whole else None


def _last_words(code: int | None, lines: Sequence[str], limit_s: float) -> str:
    if code is None:
        return f"it took more than {limit_s:g} s and was ended"
    if code < 0:
        return f"the process that asked was ended by {signal.Signals(-code).name}"
    if not lines:
        return f"the process that asked ended with exit code {code}"
    return lines[-1].strip().removeprefix("error: ")


def main(asked: str | None = None) -> int:
    """Writes what is known of the machine, step by step; the exit code is that of the error."""
    out = private_stdout()
    code = 0
    machine = known = machine_environment()
    _write(machine, out)
    try:
        for known in _asked_of_torch(machine, asked):
            _write(known, out)
    except EnvironmentMissing as error:
        return explain(error)
    except Exception as error:  # a broken build of torch may raise anything
        message = f"{type(error).__name__}: {_first_line(error)}"
        print(f"error: {message}", file=sys.stderr)  # noqa: T201
        code = _FAILED
    if asked != DeviceKind.CPU:
        from resprof.measure.nvml import open_nvml

        gpu = known.gpu
        with open_nvml(gpu.uuid if gpu else None, gpu.pci_bus_id if gpu else None) as nvml:
            _write(replace(known, nvml=nvml.report), out)
    return code


def _asked_of_torch(environment: Environment, asked: str | None) -> Iterator[Environment]:
    from resprof.measure import device as torch_side

    environment = replace(environment, torch=torch_side.torch_build())
    yield environment
    kind = DeviceKind(torch_side.choose_device(asked).type)
    yield replace(environment, gpu=torch_side.gpu(kind))


def _write(environment: Environment, out: TextIO) -> None:
    out.write(to_json(environment, indent=None))
    out.flush()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]
