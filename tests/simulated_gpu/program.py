"""Programs on the simulated device, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.simulated_gpu.build import ROOT, TORCH, Environment

TESTED_TORCH = os.environ.get("RESPROF_SIMULATED_TORCH", TORCH)
LIMIT_S = 600.0
"""Ten times what any of them takes on two cores: others may use them too."""
_OF_THE_CALLER = ("PYTORCH_", "RESPROF_SIMULATED_", "LD_LIBRARY_PATH", "CUDA_")


_COMPILED = ("TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")
"""Nothing that was compiled for this device is left for another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedDevice:
    """A device of its own: programs that share the ledger's file share its memory."""

    environment: Environment
    ledger: Path

    def variables(self, *, nvml: bool = True, **settings: Any) -> dict[str, str]:
        """A process's environment; ``memory_bytes=1`` is RESPROF_SIMULATED_MEMORY_BYTES=1."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(_OF_THE_CALLER)
        }
        named = {f"RESPROF_SIMULATED_{key.upper()}": str(value) for key, value in settings.items()}
        return (
            kept
            | dict(self.environment.variables(nvml=nvml))
            | {"RESPROF_SIMULATED_LEDGER": str(self.ledger)}
            | {name: str(self.ledger.with_name(name)) for name in _COMPILED}
            | named
        )

    def python(
        self,
        *arguments: str | Path,
        nvml: bool = True,
        variables: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Runs Python with those arguments to its end; ``variables`` are further ones."""
        return subprocess.run(
            [self.environment.python, *arguments],
            env=self.variables(nvml=nvml, **settings) | dict(variables or {}),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    def resprof(
        self,
        *arguments: str | Path,
        codes: Sequence[int] = (0,),
        **settings: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command of resprof, which ends with one of those exit codes."""
        done = self.python("-m", "resprof", *arguments, **settings)
        assert done.returncode in codes, done.stderr[-4000:]
        return done

    def answer(self, *arguments: str | Path, codes: Sequence[int] = (0,), **settings: Any) -> Any:
        """A command's result, as its JSON has it."""
        return json.loads(self.resprof(*arguments, "--json", codes=codes, **settings).stdout)

    def start(self, *arguments: str | Path, **settings: Any) -> subprocess.Popen[str]:
        """Starts a command of resprof in a process group of its own."""
        return subprocess.Popen(
            [self.environment.python, "-m", "resprof", *arguments],
            env=self.variables(**settings),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


def kill(process: subprocess.Popen[str]) -> None:
    """Ends a process that ``start`` has started, and its children, at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
