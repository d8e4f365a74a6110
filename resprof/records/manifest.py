"""The manifest of a report: which files of a folder it wrote, so may replace and remove."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import PurePosixPath

from resprof.errors import UsageError
from resprof.records.codec import SCHEMA, to_json

_RECORD = "report manifest"


def manifest_text(files: Iterable[str]) -> str:
    """The manifest as JSON: paths below the folder, sorted."""
    return to_json({"schema": SCHEMA, "record": _RECORD, "files": sorted(files)})


def read_manifest(text: str) -> frozenset[str]:
    """The way back; ``UsageError`` for anything else, and for paths that leave the folder."""
    try:
        plain = json.loads(text)
        if (plain["schema"], plain["record"]) != (SCHEMA, _RECORD):
            raise ValueError("it is of another kind or schema")
        if not isinstance(plain["files"], list):
            raise ValueError("it has no list of files")
        return frozenset(_below(name) for name in plain["files"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(
            f"this is not the manifest of a report: {error or type(error).__name__}",
            hint="name another folder with --out, or replace it with --force",
        ) from None


def _below(name: object) -> str:
    """The name, if it is one that a report could have written."""
    if not isinstance(name, str) or not name.isprintable():
        raise ValueError("a name in it is none of a file")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or path.as_posix() != name or name == ".":
        raise ValueError(f"{name!r} is not below the folder")
    return name
