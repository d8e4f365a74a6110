"""The README's commands print what it shows, and its library lines run.

RESPROF_UPDATE_README=1 writes the outputs anew.
"""

from __future__ import annotations

import os
import re
import shlex
from importlib import metadata
from pathlib import Path

import pytest

from resprof.cli.main import main

SHOWN_WITH = "2.13."
README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"```console\n\$ resprof (?P<command>[^\n]*)\n(?P<output>.*?)```", re.DOTALL)


def blocks() -> dict[str, str]:
    return {found["command"]: found["output"] for found in BLOCK.finditer(README.read_text())}


@pytest.mark.parametrize("command", blocks())
def test_a_command_prints_what_the_readme_shows(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(README.parent)
    if command.startswith("budget") and not metadata.version("torch").startswith(SHOWN_WITH):
        pytest.skip(f"a prediction is of the torch that is installed, the README's of {SHOWN_WITH}")
    assert main(shlex.split(command)) == 0
    printed = capsys.readouterr().out
    if os.environ.get("RESPROF_UPDATE_README"):
        text = README.read_text()
        old = f"$ resprof {command}\n{blocks()[command]}```"
        README.write_text(text.replace(old, f"$ resprof {command}\n{printed}```"))
    assert blocks()[command] == printed


def test_the_library_lines_run(capsys: pytest.CaptureFixture[str]) -> None:
    (lines,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    exec(compile(lines, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "conv2_x" in printed
    assert len([line for line in lines.splitlines() if line]) <= 9


def test_the_set_up_is_one_line_each() -> None:
    lines = [line for line in README.read_text().splitlines() if line.startswith("python3 -m venv")]
    assert len(lines) == 2
    assert lines[0].endswith(".venv/bin/resprof report")
    assert lines[1].endswith(".venv/bin/pytest")
