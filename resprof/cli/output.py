"""Where an answer goes: format, screen, files that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from resprof.cli.streams import discard
from resprof.errors import EnvironmentMissing, UsageError, printable
from resprof.files import check_writable, write_whole
from resprof.render.answer import Answer
from resprof.render.table import one_line
from resprof.render.terminal import Screen, terminal


class Format(StrEnum):
    """In which form a result is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    HTML = "html"


Force = Annotated[bool, typer.Option("--force", help="replace an existing file")]
_SUFFIXES = {
    ".txt": Format.TABLE,
    ".json": Format.JSON,
    ".csv": Format.CSV,
    ".md": Format.MARKDOWN,
    ".html": Format.HTML,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """Where the result goes and in which form, as it was typed."""

    format: Annotated[Format | None, typer.Option(help="output format")] = None
    json: Annotated[bool, typer.Option("--json", help="short for --format json")] = False
    csv: Annotated[bool, typer.Option("--csv", help="short for --format csv")] = False
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="write to this .txt, .json, .csv, .md or .html file",
        ),
    ] = None
    force: Force = False

    def checked(self) -> Output:
        """Checks the options before any work starts; contradictions are usage errors."""
        short = [Format.JSON] * self.json + [Format.CSV] * self.csv
        asked = list(dict.fromkeys([*([self.format] if self.format else []), *short]))
        if len(asked) > 1:
            raise UsageError(
                f"{' and '.join(asked)} contradict each other", hint="ask for one format"
            )
        path = None if self.output == "-" else self.output
        if self.force and path is None:
            raise UsageError("--force needs a file to replace", hint="name one with -o")
        if path is None:
            return Output(format=_drawable(asked[0] if asked else Format.TABLE), path=None)
        file = Path(path)
        suffix = _SUFFIXES.get(file.suffix.lower())
        if asked and suffix and suffix is not asked[0]:
            raise UsageError(
                f"{printable(path)} means {suffix}, but {asked[0]} was asked for",
                hint=f"leave out the format, or name the file differently: {suffix} goes by suffix",
            )
        if not asked and suffix is None:
            raise UsageError(
                f"{printable(path)} does not say which format to write",
                hint=f"end it in {', '.join(_SUFFIXES)}, or give --format",
            )
        check_writable(file, force=self.force)
        return Output(format=_drawable(asked[0] if asked else suffix or Format.TABLE), path=file)


def _drawable(chosen: Format) -> Format:
    """The format, if what it needs is installed; ``EnvironmentMissing`` before any work if not."""
    if chosen is Format.HTML:
        from resprof.render.page import check_available

        check_available()
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A checked destination: ``path`` None is stdout."""

    format: Format
    path: Path | None

    def write(self, answer: Answer[Any]) -> None:
        """Writes the answer: its tables for readers, its records or sheets for programs."""
        match self.format:
            case Format.JSON:
                from resprof.codec import to_json

                rendered = to_json(answer)
            case Format.CSV:
                from resprof.render.formats import sheet

                rendered = sheet(*answer.sheets())
            case Format.MARKDOWN:
                from resprof.render.formats import markdown

                rendered = "\n".join(markdown(table) for table in answer.tables())
            case Format.HTML:
                from resprof.render.page import tables_html

                rendered = tables_html(answer.tables(), title=f"resprof {answer.command}")
            case _:
                screen = Screen() if self.path else stdout_screen()
                rendered = "\n".join(terminal(table, screen) for table in answer.tables())
        if self.path is None:
            emit(rendered)
        else:
            write_whole(self.path, rendered)
            say(f"wrote {self.path}")


class StdoutLost(EnvironmentMissing):
    """Standard output takes nothing more: its disk is full, for example."""


class ReaderGone(Exception):
    """Whoever read standard output has read enough, as ``head`` does.

    Not a ``BrokenPipeError``, which the option parser would make an exit code of its own of.
    """


def emit(text: str) -> None:
    """The result, to stdout and nowhere else."""
    try:
        try:
            sys.stdout.write(text)
        except UnicodeEncodeError:
            # Screens are in glyphs that the stream has; what is for programs is UTF-8 everywhere.
            sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
    except BrokenPipeError:
        raise ReaderGone from None
    except OSError as error:
        raise StdoutLost(
            f"the result could not be written: {error.strerror}", hint="write it elsewhere with -o"
        ) from None


def say(text: str) -> None:
    """A note, to stderr; where nobody takes it, the command goes on without."""
    try:
        print(one_line(text), file=sys.stderr)  # noqa: T201 # the one place that does
    except OSError:
        discard(sys.stderr)


def advise(text: str) -> None:
    """What to do next, for a person at a terminal."""
    if sys.stdout.isatty():
        say(f"next: {text}")


def stdout_screen() -> Screen:
    """Width, glyphs and colour that stdout can take."""
    at_terminal = sys.stdout.isatty()
    return Screen(
        width=shutil.get_terminal_size().columns if at_terminal else None,
        ascii=not _can_encode("\N{EM DASH}\N{BOX DRAWINGS LIGHT HORIZONTAL}"),
        color=at_terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb",
    )


def _can_encode(glyphs: str) -> bool:
    try:
        glyphs.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
