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
import fcntl
import json
import os
import shlex
import stat
from contextlib import suppress
from pathlib import Path
from typing import Self

from resprof.codec import from_plain, to_plain
from resprof.errors import EnvironmentMissing, UsageError, printable_path
from resprof.measure.run import EnergyWindow, LaunchEnd, LaunchStart, Round, TiledRound
from resprof.model.environment import Environment

RUN_SCHEMA = 2

Record = Environment | LaunchStart | Round | TiledRound | EnergyWindow | LaunchEnd

_KINDS: dict[str, type[Record]] = {
    "environment": Environment,
    "launch start": LaunchStart,
    "round": Round,
    "tiled round": TiledRound,
    "energy window": EnergyWindow,
    "launch end": LaunchEnd,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_HEADS = tuple(f'{{"schema":{RUN_SCHEMA},"record":"{name}",'.encode() for name in _KINDS)
"""How a line begins, as ``to_line`` writes it."""
ANOTHER_RUN = "choose another file with --run"


def to_line(record: Record) -> str:
    """The record as one line with its line feed."""
    head = {"schema": RUN_SCHEMA, "record": _NAMES[type(record)]}
    plain = head | to_plain(record)
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def from_line(line: str) -> Record:
    """The record of a line; ``UsageError`` for a schema or a kind that this version lacks."""
    try:
        plain = json.loads(line)
        schema, name = plain["schema"], plain["record"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UsageError("a line of the run file is not a record", hint=ANOTHER_RUN) from None
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if schema != RUN_SCHEMA or kind is None:
        raise UsageError(
            f"the run file holds a record {name!r} of schema {schema!r}, this resprof reads "
            f"schema {RUN_SCHEMA}",
            hint=f"{ANOTHER_RUN}, or read it with the resprof that wrote it",
        )
    try:
        return from_plain(kind, plain)
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"the run file has a record of kind {name} that cannot be read: {error}",
            hint=ANOTHER_RUN,
        ) from None


def read_run(path: Path) -> tuple[Record, ...]:
    """The records of a run file without a last line that was cut off.

    Raises ``UsageError`` for a file that cannot be read or is no run file.
    """
    try:
        return _records(path.read_bytes())
    except OSError as error:
        raise UsageError(
            f"cannot read {printable_path(path)}: {error.strerror}", hint="name a run file"
        ) from None


class RunFile:
    """A run file open for appending by one process; what is in it is checked first.

    ``kept`` are the records that it had. A file that has some is refused without ``resume``, one
    that another process appends to is refused in any case. Nothing is changed before the first
    record comes, and a new file that gets none is gone again. Every record reaches the operating
    system at once, the end of a launch the disk.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self._path = path
        self._resume = resume
        self._file: int | None = None
        self._is_new = False
        self._whole = 0
        self.kept: tuple[Record, ...] = ()

    def __enter__(self) -> Self:
        self._file = self._open()
        try:
            self._lock(self._file)
            content = self._content(self._file)
            self.kept = _records(content)
            if self.kept and not self._resume:
                raise UsageError(
                    f"{printable_path(self._path)} holds a run already",
                    hint="add --resume to measure what it lacks, or choose another file",
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
                f"the run file takes nothing more: {error.strerror}",
                hint=f"make room, then add --resume --run {shlex.quote(str(self._path))}",
            ) from None

    def _open(self) -> int:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
            with suppress(FileExistsError):
                file = os.open(self._path, flags | os.O_EXCL, 0o666)
                self._is_new = True
                return file
            return os.open(self._path, flags, 0o666)
        except OSError as error:
            raise UsageError(
                f"cannot write {printable_path(self._path)}: {error.strerror}", hint=ANOTHER_RUN
            ) from None

    def _content(self, file: int) -> bytes:
        if not stat.S_ISREG(os.fstat(file).st_mode):  # a device or a pipe has no end to read to
            raise UsageError(
                f"{printable_path(self._path)} is not a regular file", hint=ANOTHER_RUN
            )
        with os.fdopen(file, "rb", closefd=False) as opened:
            return opened.read()

    def _lock(self, file: int) -> None:
        """The lock is the open file's and goes with this process, however it ends."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(file), self._path.stat()):
                raise FileNotFoundError  # whoever made it has removed it, as nothing came into it
        except OSError:
            self._is_new = False
            raise UsageError(
                f"another resprof is writing to {printable_path(self._path)}",
                hint=f"wait for it, or {ANOTHER_RUN}",
            ) from None

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


def _records(content: bytes) -> tuple[Record, ...]:
    whole = _whole(content)
    try:
        lines = content[:whole].decode().split("\n")[:-1]
    except UnicodeDecodeError:
        raise UsageError("this is no run file: it holds no text", hint=ANOTHER_RUN) from None
    records = tuple(from_line(line) for line in lines)
    if not _is_cut(content[whole:]):
        if not records:
            raise UsageError("this is no run file", hint=ANOTHER_RUN)
        raise UsageError(
            "after its last line the run file holds what is no record",
            hint=f"remove what follows the last line feed, or {ANOTHER_RUN}",
        )
    return records


def _is_cut(rest: bytes) -> bool:
    """Whether ``to_line`` begins a line so; ``UsageError`` for an object that is no record."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(rest)  # a character may be cut too
        json.JSONDecoder().raw_decode(text)
    except (UnicodeDecodeError, RecursionError):
        return False
    except ValueError:  # it has no end
        begun = any(rest.startswith(head[: len(rest)]) for head in _HEADS)
        return begun and all(character >= " " for character in text)
    return to_line(from_line(text)) == f"{text}\n"
