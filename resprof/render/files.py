"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from resprof.errors import UsageError, printable_path


def check_writable(file: Path, *, force: bool) -> None:
    """Raises a usage error if writing the file would fail or destroy something."""
    try:
        file.exists()
    except OSError as error:  # a name that is too long, for example
        raise UsageError(
            f"cannot write {printable_path(file)}: {error.strerror}", hint="name a file elsewhere"
        ) from None
    if file.exists() and not file.is_file():
        raise UsageError(f"{printable_path(file)} is not a regular file", hint="name a file")
    if file.exists() and not force:
        raise UsageError(f"{printable_path(file)} exists", hint="replace it with --force")
    if not file.parent.is_dir():
        raise UsageError(
            f"no folder {printable_path(file.parent)}", hint="make it first, or name another file"
        )
    if not os.access(file.parent, os.W_OK):
        raise UsageError(
            f"cannot write in {printable_path(file.parent)}", hint="name a file elsewhere"
        )


def write_whole(file: Path, content: str | bytes) -> None:
    """Writes a temporary file beside ``file`` and renames it, so no reader sees a part."""
    target = file.resolve()
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".resprof-")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as out:
            out.write(content.encode() if isinstance(content, str) else content)
        umask = os.umask(0)
        os.umask(umask)
        with suppress(PermissionError):  # a mounted share may have rights of its own
            temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    except OSError as error:
        raise UsageError(
            f"cannot write {printable_path(file)}: {error.strerror}", hint="name a file elsewhere"
        ) from None
    finally:
        if temporary is not None:  # after the renaming there is nothing left of it
            temporary.unlink(missing_ok=True)
