"""The program: one explicit list of commands, and what becomes of an error."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable
from typing import Annotated

import typer

import resprof
from resprof import errors
from resprof.cli.output import ReaderGone, StdoutLost, emit, say
from resprof.cli.stopped import Stopped, asked_to_stop, listen, listen_no_more
from resprof.cli.streams import discard, open_streams

COMMANDS = {
    "list": "list_networks",
    "show": "show",
    "flops": "flops",
    "paper": "paper",
    "memory": "memory",
    "budget": "budget",
    "bench": "bench",
    "roofline": "roofline",
    "compare": "compare",
    "validate": "validate",
    "calibrate": "calibrate",
    "report": "report",
    "doctor": "doctor",
}
"""Every command, in the order of the help, and its function in the module of that name."""


def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
) -> None:
    """Profile ResNets: what they cost, whether they fit, how fast they run."""
    if version:
        emit(f"resprof {resprof.__version__}\n")
        raise typer.Exit
    if context.invoked_subcommand is None:
        emit(f"{context.get_help()}\n")


def _app(names: Iterable[str]) -> typer.Typer:
    """The program with these commands; the modules of others are not loaded."""
    app = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_root)
    for name in names:
        module = importlib.import_module(f"resprof.cli.commands.{name}")
        app.command(name)(getattr(module, COMMANDS[name]))
    return app


def run() -> None:
    """Runs the command line and exits with its code."""
    open_streams()
    listen()
    code = main(sys.argv[1:])
    listen_no_more()
    sys.exit(code)


def main(arguments: list[str]) -> int:
    """Runs one command and returns its exit code; every failure is two lines on stderr."""
    named = _named(arguments)
    try:
        app = _app(_needed(arguments, named))
        code = app(arguments, prog_name="resprof", standalone_mode=False)
    except (ReaderGone, SystemExit) as ended:
        # Help is written by typer, which exits where nobody reads it.
        if isinstance(ended, SystemExit) and not isinstance(ended.__context__, BrokenPipeError):
            raise
        discard(sys.stdout)
        return errors.EXIT_OK
    except Stopped as stopped:
        return _stopped(stopped)
    except errors.ResprofError as error:
        if isinstance(error, StdoutLost):
            discard(sys.stdout)
        return _fail(error.message, error.hint, error.exit_code)
    except Exception as error:
        swallowed = asked_to_stop()
        return _stopped(swallowed) if swallowed else _unexpected(error, named)
    swallowed = asked_to_stop()
    if swallowed:
        return _stopped(swallowed)
    return code if isinstance(code, int) else errors.EXIT_OK


def _stopped(stopped: Stopped) -> int:
    listen_no_more()
    return _fail(stopped.word, stopped.hint, stopped.exit_code)


def _named(arguments: list[str]) -> str | None:
    """The command asked for; None where an option of the program itself comes before it."""
    return arguments[0] if arguments and arguments[0] in COMMANDS else None


def _needed(arguments: list[str], named: str | None) -> Iterable[str]:
    """The commands to load: the one asked for, none for the version alone, else all."""
    if named is not None:
        return (named,)
    return () if arguments == ["--version"] else COMMANDS


def _unexpected(error: Exception, command: str | None) -> int:
    """What the machine lacks or refuses, the option parser's errors, and bugs."""
    known = errors.lacking(error) or errors.refused(error)
    if known is not None:
        discard(sys.stdout)  # what it could not take would fail again at the exit
        return _fail(known.message, known.hint, known.exit_code)
    # Newer typer has an option parser of its own, older ones use click's; their usage errors
    # have no common base, only these two attributes.
    exit_code = getattr(error, "exit_code", None)
    format_message = getattr(error, "format_message", None)
    if isinstance(exit_code, int) and callable(format_message):
        where = f"resprof {command} --help" if command else "resprof --help"
        message = str(format_message()).replace("Value error, ", "")
        return _fail(" ".join(message.split()), f"see: {where}", exit_code)
    if os.environ.get("RESPROF_TRACEBACK"):
        raise error
    return _fail(
        f"a bug in resprof: {type(error).__name__}: {' '.join(str(error).split())}",
        "set RESPROF_TRACEBACK=1, run it again and report what it prints",
        errors.ResprofError.exit_code,
    )


def _fail(message: str, hint: str, code: int) -> int:
    say(f"error: {message}")
    say(f"hint: {hint}")
    return code
