"""Records to JSON and back, and the one reader of every file of records.

Enums are their text and tuples lists. What is read is checked by msgspec against the dataclasses as
they are: it says where in a record something is wrong, reads a run 40 times faster than a decoder
in Python, and is loaded in some 10 ms, where pydantic wants models of its own. It is loaded only
where something is read, and nothing that counts or looks up reads a file.
"""

from __future__ import annotations

import functools
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, cast

from resprof.errors import UsageError, impossible, printable, printable_path

if TYPE_CHECKING:
    from msgspec.json import Decoder

SCHEMA = 1
"""The version of every JSON that resprof writes, but for run files."""
MOST_BYTES = 2**29
"""The largest file that is read: some 700,000 rounds, a hundred times a long run."""
_CHUNK_BYTES = 2**20
_MOST_SAID = 160
"""Characters of what is wrong in a record, which may be a value of any length."""

T = TypeVar("T")


def to_plain(value: object) -> Any:
    """The value in terms of what JSON knows, fields in their order.

    A record whose JSON is not its fields has a method ``json_fields`` that says what it is.
    """
    if value is None or type(value) in (int, str, float, bool):
        return value
    if hasattr(type(value), "__dataclass_fields__"):
        shown = value.json_fields() if hasattr(value, "json_fields") else _own_fields(value)
        return {name: to_plain(each) for name, each in shown.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):  # torch's version is a string of a class of its own
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


def _own_fields(record: Any) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def to_json(value: object, *, indent: int | None = 2) -> str:
    """One JSON document in ASCII, ended by a line feed; NaN and infinity are refused."""
    return json.dumps(to_plain(value), indent=indent, allow_nan=False) + "\n"


def from_plain(kind: type[T], plain: object) -> T:
    """Rebuilds a record from what ``to_plain`` made of it; absent fields take their default.

    Raises ``ValueError`` where the two do not fit together.
    """
    import msgspec

    return msgspec.convert(plain, kind)


def from_json(kind: type[T], text: str | bytes) -> T:
    """The record of a JSON text; ``ValueError`` where it is none of that kind."""
    decoder: Decoder[T] = _decoder(cast("Any", kind))
    return decoder.decode(text)


@functools.cache
def _decoder(kind: Any) -> Decoder[Any]:
    from msgspec.json import Decoder

    return Decoder(kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat(Generic[T]):
    """What files of one format are called, and the records that they hold, by name.

    ``hint`` says how to come by such a file.
    """

    name: str
    schema: int = SCHEMA
    kinds: Mapping[str, type[T]]
    hint: str

    def head(self, record: str) -> dict[str, object]:
        """What a record of that name begins with."""
        return {"schema": self.schema, "record": record}


def read_records(path: Path, form: FileFormat[T]) -> tuple[T, ...]:
    """The records of a file of JSON lines; blank lines are skipped.

    Raises ``UsageError`` for what cannot be read or is of another format.
    """
    return records_of(read_text(path, form.hint), form, printable_path(path))


def read_record(path: Path, form: FileFormat[T]) -> T:
    """The record of a file that is one JSON document; raises as ``read_records`` does."""
    return record_of(read_text(path, form.hint), form, printable_path(path))


def records_of(text: str, form: FileFormat[T], name: str) -> tuple[T, ...]:
    """The records of the JSON lines of a file of that name."""
    return tuple(
        record_of(line, form, f"line {number} of {name}")
        for number, line in enumerate(text.split("\n"), start=1)
        if line and not line.isspace()
    )


def record_of(text: str, form: FileFormat[T], place: str) -> T:
    """The record of a JSON text; ``UsageError`` for another schema, another kind or no record."""
    record = record_name(text, form, place)
    try:
        return from_json(form.kinds[record], text)
    except (ValueError, RecursionError) as error:
        raise _unusable(error, form, record, place) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    schema: Any
    record: Any


def record_name(text: str, form: FileFormat[Any], place: str) -> str:
    """The kind that a record says it is of; ``UsageError`` where this resprof reads no such."""
    try:
        head = from_json(_Head, text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{place} is not a record of a {form.name}: {_explain(error)}", hint=form.hint
        ) from None
    if not isinstance(head.record, str) or head.record not in form.kinds:
        _refuse_foreign(form, place, f"a record {head.record!r:.60}", ", ".join(form.kinds))
    if type(head.schema) is not int or head.schema != form.schema:
        found = f"a record {head.record!r} of schema {head.schema!r:.60}"
        _refuse_foreign(form, place, found, f"schema {form.schema}")
    return head.record


def _refuse_foreign(form: FileFormat[Any], place: str, found: str, known: str) -> NoReturn:
    raise UsageError(
        f"{place} has {found}; this resprof reads {known} in a {form.name}",
        hint=f"{form.hint}, or read it with the resprof that wrote it",
    )


@contextmanager
def refusing_unusable(form: FileFormat[Any], record: str, place: str) -> Iterator[None]:
    """Raises ``UsageError`` where the block finds that a record is no such."""
    try:
        yield
    except (ValueError, RecursionError) as error:
        raise _unusable(error, form, record, place) from None


def _unusable(error: Exception, form: FileFormat[Any], record: str, place: str) -> UsageError:
    return UsageError(f"{place} has no usable {record}: {_explain(error)}", hint=form.hint)


def _explain(error: Exception) -> str:
    """Words msgspec's error as resprof does: what is wrong, and at which field."""
    from msgspec import DecodeError, ValidationError

    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    what, _, path = str(error).partition(" - at `")
    path = path.removesuffix("`").removeprefix("$").removeprefix(".")
    what = re.sub(r"^Object missing required field `(\w+)`$", r"it lacks \1", what)
    what = what.removeprefix("JSON is malformed: ").replace("`", "")
    what = f"{what[:1].lower()}{what[1:]}"
    if isinstance(error, DecodeError) and not isinstance(error, ValidationError):
        what = f"it is not JSON: {what}"
    if not what.isprintable() or len(what) > _MOST_SAID:
        what = printable(what, _MOST_SAID)
    return f"{what} at {path[:_MOST_SAID]}" if path else what


def read_text(path: Path, hint: str) -> str:
    """The text of a regular file; ``UsageError`` where there is none to be read."""
    return decode_text(read_bytes(path, hint), printable_path(path), hint)


def read_bytes(path: Path, hint: str) -> bytes:
    """What is in a regular file; ``UsageError`` where that cannot be read."""
    name = printable_path(path)
    try:
        # A pipe that nobody writes to would keep this process waiting.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise impossible(f"cannot read {name}", error, hint=hint) from None
    except ValueError as error:
        raise UsageError(f"cannot read {name}: {error}", hint=hint) from None
    try:
        return read_open(file, name, hint)
    finally:
        os.close(file)


def read_open(file: int, name: str, hint: str) -> bytes:
    """What is in an open file from where it stands; raises as ``read_bytes`` does."""
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):  # a device or a pipe has no end to read to
            raise UsageError(f"{name} is not a regular file", hint=hint)
        content = bytearray()
        size = os.fstat(file).st_size
        while size <= MOST_BYTES and (chunk := os.read(file, _CHUNK_BYTES)):
            content += chunk
            size = len(content)
    except OSError as error:
        raise impossible(f"cannot read {name}", error, hint=hint) from None
    if size > MOST_BYTES:
        raise UsageError(f"{name} has more than {MOST_BYTES >> 20} MiB", hint=hint)
    return bytes(content)


def decode_text(content: bytes, name: str, hint: str) -> str:
    """The content as text; ``UsageError`` where it is none in UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name} is not text: byte {error.start} is not UTF-8", hint=hint
        ) from None
