"""Compiles the libraries that torch's CUDA build loads: ours, and a stub for every other symbol.

torch links its CUDA libraries dynamically. What it wants of them is read from its own files, so a
symbol that is not written by hand in device/ becomes a function that answers 0, which is success.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.simulated_gpu.errors import BuildError

DEVICE = Path(__file__).parent / "device"
TOOLS = ("g++", "nm", "readelf")
_COMPILE = ("g++", "-std=c++17", "-O1", "-fPIC", "-Wall", "-Wextra", "-Werror")
_HIDDEN = "-fvisibility=hidden"

# What a symbol begins with, and the library that has it; the first that fits.
_LIBRARY_BY_PREFIX = (
    (r"cuFile", "libcufile"),
    (r"cu[A-Z]", "libcuda"),
    (r"nccl", "libnccl"),
    (r"cusparseLt", "libcusparseLt"),
    (r"curand", "libcurand"),
    (r"nvshmem", "libnvshmem_host"),
    (r"cudnn", "libcudnn"),
    (r"cublasLt", "libcublasLt"),
    (r"cublas", "libcublas"),
    (r"cusolver", "libcusolver"),
    (r"cusparse", "libcusparse"),
    (r"cufft", "libcufft"),
    (r"cupti", "libcupti"),
    (r"nvrtc", "libnvrtc"),
    (r"(__)?cuda", "libcudart"),
)
_RUNTIME, _DRIVER, _NVML = "libcudart", "libcuda", "libnvidia-ml"
_SOURCES: Mapping[str, tuple[str, ...]] = {
    _RUNTIME: ("timeline", "memory", "streams", "kernels"),
    _DRIVER: ("driver",),
    "libcublas": ("cublas",),
    "libcublasLt": ("cublas",),
    "libcudnn": ("cudnn",),
}
_TRITON = Path("triton", "backends", "nvidia", "driver.c")
"""Compiled when Triton first runs, against what it wants of the driver."""

CUDA_FOLDER, NVML_FOLDER = "cuda", "nvml"
"""Apart, so that a program can be run as on a machine without NVML."""


def digest() -> str:
    """Eight digits that change with whatever the libraries are made of."""
    files = [Path(__file__), *sorted(DEVICE.iterdir())]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What a torch was built with, in NVIDIA's numbers: 13000 is CUDA 13.0, 91900 cuDNN 9.19.0."""

    cuda: int
    cudnn: int


def refuse_without_tools() -> None:
    """Raises ``BuildError`` where the compiler or its companions are missing."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise BuildError(
            f"there is no {', no '.join(missing)} here",
            hint="install a C++ compiler with binutils: apt-get install g++",
        )


def compile_libraries(site: Path, versions: Versions, headers: Path, folder: Path) -> None:
    """Makes all libraries for the torch and Triton in ``site``; ``headers`` has CUDA's headers.

    Raises ``BuildError`` where the compiler refuses.
    """
    objects, cuda, nvml = (folder / name for name in ("objects", CUDA_FOLDER, NVML_FOLDER))
    for each in (objects, cuda, nvml):
        each.mkdir(parents=True, exist_ok=True)
    defined = (
        f"-DSIMULATED_CUDA_VERSION={versions.cuda}",
        f"-DSIMULATED_CUDNN_VERSION={versions.cudnn}",
    )
    sources = sorted({source for sources in _SOURCES.values() for source in sources})
    for source in (*sources, "nvml"):
        made = ("-c", DEVICE / f"{source}.cpp", "-o", objects / f"{source}.o")
        _call((*_COMPILE, _HIDDEN, "-isystem", headers, *defined, *made))
    needed, wanted = _needs(site)
    # The runtime first: the others link to it.
    for stem in sorted(needed, key=lambda name: (name != _RUNTIME, name)):
        handwritten = [objects / f"{source}.o" for source in _SOURCES.get(stem, ())]
        runtime = [cuda / needed[_RUNTIME]] if handwritten and stem != _RUNTIME else []
        _link(needed[stem], wanted[stem], handwritten, runtime, cuda)
    soname = f"{_NVML}.so.1"
    _call(("g++", "-shared", f"-Wl,-soname,{soname}", objects / "nvml.o", "-o", nvml / soname))
    shutil.rmtree(objects)


def _needs(site: Path) -> tuple[dict[str, str], dict[str, dict[str, str | None]]]:
    """File names of the libraries torch loads, and their symbols with versions, each by stem."""
    needed = {_DRIVER: f"{_DRIVER}.so.1"}
    wanted: dict[str, dict[str, str | None]] = defaultdict(dict)
    triton = (site / _TRITON).read_text(encoding="utf-8")
    wanted[_DRIVER] = dict.fromkeys(re.findall(r"\bcu[A-Z]\w+", triton))
    for file in (*site.glob("torch/lib/*.so"), *site.glob("torch/_C*.so")):
        for soname in re.findall(r"NEEDED.*\[(lib[^\]]*)\]", _call(("readelf", "-d", file))):
            stem = soname.partition(".")[0]
            if any(stem == library for _, library in _LIBRARY_BY_PREFIX):
                needed[stem] = soname
        for line in _call(("nm", "-D", "--undefined-only", file)).splitlines():
            name, _, version = line.split()[-1].partition("@")
            for prefix, stem in _LIBRARY_BY_PREFIX:
                if re.match(prefix, name):
                    wanted[stem][name] = version.lstrip("@") or None
                    break
    if _RUNTIME not in needed:
        raise BuildError(
            "this torch loads no CUDA library: it is a build for CPUs",
            hint="name a version whose CUDA build the package index has: --torch 2.11.0",
        )
    return needed, wanted


def _link(
    soname: str,
    wanted: Mapping[str, str | None],
    objects: Sequence[Path],
    libraries: Sequence[Path],
    folder: Path,
) -> None:
    defined = _call(("nm", "--defined-only", *objects)) if objects else ""
    ours = set(re.findall(r" T (\w+)$", defined, flags=re.MULTILINE))
    stub, versions = folder / f"{soname}.c", folder / f"{soname}.map"
    stub.write_text(_stub_source(sorted(set(wanted) - ours)), encoding="utf-8")
    command: list[str | Path] = ["g++", "-shared", "-fPIC", "-x", "c", stub, "-x", "none"]
    script = _version_script(wanted)
    if script:
        versions.write_text(script, encoding="utf-8")
        command.append(f"-Wl,--version-script={versions}")
    output = folder / soname
    _call((*command, *objects, *libraries, f"-Wl,-soname,{soname}", "-o", output))
    stub.unlink()
    versions.unlink(missing_ok=True)


def _stub_source(names: Iterable[str]) -> str:
    """C source of functions that return 0 and, where the device is traced, say their name."""
    head = (
        "#include <stdio.h>\n#include <stdlib.h>\n"
        "static int stub(const char* name) {\n"
        '  if (getenv("RESPROF_SIMULATED_TRACE")) fprintf(stderr, "simulated: %s\\n", name);\n'
        "  return 0;\n}\n"
    )
    return head + "".join(f'int {name}(void) {{ return stub("{name}"); }}\n' for name in names)


def _version_script(wanted: Mapping[str, str | None]) -> str:
    """The linker's script that gives symbols the versions torch was linked against."""
    names = defaultdict(list)
    for name, version in wanted.items():
        if version is not None:
            names[version].append(name)
    return "".join(
        f"{version} {{ global: {' '.join(f'{name};' for name in sorted(of))} }};\n"
        for version, of in sorted(names.items())
    )


def _call(command: Sequence[str | Path]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(
            f"{command[0]} failed: {(done.stderr.strip().splitlines() or ['no message'])[0]}",
            hint="CUDA headers of another release may differ: see tests/simulated_gpu/README.md",
        )
    return done.stdout
