"""Files that are written whole or not at all, and what a killed writer left of one.

What is written lies beside its file first, under a name of our own and locked; the next writer in
that folder removes what lies there without its lock.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from resprof.errors import UsageError, impossible, printable_path

_OWN_NAME = re.compile(r"\.resprof-[0-9a-f]{16}")
_ABANDONED_S = 24 * 3600.0
"""Where nothing can be locked a file counts as left behind once it is this old."""
_ELSEWHERE = "name a file elsewhere"


def check_writable(file: Path, *, force: bool) -> None:
    """Raises ``UsageError`` if writing the file would fail or destroy something.

    ``EnvironmentMissing`` where its disk takes nothing.
    """
    try:
        mode = file.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = None
    except (OSError, ValueError) as error:  # a name that is too long, or a link to itself
        raise _unwritable(file, error) from None
    if mode is not None and not stat.S_ISREG(mode):
        raise UsageError(f"{printable_path(file)} is not a regular file", hint="name a file")
    if mode is not None and not force:
        raise UsageError(f"{printable_path(file)} exists", hint="replace it with --force")
    folder = _target(file).parent
    if not folder.is_dir():
        raise UsageError(
            f"no folder {printable_path(folder if file.is_symlink() else file.parent)}",
            hint="make it first, or name another file",
        )
    check_folder(file.parent, hint=_ELSEWHERE)


def make_folder(folder: Path, *, hint: str) -> None:
    """Makes the folder if it is not there; raises where it cannot, or where no file can be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UsageError(f"{printable_path(folder)} is not a folder", hint=hint) from None
    except OSError as error:
        what = f"cannot make the folder {printable_path(folder)}"
        raise impossible(what, error, hint=hint) from None
    check_folder(folder, hint=hint)


def check_folder(folder: Path, *, hint: str) -> None:
    """Raises ``UsageError`` where no file can be made in it, or ``EnvironmentMissing``."""
    try:
        if os.access(folder, os.W_OK):
            return
        read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        number = errno.EROFS if read_only else errno.EACCES
        raise OSError(number, os.strerror(number))
    except OSError as error:
        raise impossible(f"cannot write in {printable_path(folder)}", error, hint=hint) from None


def write_whole(file: Path, content: str | bytes) -> None:
    """Writes a temporary file beside ``file`` and renames it, so no reader sees a part.

    Raises ``UsageError`` where that is refused, ``EnvironmentMissing`` where the disk is full.
    """
    target = _target(file)
    rest = memoryview(content.encode() if isinstance(content, str) else content)
    try:
        with _temporary(target.parent) as (descriptor, temporary):
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.close(os.dup(descriptor))  # a network's disk says at a close that it is full
            temporary.replace(target)
    except OSError as error:
        raise _unwritable(file, error) from None
    _remove_abandoned(target.parent)


def _unwritable(file: Path, error: OSError | ValueError) -> Exception:
    what = f"cannot write {printable_path(file)}"
    if isinstance(error, OSError):
        return impossible(what, error, hint=_ELSEWHERE)
    return UsageError(f"{what}: {error}", hint=_ELSEWHERE)


def _target(file: Path) -> Path:
    """What a link leads to; the last link itself where they lead round in a circle."""
    return Path(os.path.realpath(file))


@contextmanager
def _temporary(folder: Path) -> Iterator[tuple[int, Path]]:
    """A new file, open and locked; gone afterwards unless it was renamed."""
    while True:
        path = folder / f".resprof-{os.urandom(8).hex()}"
        descriptor = None
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            # Before it was locked another process may have taken it for abandoned.
            if _locked(descriptor) is not False and _is_at(descriptor, path):
                yield descriptor, path
                return
        finally:
            with suppress(OSError):
                path.unlink()
            if descriptor is not None:
                os.close(descriptor)


def _remove_abandoned(folder: Path) -> None:
    with suppress(OSError), os.scandir(folder) as entries:
        for path in [Path(each) for each in entries if _OWN_NAME.fullmatch(each.name)]:
            with suppress(OSError):
                _remove_if_abandoned(path)


def _remove_if_abandoned(path: Path) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    try:
        status = os.fstat(descriptor)
        locked = _locked(descriptor)
        old = time.time() - status.st_mtime > _ABANDONED_S
        if stat.S_ISREG(status.st_mode) and (locked or (locked is None and old)):
            path.unlink()
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool | None:
    """Whether the open file is locked now by this process; None where nothing can be."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
