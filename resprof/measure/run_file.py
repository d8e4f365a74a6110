"""The run file: JSON lines of what was measured, each complete in itself, in the order it happened.

Every line is ``{"schema": 2, "record": "environment" | "launch start" | "round" | ..., ...}``. What
follows an environment belongs to it, so a run that is continued on another day says so. A line
counts once its line feed is written: what a kill cuts off is the record in flight and nothing else.
That beginning of a line is removed before the next one is written. What resprof has not written it
leaves as it is.
Fields that are added later get a default, so older files of the same schema can be read.
"""

from __future__ import annotations

import codecs
import errno
import fcntl
import json
import os
import shlex
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Self

from resprof.codec import (
    FileFormat,
    decode_text,
    read_bytes,
    read_open,
    record_of,
    records_of,
    to_plain,
)
from resprof.errors import EnvironmentMissing, UsageError, impossible, printable_path
from resprof.measure.run import EnergyWindow, LaunchEnd, LaunchStart, Round, TiledRound
from resprof.model.environment import Environment

Record = Environment | LaunchStart | Round | TiledRound | EnergyWindow | LaunchEnd

RUN: FileFormat[Record] = FileFormat(
    name="run file",
    schema=2,
    kinds={
        "environment": Environment,
        "launch start": LaunchStart,
        "round": Round,
        "tiled round": TiledRound,
        "energy window": EnergyWindow,
        "launch end": LaunchEnd,
    },
    hint="name a run file, such as resprof bench writes under reports/runs",
)
_APPENDED = replace(RUN, hint="choose another file with --run")
_NAMES = {kind: name for name, kind in RUN.kinds.items()}
_HEADS = tuple(f'{{"schema":{RUN.schema},"record":"{name}",'.encode() for name in RUN.kinds)
"""How a line begins, as ``to_line`` writes it."""
_TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN)
"""What flock says of a file that another process has locked."""


def to_line(record: Record) -> str:
    """The record as one line with its line feed."""
    plain = RUN.head(_NAMES[type(record)]) | to_plain(record)
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def from_line(line: str) -> Record:
    """The record of a line; ``UsageError`` for a schema or a kind that this version lacks."""
    return record_of(line, RUN, "a line")


def read_run(path: Path) -> tuple[Record, ...]:
    """The records of a run file without a last line that was cut off.

    Raises ``UsageError`` for a file that cannot be read or is no run file.
    """
    return _records(read_bytes(path, RUN.hint), RUN, printable_path(path))


class RunFile:
    """A run file open for appending by one process; what is in it is checked first.

    ``kept`` are the records that it had. A file that has some is refused without ``resume``, one
    that another process appends to is refused in any case. Nothing is changed before the first
    record comes, and a new file that gets none is gone again. Every record reaches the operating
    system at once, the end of a launch the disk. ``unlocked`` says why nothing keeps other
    processes from it, None where the lock does.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self._path = path
        self._resume = resume
        self._file: int | None = None
        self._is_new = False
        self._whole = 0
        self.kept: tuple[Record, ...] = ()
        self.unlocked: str | None = None

    def __enter__(self) -> Self:
        self._file = self._open()
        try:
            self._lock(self._file)
            name = printable_path(self._path)
            content = read_open(self._file, name, _APPENDED.hint)
            self.kept = _records(content, _APPENDED, name)
            if self.kept and not self._resume:
                raise UsageError(
                    f"{printable_path(self._path)} already contains a run",
                    hint="add --resume to measure what is missing, or choose another file",
                )
            self._whole = _whole(content)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def append(self, record: Record) -> None:
        """Writes one line; returns when a kill of this process can no longer lose it.

        Raises ``EnvironmentMissing`` where the disk takes nothing more; the file is whole then.
        """
        if self._file is None:
            raise ValueError("the run file is not open")
        rest = to_line(record).encode()
        before = self._whole
        try:
            if os.fstat(self._file).st_size > before:
                os.ftruncate(self._file, before)  # the line that a kill cut off
            while rest:
                rest = rest[os.write(self._file, rest) :]
            if isinstance(record, LaunchEnd):
                os.fsync(self._file)
            self._whole = os.fstat(self._file).st_size
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, before)
            raise EnvironmentMissing(
                f"cannot write to the run file: {error.strerror}",
                hint=f"free some space, then add --resume --run {shlex.quote(str(self._path))}",
            ) from None

    def _open(self) -> int:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK
            with suppress(FileExistsError):
                file = os.open(self._path, flags | os.O_EXCL, 0o666)
                self._is_new = True
                return file
            return os.open(self._path, flags, 0o666)
        except OSError as error:
            what = f"cannot write {printable_path(self._path)}"
            raise impossible(what, error, hint=_APPENDED.hint) from None

    def _lock(self, file: int) -> None:
        """The lock is the open file's and goes with this process, however it ends."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _TAKEN:
                raise self._another() from None
            self.unlocked = error.strerror or str(error)
        try:
            if os.path.samestat(os.fstat(file), self._path.stat()):
                return
        except OSError:
            pass
        # Whoever made it has removed it, as nothing came into it.
        raise self._another()

    def _another(self) -> UsageError:
        self._is_new = False
        return UsageError(
            f"another resprof is writing to {printable_path(self._path)}",
            hint=f"wait for it, or {_APPENDED.hint}",
        )

    def _close(self) -> None:
        if self._file is None:
            return
        if self._is_new and os.fstat(self._file).st_size == 0:
            with suppress(OSError):
                self._path.unlink()  # before the lock is given up: nobody writes to it yet
        os.close(self._file)
        self._file = None


def _whole(content: bytes) -> int:
    """Up to where the lines have their line feeds."""
    return content.rfind(b"\n") + 1


def _records(content: bytes, form: FileFormat[Record], name: str) -> tuple[Record, ...]:
    whole = _whole(content)
    records = records_of(decode_text(content[:whole], name, form.hint), form, name)
    if (whole and not records) or not _is_cut(content[whole:], form, name):
        if not records:
            raise UsageError(f"{name} is not a run file", hint=form.hint)
        raise UsageError(
            f"the text after the last line of {name} is not a record",
            hint=f"remove what follows the last line feed, or {form.hint}",
        )
    return records


def _is_cut(rest: bytes, form: FileFormat[Record], name: str) -> bool:
    """Whether ``to_line`` begins a line so; ``UsageError`` for an object that is no record."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(rest)  # a character may be cut too
        json.JSONDecoder().raw_decode(text)
    except (UnicodeDecodeError, RecursionError):
        return False
    except ValueError:  # it has no end
        begun = any(rest.startswith(head[: len(rest)]) for head in _HEADS)
        return begun and all(character >= " " for character in text)
    return to_line(record_of(text, form, f"the last line of {name}")) == f"{text}\n"
