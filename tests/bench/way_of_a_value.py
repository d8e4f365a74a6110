"""How far a value travels: the files of resprof whose functions run for a command.

A file counts once one of its functions is called after the command line began; what only runs at
import does not. Changes are calls or returns that lead from one file to another. Of a command that
measures, only the process that was started counts, with all its threads.
Run: python tests/bench/way_of_a_value.py; exits with 1 where a command runs through more files than
it may.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

COMMANDS = {
    "flops resnet50": 16,
    "budget resnet18 --memory 8GiB": 26,
    "bench resnet18 --batch 1 --device cpu --time-limit 1s": 45,
}
"""Command lines, and through how many files each may run; predictions are in the cache."""

_COUNT = """
import inspect, json, sys, threading
from pathlib import Path

import resprof
from resprof.cli import main

home = str(Path(resprof.__file__).parent)
seen, changes, last = set(), 0, None

def hook(frame, event, argument):
    global changes, last
    code = frame.f_code
    # Without the flag it is the body of a module or a class, which runs at import.
    runs = event == "call" and code.co_flags & inspect.CO_OPTIMIZED
    if not runs or not code.co_filename.startswith(home):
        return
    file = code.co_filename[len(home) + 1:]
    seen.add(file)
    changes += file != last
    last = file

threading.setprofile(hook)
sys.setprofile(hook)
code = main.main(sys.argv[2:])
sys.setprofile(None)
Path(sys.argv[1]).write_text(json.dumps([code, sorted(seen), changes]))
"""


def files_of(line: str, folder: Path) -> tuple[list[str], int]:
    """The files of resprof that the command runs through, and its changes between them."""
    told = folder / "files.json"
    process = subprocess.run(
        [sys.executable, "-c", _COUNT, str(told), *line.split()],
        cwd=folder,
        env=os.environ | {"XDG_CACHE_HOME": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if not told.exists():
        raise SystemExit(f"{line}: {process.stderr}")
    code, files, changes = json.loads(told.read_text())
    if code != 0:
        raise SystemExit(f"{line}: exit code {code}: {process.stderr}")
    told.unlink()
    return files, changes


def main() -> int:
    """Prints each command's figures; 1 where one runs through more files than it may."""
    far = False
    with tempfile.TemporaryDirectory() as folder:
        for line, most in COMMANDS.items():
            files_of(line, Path(folder))  # fills the cache
            files, changes = files_of(line, Path(folder))
            far = far or len(files) > most
            print(f"{line}: {len(files)} files (at most {most}), {changes} changes")
            if "--names" in sys.argv:
                print("  " + "\n  ".join(files))
    return int(far)


if __name__ == "__main__":
    sys.exit(main())
