"""The folder of a report: it owns the files in its manifest and replaces only those.

No link below the folder is followed, so nothing outside of it is written, replaced or removed. The
folder itself may be a link.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from resprof.codec import FileFormat, read_record, to_json
from resprof.errors import UsageError, impossible, printable, printable_path
from resprof.files import make_folder, write_whole

MANIFEST = "manifest.json"
_ELSEWHERE = "name another folder with --out"
RUNS = "runs"
"""Where run files lie; they are never replaced or removed."""

Files = Mapping[str, str | bytes]
"""Contents by their path below the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The files that a report wrote: paths below the folder, sorted."""

    files: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.files:
            path = PurePosixPath(name)
            if not name.isprintable() or path.as_posix() != name or name == ".":
                raise ValueError(f"{printable(name)} is not a file")
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"{printable(name)} is not inside the folder")


MANIFEST_FORMAT = FileFormat(
    name="manifest of a report",
    kinds={"report manifest": Manifest},
    hint="name another folder with --out, or replace it with --force",
)


def manifest_text(files: Iterable[str]) -> str:
    """The manifest as JSON."""
    return to_json(MANIFEST_FORMAT.head("report manifest") | {"files": sorted(files)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFolder:
    """A folder that a report may write to; ``owned`` are the files of an earlier one."""

    path: Path
    owned: frozenset[str]
    force: bool

    @classmethod
    def opened(cls, path: Path, *, force: bool) -> ReportFolder:
        """The folder, made if it is not there; ``UsageError`` where nothing can be written."""
        make_folder(path, hint=_ELSEWHERE)
        _refuse_in_the_way(path, MANIFEST)
        return cls(path=path, owned=_owned(path, force=force), force=force)

    def refuse_foreign(self, files: Collection[str]) -> None:
        """Raises ``UsageError`` for what is of no earlier report, and for what is in the way."""
        self.refuse_in_the_way(files)
        foreign = [name for name in files if name not in self.owned and (self.path / name).exists()]
        if foreign and not self.force:
            raise UsageError(
                f"{printable_path(self.path / foreign[0])} exists and is not part of an earlier "
                "report",
                hint="name another folder with --out, or replace it with --force",
            )

    def refuse_in_the_way(self, files: Iterable[str]) -> None:
        """Raises ``UsageError`` for a link on the way to a file, and a file in a folder's place."""
        for name in files:
            _refuse_in_the_way(self.path, name)

    def claimed(self, files: Iterable[str]) -> ReportFolder:
        """Writes a manifest that has these too: after an interrupt they may still be replaced."""
        files = tuple(files)
        self.refuse_in_the_way(files)
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
        """Whether the file was there and of this folder; what a link leads to is not."""
        file = self.path / name
        if _first_link(self.path, name) or Path(name).parts[0] == RUNS or not file.is_file():
            return False
        try:
            file.unlink()
            _remove_empty(file.parent, self.path)
        except OSError as error:
            what = f"cannot remove {printable_path(file)} of an earlier report"
            hint = f"make the folder writable, or {_ELSEWHERE}"
            raise impossible(what, error, hint=hint) from None
        return True

    def write(self, files: Files) -> None:
        """Writes each file whole, or none if anything is in the way of one."""
        self.refuse_in_the_way(files)
        for name, content in files.items():
            make_folder((self.path / name).parent, hint=_ELSEWHERE)
            write_whole(self.path / name, content)


def _remove_empty(folder: Path, top: Path) -> None:
    while folder != top and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _owned(folder: Path, *, force: bool) -> frozenset[str]:
    """What an earlier report wrote; by force, a file that is no manifest is one of no files."""
    file = folder / MANIFEST
    if not os.path.lexists(file):
        return frozenset()
    try:
        return frozenset(read_record(file, MANIFEST_FORMAT).files)
    except UsageError:
        if force:
            return frozenset()
        raise


def _first_link(top: Path, name: str) -> Path | None:
    """The link nearest to the top on the way to the file, which may be one itself."""
    way = [top / name, *(top / name).parents[: len(Path(name).parts) - 1]]
    links = (each for each in reversed(way) if os.path.islink(each))  # noqa: PTH114 # never raises
    return next(links, None)


def _refuse_in_the_way(top: Path, name: str) -> None:
    """``--force`` removes neither a link nor a file that is there instead of a folder."""
    link = _first_link(top, name)
    if link is not None:
        raise UsageError(
            f"{printable_path(link)} is a link, and a report does not follow links",
            hint="remove the link, or name another folder with --out",
        )
    for folder in (top / name).parents[: len(Path(name).parts) - 1]:
        if folder.exists() and not folder.is_dir():
            raise UsageError(
                f"{printable_path(folder)} is not a folder", hint="name another one with --out"
            )
