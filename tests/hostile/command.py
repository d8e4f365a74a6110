"""Runs the program as people do and says what came of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Ended:
    """An exit code and what was said."""

    code: int
    out: str
    said: str

    def assert_two_lines(self, code: int, *words: str) -> None:
        """It failed with that code in two lines, the first of which has these words."""
        assert self.code == code, self
        lines = [line for line in self.said.splitlines() if not line.startswith("warning: ")]
        assert len(lines) == 2, self.said
        assert lines[0].startswith("error: ")
        assert lines[1].startswith("hint: ")
        assert "a bug in resprof" not in lines[0]
        for word in words:
            assert word in lines[0]


def resprof(*arguments: object, env: Mapping[str, str] | None = None, **options: Any) -> Ended:
    """``python -m resprof`` with these arguments; ``env`` is added to the environment."""
    done = subprocess.run(
        [sys.executable, "-m", "resprof", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, **(env or {})},
        timeout=LIMIT_S,
        check=False,
        **options,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
