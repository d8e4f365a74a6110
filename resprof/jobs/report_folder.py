"""The folder of a report: it owns the files in its manifest and replaces only those."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from resprof.errors import UsageError, printable_path
from resprof.records.manifest import manifest_text, read_manifest
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
        return cls(path=path, owned=_owned(path, force=force), force=force)

    def refuse_foreign(self, files: Collection[str]) -> None:
        """Raises ``UsageError`` for what is there and of no earlier report."""
        for name in files:
            _refuse_file_as_folder(self.path, name)
        foreign = [name for name in files if name not in self.owned and (self.path / name).exists()]
        if foreign and not self.force:
            raise UsageError(
                f"{printable_path(self.path / foreign[0])} exists and is not of an earlier report",
                hint="name another folder with --out, or replace it with --force",
            )

    def claimed(self, files: Iterable[str]) -> ReportFolder:
        """Writes a manifest that has these too: after an interrupt they may still be replaced."""
        owned = frozenset({*files, *self.owned, MANIFEST})
        self.write({MANIFEST: manifest_text(owned)})
        return replace(self, owned=owned)

    def settled(self, files: Iterable[str]) -> int:
        """Removes what only an earlier report wrote, as nothing shows it now; returns how many."""
        written = frozenset({*files, MANIFEST})
        removed = sum(self._remove(name) for name in sorted(self.owned - written))
        self.write({MANIFEST: manifest_text(written)})
        return removed

    def _remove(self, name: str) -> bool:
        """Whether the file was there and of this folder; what a link leads to elsewhere is not."""
        file, top = self.path / name, self.path.resolve()
        parent = file.parent.resolve()
        below = parent.is_relative_to(top) and (parent / file.name).relative_to(top)
        if not below or below.parts[0] == RUNS or not file.is_file():
            return False
        try:
            file.unlink()
            _remove_empty(parent, top)
        except OSError as error:
            raise UsageError(
                f"cannot remove {printable_path(file)} of an earlier report: {error.strerror}",
                hint="make the folder writable, or name another one with --out",
            ) from None
        return True

    def write(self, files: Files) -> None:
        """Writes each file whole."""
        for name, content in files.items():
            _make((self.path / name).parent)
            write_whole(self.path / name, content)


def _remove_empty(folder: Path, top: Path) -> None:
    while folder != top and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _owned(folder: Path, *, force: bool) -> frozenset[str]:
    """What an earlier report wrote; by force, a file that is no manifest is one of no files."""
    file = folder / MANIFEST
    try:
        return read_manifest(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return frozenset()
    except (OSError, UnicodeError, UsageError) as error:
        if force:
            return frozenset()
        why = error.message if isinstance(error, UsageError) else "it cannot be read as text"
        raise UsageError(
            f"{printable_path(file)}: {why}",
            hint="name another folder with --out, or replace it with --force",
        ) from None


def _refuse_file_as_folder(top: Path, name: str) -> None:
    """A folder that the report needs may be there as a file, which ``--force`` does not remove."""
    for folder in (top / name).parents[: len(Path(name).parts) - 1]:
        if folder.exists() and not folder.is_dir():
            raise UsageError(
                f"{printable_path(folder)} is not a folder", hint="name another one with --out"
            )


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
