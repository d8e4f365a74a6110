"""The folder of a report: it owns the files in its manifest and replaces only those."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from resprof.errors import UsageError, printable_path
from resprof.records.codec import SCHEMA, to_json
from resprof.report.files import write_whole

MANIFEST = "manifest.json"
RUNS = "runs"
"""Where run files lie; they are never replaced or removed."""

Files = Mapping[str, str | bytes]
"""Contents by their path below the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFolder:
    """A folder that a report may write to; ``owned`` are the files of an earlier one."""

    path: Path
    owned: frozenset[str]
    force: bool

    @classmethod
    def opened(cls, path: Path, *, force: bool) -> ReportFolder:
        """The folder, made if it is not there; ``UsageError`` where nothing can be written."""
        _make(path)
        return cls(path=path, owned=frozenset(_owned(path)), force=force)

    def refuse_foreign(self, files: Iterable[str]) -> None:
        """Raises ``UsageError`` for a file that is there and of no earlier report."""
        foreign = [name for name in files if name not in self.owned and (self.path / name).exists()]
        if foreign and not self.force:
            raise UsageError(
                f"{printable_path(self.path / foreign[0])} exists and is not of an earlier report",
                hint="name another folder with --out, or replace it with --force",
            )

    def claimed(self, files: Iterable[str]) -> ReportFolder:
        """Writes a manifest that has these too: after an interrupt they may still be replaced."""
        owned = frozenset({*files, *self.owned, MANIFEST})
        self.write({MANIFEST: to_json({"schema": SCHEMA, "files": sorted(owned)})})
        return replace(self, owned=owned)

    def settled(self, files: Iterable[str]) -> ReportFolder:
        """Removes what an earlier report wrote and this one did not: nothing shows it any more."""
        owned = frozenset({*files, MANIFEST})
        for name in self.owned - owned:
            file = self.path / name
            # A manifest is a file that anybody may have written.
            inside = file.resolve().is_relative_to(self.path.resolve())
            if inside and file.is_file() and Path(name).parts[0] != RUNS:
                file.unlink()
                _remove_empty(file.parent, self.path)
        return replace(self, owned=frozenset()).claimed(owned)

    def write(self, files: Files) -> None:
        """Writes each file whole."""
        for name, content in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path / name, content)


def _remove_empty(folder: Path, top: Path) -> None:
    while folder != top and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _owned(folder: Path) -> set[str]:
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return {str(file) for file in files}
    except FileNotFoundError:
        return set()
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"{printable_path(folder / MANIFEST)} is not the manifest of a report",
            hint="name another folder with --out",
        ) from None


def _make(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            f"{printable_path(folder)} is not a folder", hint="name another one with --out"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot make the folder {printable_path(folder)}: {error.strerror}",
            hint="name another folder with --out",
        ) from None
    if not os.access(folder, os.W_OK):
        raise UsageError(
            f"cannot write in {printable_path(folder)}", hint="name another folder with --out"
        )
