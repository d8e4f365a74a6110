"""An interrupt while the program is still being loaded ends in two lines."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_AT = """
import os, signal, sys
from importlib.abc import MetaPathFinder
class Interrupts(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupts())
sys.argv = ["resprof", "flops", "resnet18"]
from resprof.__main__ import run
run()
"""


@pytest.mark.parametrize("module", ["resprof.cli", "typer", "unicodedata", "resprof.units"])
def test_an_interrupt_while_a_module_is_loaded(module: str) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-S",
            "-c",
            f"import sys; sys.path += {sys.path!r}\n" + _AT.format(module=module),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    assert done.stderr.decode().splitlines() == [
        "error: interrupted",
        "hint: nothing is half-written",
    ]
    assert done.returncode == 130


def test_the_package_loads_nothing_before_it_can_be_interrupted() -> None:
    script = "import sys; before = {*sys.modules}; import resprof; print(*{*sys.modules} - before)"
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)
    assert {*done.stdout.decode().split()} <= {
        "resprof",
        "importlib",
        "importlib._bootstrap",
        "importlib._bootstrap_external",
        "warnings",
    }
    assert signal.getsignal(signal.SIGINT) is not None
