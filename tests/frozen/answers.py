"""The answers of the command lines as the texts of files, for the eye and for `diff`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from tests.frozen.commands import GATHERED, Command, Form
from tests.frozen.machine import without_machine
from tests.frozen.pages import taken_apart
from tests.frozen.program import Answered, answer, folder

FROZEN = Path(__file__).parent / "answers"
LOOKS = "looks-of-every-page.txt"
"""The one file that a change of style or script alone changes."""

_PICTURES = (".svg", ".png", ".html")
"""Drawn by a library with the fonts of the machine: of these the names alone are kept."""
_SHOWN_AS = {0x1B: "\N{SYMBOL FOR ESCAPE}", 0x0D: "\N{SYMBOL FOR CARRIAGE RETURN}"}
"""Control characters as pictures of themselves, so that a file stays a text."""
_SHOWN_MOST = 8
"""More files than these are told by their digests."""


def files_of(command: Command) -> dict[str, str]:
    """The files of one command, by name."""
    files: dict[str, str] = {}
    sections: list[str] = []
    seen: dict[str, str] = {}
    with folder():
        for form in command.forms:
            found = answer(command.arguments, form)
            printed = without_machine(found.out, command)
            if form.suffix is not None and printed:
                name = command.name + form.suffix
                files |= _file(name, printed, form)
                printed = f"(in {name})\n"
            body = _section(command, found, printed)
            same = seen.setdefault(body, form.name)
            body = body if same == form.name else f"as with: {same}\n"
            sections.append(f"######## {_asked(form)}\n{body}")
    head = f"$ resprof {command.line}\n\n"
    return {f"{command.name}.txt": head + "\n".join(sections), **files}


def gathered(name: str) -> str:
    """The short answers of that name, one after another."""
    return "\n".join(_short(GATHERED[name]))


def _short(commands: Sequence[Command]) -> Iterator[str]:
    for command in commands:
        with folder():
            found = answer(command.arguments, command.forms[0])
        yield f"######## $ resprof {command.line}\n{_section(command, found, found.out)}"


def _asked(form: Form) -> str:
    return " ".join((f"{form.name}:", *form.options)).removesuffix(":")


def _section(command: Command, found: Answered, printed: str) -> str:
    parts = [f"exit code {found.code}\n"]
    if printed:
        parts.append(f"==== stdout\n{_ended(printed)}")
    if found.err:
        parts.append(f"==== stderr\n{_ended(found.err)}")
    if len(found.written) > _SHOWN_MOST:
        listed = (_listed(command, *file) for file in found.written.items())
        parts.append(f"==== files\n{''.join(listed)}")
    else:
        parts += [
            f"==== file {name}\n{_ended(content.decode('utf-8'))}"
            for name, content in found.written.items()
        ]
    return "".join(parts).translate(_SHOWN_AS)


def _listed(command: Command, name: str, content: bytes) -> str:
    if name.endswith(_PICTURES):
        return f"{name}\n"
    text = without_machine(content.decode("utf-8"), command)
    return f"{name} {sha256(text.encode()).hexdigest()}\n"


def _ended(text: str) -> str:
    """A last line that has no line feed says so."""
    if not text:
        return "(empty)\n"
    return text if text.endswith("\n") else f"{text}\n(no line feed)\n"


def _file(name: str, printed: str, form: Form) -> dict[str, str]:
    if form.name != "html":
        return {name: printed}
    page = taken_apart(printed)
    return {
        name: f"markup sha256 {page.markup}\n\n{page.text}",
        LOOKS: f"style and script sha256 {page.looks}\n",
    }
