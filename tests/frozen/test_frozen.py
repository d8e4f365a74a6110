"""What a user sees, held byte for byte against what was frozen in ``answers``.

``python -m tests.frozen.renew`` writes the answers anew. The committed report is held against the
tool in tests/answers/report/test_report.py and what the README shows in tests/test_readme.py.
"""

from __future__ import annotations

import difflib
from importlib import metadata
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from tests.frozen.answers import FROZEN, LOOKS, files_of, gathered
from tests.frozen.commands import COMMANDS, GATHERED, Command

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

TRACED_WITH = "2.13."
_SHOWN_MOST = 20
"""Lines of a file's difference that are printed."""


def _marked(command: Command) -> ParameterSet:
    marks = [pytest.mark.slow] if command.slow else []
    return pytest.param(command, id=command.line or "(nothing)", marks=marks)


def _hold(files: dict[str, str]) -> None:
    # Last what every page shares: a change of it alone shows in every command that has a page.
    names = sorted(files, key=lambda name: name == LOOKS)
    differ = [difference for name in names if (difference := _difference(name, files[name]))]
    if differ:
        shown = "\n".join(differ)
        pytest.fail(f"{shown}\n\nif that is meant: python -m tests.frozen.renew", pytrace=False)


def _difference(name: str, text: str) -> str:
    file = FROZEN / name
    frozen = file.read_bytes().decode("utf-8") if file.exists() else ""
    if text == frozen:
        return ""
    lines = difflib.unified_diff(
        frozen.splitlines(), text.splitlines(), f"frozen {name}", f"now {name}", n=1, lineterm=""
    )
    return "\n".join(islice(lines, _SHOWN_MOST)) or f"{name} differs in line ends only"


@pytest.mark.parametrize("command", [_marked(each) for each in COMMANDS])
def test_an_answer_is_what_it_was(command: Command) -> None:
    if command.traced and not metadata.version("torch").startswith(TRACED_WITH):
        pytest.skip(f"a prediction is of the torch that is installed, these are of {TRACED_WITH}")
    _hold(files_of(command))


@pytest.mark.parametrize("name", list(GATHERED))
def test_short_answers_are_what_they_were(name: str) -> None:
    _hold({f"{name}.txt": gathered(name)})


def test_every_file_is_of_a_command() -> None:
    known = {LOOKS, *(f"{name}.txt" for name in GATHERED)}
    for command in COMMANDS:
        suffixes = [".txt", *(form.suffix for form in command.forms if form.suffix)]
        known |= {command.name + suffix for suffix in suffixes}
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)
    assert {file.name for file in FROZEN.iterdir()} <= known
