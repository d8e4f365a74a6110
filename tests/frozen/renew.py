"""Writes the frozen answers anew: python -m tests.frozen.renew [WORD]

With a word only those of command lines that hold it.
"""

from __future__ import annotations

import os
import sys
import tempfile

from tests.frozen.answers import FROZEN, files_of, gathered
from tests.frozen.commands import COMMANDS, GATHERED


def renew(word: str) -> None:
    """Writes the files; without a word what no command has any more is removed."""
    files: dict[str, str] = {}
    for command in COMMANDS:
        if word in command.line:
            files |= files_of(command)
    files |= {f"{name}.txt": gathered(name) for name in GATHERED if word in name}
    FROZEN.mkdir(exist_ok=True)
    for name, text in files.items():
        (FROZEN / name).write_text(text, encoding="utf-8", newline="")
    if not word:
        for file in FROZEN.iterdir():
            if file.name not in files:
                file.unlink()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        renew(" ".join(sys.argv[1:]))
