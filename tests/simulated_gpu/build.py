"""Builds the simulated CUDA device and an environment with torch's CUDA build to run on it.

Run: python -m tests.simulated_gpu.build [--torch VERSION]

All of it lies in a folder of the user's cache, named by versions. A second call finds it there;
one after a kill goes on with what is complete; two at once wait for each other.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.simulated_gpu.errors import BuildError
from tests.simulated_gpu.libraries import (
    CUDA_FOLDER,
    NVML_FOLDER,
    Versions,
    compile_libraries,
    digest,
    refuse_without_tools,
)

TORCH = "2.11.0"
"""What GPU hosts have today."""
ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(
    os.environ.get("RESPROF_SIMULATED_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "resprof-simulated-gpu"
)
"""Settled when imported: tests point XDG_CACHE_HOME elsewhere later on."""
_NEEDED_BYTES = 5 * 10**9
"""Wheels and what they unpack to: torch 0.5 and 1.5 GB, Triton 0.2 and 0.7, pandas and others."""
_NOT_NEEDED = ("altair", "fvcore", "torch", "vl-convert-python")
"""What resprof asks for beside: charts and a witness, which need no device, and torch itself."""
_REPLACED = re.compile(r"(nvidia|cuda)-")
"""What torch asks for that the simulated libraries stand in for."""
_HEADERS = ("nvidia-cuda-runtime", "nvidia-cuda-crt")
_RETRIES = "3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A Python with torch's CUDA build, and the libraries that make it meet a device."""

    python: Path
    libraries: Path

    def variables(self, *, nvml: bool = True) -> Mapping[str, str]:
        """The environment variables that a process needs, on a machine with NVML or without."""
        folders = [CUDA_FOLDER, *([NVML_FOLDER] if nvml else [])]
        return {
            "LD_LIBRARY_PATH": os.pathsep.join(str(self.libraries / name) for name in folders),
            "PYTHONPATH": str(ROOT),
        }


def built(torch: str = TORCH) -> Environment | None:
    """The environment as it was built from these sources; None where it was not."""
    folder = _folder(torch)
    libraries = folder / f"libraries-{digest()}"
    python = folder / "environment" / "bin" / "python"
    if not (python.exists() and libraries.is_dir()):
        return None
    return Environment(python=python, libraries=libraries)


def build(torch: str = TORCH, say: Callable[[str], None] = lambda _: None) -> Environment:
    """Makes what is missing. Raises ``BuildError``."""
    found = built(torch)
    if found is not None:
        return found
    folder = _folder(torch)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / "lock", say):
            _build(torch, folder, say)
    except OSError as error:
        raise BuildError(str(error), hint=f"see that {CACHE} can be written to") from error
    found = built(torch)
    assert found is not None
    return found


def _build(torch: str, folder: Path, say: Callable[[str], None]) -> None:
    refuse_without_tools()
    environment, headers = folder / "environment", folder / "headers"
    if not (environment.is_dir() and headers.is_dir()):
        free = shutil.disk_usage(folder).free
        if free < _NEEDED_BYTES:
            raise BuildError(
                f"{folder} has {free / 1e9:.1f} GB left, of {_NEEDED_BYTES / 1e9:.0f} GB needed",
                hint="name another folder: RESPROF_SIMULATED_CACHE=FOLDER",
            )
    if not environment.is_dir():
        with _whole(environment) as part:
            _install(torch, part, folder / "wheels", say)
    site = _site_packages(environment)
    if not headers.is_dir():
        say("CUDA's headers")
        with _whole(headers) as part:
            _unpack_headers(_cuda_release(site), _Pip(environment), folder / "wheels", part)
    # Kept until here, so that nothing is loaded twice after a kill.
    shutil.rmtree(folder / "wheels", ignore_errors=True)
    libraries = folder / f"libraries-{digest()}"
    if not libraries.is_dir():
        say("compiling the simulated libraries")
        with _whole(libraries) as part:
            compile_libraries(site, _versions(site), headers, part)


def _folder(torch: str) -> Path:
    wants = hashlib.sha256("\n".join(_requirements()).encode()).hexdigest()[:8]
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return CACHE / f"torch-{torch}-{python}-{wants}"


def _requirements() -> tuple[str, ...]:
    """What resprof needs beside torch to run on a GPU host, as pyproject.toml has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked: list[str] = project["dependencies"]
    return tuple(sorted(line for line in asked if _name(line) not in _NOT_NEEDED))


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


class _Pip:
    """pip of one environment."""

    def __init__(self, environment: Path) -> None:
        self._command = (environment / "bin" / "python", "-m", "pip")

    def install(self, *arguments: str | Path) -> None:
        # What is imported is compiled then; of torch and Triton that is little.
        self._run("install", "--no-compile", "--no-warn-conflicts", *arguments)

    def wheel(self, requirement: str, folder: Path) -> Path:
        """The wheel of that release; the folder, of one torch, has one of a package at most."""
        pattern = f"{_name(requirement).replace('-', '_')}-*.whl"
        found = next(folder.glob(pattern), None)
        if found is not None:
            return found
        part = folder / "part"  # pip's copy of a wheel is not whole before pip has ended
        shutil.rmtree(part, ignore_errors=True)
        self._run("download", "--no-deps", "--no-cache-dir", "-d", part, requirement)
        (loaded,) = part.iterdir()
        return loaded.rename(folder / loaded.name)

    def _run(self, verb: str, *arguments: str | Path) -> None:
        command = (*self._command, verb, "-q", "--disable-pip-version-check", "--retries", _RETRIES)
        _call((*command, *arguments), "pip must reach a package index that has this release")


def _install(torch: str, environment: Path, wheels: Path, say: Callable[[str], None]) -> None:
    wheels.mkdir(exist_ok=True)
    _call((sys.executable, "-m", "venv", environment), "install Python's venv: python3-venv")
    pip = _Pip(environment)
    say(f"torch {torch}, half a gigabyte")
    pip.install("--no-deps", "--no-index", pip.wheel(f"torch=={torch}", wheels))
    site = _site_packages(environment)
    _cuda_release(site)  # before the rest is loaded for nothing
    triton, beside = _torch_requirements(site)
    say("Triton")
    pip.install("--no-deps", "--no-index", pip.wheel(triton, wheels))
    say("what torch and resprof need beside")
    known = [
        line
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if _name(line) != "torch"
    ]
    constraints = environment / "constraints.txt"
    constraints.write_text("\n".join(known), encoding="utf-8")
    pip.install("-c", constraints, *beside, *_requirements())


def _site_packages(environment: Path) -> Path:
    return next(environment.glob("lib/python3.*/site-packages"))


def _cuda_release(site: Path) -> str:
    """CUDA's release of that torch, as 13.0."""
    source = (site / "torch" / "version.py").read_text(encoding="utf-8")
    found = re.search(r"^cuda.*= '(\d+\.\d+)'", source, flags=re.MULTILINE)
    if found is None:
        raise BuildError(
            "the package index answers with a build of torch for CPUs",
            hint="name a version whose CUDA build it has: --torch 2.11.0",
        )
    return found[1]


def _versions(site: Path) -> Versions:
    major, minor = _cuda_release(site).split(".")
    found = re.search(r"nvidia-cudnn-cu\d+==(\d+)\.(\d+)\.(\d+)", _metadata(site))
    if found is None:
        raise BuildError(
            "this torch does not say which cuDNN it was built with",
            hint="name another release: --torch 2.11.0",
        )
    first, second, third = (int(part) for part in found.groups())
    return Versions(
        cuda=int(major) * 1000 + int(minor) * 10, cudnn=first * 10000 + second * 100 + third
    )


def _metadata(site: Path) -> str:
    return (next(site.glob("torch-*.dist-info")) / "METADATA").read_text(encoding="utf-8")


def _torch_requirements(site: Path) -> tuple[str, tuple[str, ...]]:
    """Triton's release, and what else torch asks for that is not of CUDA."""
    lines = re.findall(r"^Requires-Dist: (.*)$", _metadata(site), flags=re.MULTILINE)
    asked = [line.partition(";")[0].strip() for line in lines if "extra ==" not in line]
    triton = next(line for line in asked if _name(line) == "triton")
    return triton, tuple(
        line for line in asked if _name(line) != "triton" and not _REPLACED.match(line)
    )


def _unpack_headers(cuda: str, pip: _Pip, wheels: Path, folder: Path) -> None:
    wheels.mkdir(exist_ok=True)
    for package in _HEADERS:
        with zipfile.ZipFile(pip.wheel(f"{package}=={cuda}.*", wheels)) as wheel:
            for member in wheel.namelist():
                _, found, below = member.partition("/include/")
                if not found or member.endswith("/"):
                    continue
                target = folder / below
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(wheel.read(member))


@contextlib.contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A folder to fill, which takes its name only once it is complete."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    yield part
    part.rename(folder)


@contextlib.contextmanager
def _alone(file: Path, say: Callable[[str], None]) -> Iterator[None]:
    """One build at a time; the system lets go of the lock whatever happens to its holder."""
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _call(command: Sequence[str | Path], hint: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR:")] or said or ["no message"]
        raise BuildError(errors[0].removeprefix("ERROR: ").strip(), hint=hint)


def main() -> int:
    """Builds and says how to run with it; 3 where the environment lacks something."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulated_gpu.build", description=__doc__
    )
    parser.add_argument("--torch", default=TORCH, metavar="VERSION", help=f"default: {TORCH}")
    try:
        environment = build(
            parser.parse_args().torch, lambda text: print(text, file=sys.stderr, flush=True)
        )
    except BuildError as error:
        print(f"error: {error}\nhint: {error.hint}", file=sys.stderr)
        return 3
    variables = " ".join(f"{name}={value}" for name, value in environment.variables().items())
    print(f"{variables} {environment.python} -m resprof doctor")
    return 0


if __name__ == "__main__":
    sys.exit(main())
