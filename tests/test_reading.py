"""The one reader of files reads whatever lies there, or says in two lines what is wrong."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from resprof.answers.roofline.peaks import read_peaks
from resprof.codec import MOST_BYTES
from resprof.errors import UsageError
from resprof.files import write_whole
from resprof.measure.run_file import RunFile, from_line, read_run, to_line
from resprof.memory.history import read_history
from resprof.memory.overlay import read_calibration
from tests.samples import a_round, two_lines

READERS = (read_run, read_peaks, read_calibration, read_history)
LINE = to_line(a_round(0))


def _too_long(folder: Path) -> Path:
    return folder / ("x" * 300)


def _loop(folder: Path) -> Path:
    (folder / "loop").symlink_to(folder / "loop")
    return folder / "loop"


def _folder(folder: Path) -> Path:
    return folder


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def _null_byte(folder: Path) -> Path:
    return folder / "a\0b"


def _too_large(folder: Path) -> Path:
    with (folder / "large").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    return folder / "large"


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_too_long, "cannot read"),
        (_loop, "cannot read"),
        (_null_byte, "cannot read"),
        (_folder, "is not a regular file"),
        (_pipe, "is not a regular file"),
        (lambda _: Path("/dev/zero"), "is not a regular file"),
        (_too_large, "512 MiB"),
    ],
)
def test_what_cannot_be_looked_at_is_a_usage_error(
    tmp_path: Path, read: Callable[[Path], object], make: Callable[[Path], Path], why: str
) -> None:
    with two_lines() as caught:
        read(make(tmp_path))
    assert why in caught[0].message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
@pytest.mark.parametrize("read", READERS)
def test_a_file_that_may_not_be_read_is_a_usage_error(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    (tmp_path / "file").touch(mode=0o000)
    with two_lines():
        read(tmp_path / "file")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b'{"schema":1,"record":' + b"[" * 1_000_000,
        b'{"schema":true,"record":"calibration"}',
        b'{"schema":1,"record":"' + b"x" * 2_000_000 + b'"}',
        b'{"schema":"' + b"x" * 2_000_000 + b'","record":"round"}',
        b"0",
        b"nan",
    ],
)
def test_whatever_a_file_holds_the_error_is_two_short_lines(
    tmp_path: Path, read: Callable[[Path], object], content: bytes
) -> None:
    (tmp_path / "file").write_bytes(content + b"\n")
    with two_lines() as caught:
        read(tmp_path / "file")
    assert len(caught[0].message) < 600
    assert "file" in caught[0].message


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("[0.1,0.25]", "[0.1,1" + "0" * 400 + "]", "number out of range at samples_s[1]"),
        ("[0.1,0.25]", "[0.1,1e400]", "number out of range at samples_s[1]"),
        ("[0.1,0.25]", "[0.1,NaN]", "it is not JSON"),
        ("[0.1,0.25]", "[0.1,-Infinity]", "it is not JSON"),
        ('"index":0', '"index":true', "expected int, got bool at index"),
        ('"index":0', '"index":0.5', "expected int, got float at index"),
        ('"cpu"', json.dumps("x" * 2_000_000), "at device"),
        ('"cpu"', json.dumps("\x1b[2J\n"), "at device"),
        ('"index":0', '"index":0,"new":' + "[" * 1_000_000, "it is nested too deeply"),
    ],
)
def test_an_error_names_file_line_and_field_and_is_short(
    tmp_path: Path, before: str, after: str, why: str
) -> None:
    assert before in LINE
    file = tmp_path / "run.jsonl"
    file.write_text(LINE + LINE.replace(before, after))
    with two_lines() as caught:
        read_run(file)
    wrong = "is not a record of a run file" if why.startswith("it is") else "has no usable round"
    assert caught[0].message.startswith(f"line 2 of {str(file)!r} {wrong}: ")
    assert why in caught[0].message
    assert len(caught[0].message) < len(str(file)) + 300
    assert caught[0].message.isprintable()


def test_blank_lines_are_skipped_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    file.write_bytes(f"\n{LINE}\r\n \n{LINE}\n".encode())
    assert read_run(file) == (a_round(0), a_round(0))
    file.write_bytes(f"\n{LINE}\n[]\n".encode())
    with pytest.raises(UsageError, match="line 4 of"):
        read_run(file)


def test_fields_of_a_newer_resprof_are_passed_over() -> None:
    assert from_line(LINE.replace('"index"', '"later":{"a":[1]},"index"')) == a_round(0)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EPERM])
def test_a_file_system_without_locks_takes_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def none(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", none)
    with RunFile(tmp_path / "run.jsonl") as file:
        assert file.unlocked == os.strerror(number)
        file.append(a_round(0))
    assert read_run(tmp_path / "run.jsonl") == (a_round(0),)


def test_a_share_that_lets_nobody_set_rights_takes_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "chmod", refused)
    monkeypatch.setattr(Path, "chmod", refused)
    write_whole(tmp_path / "file", "whole")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["whole"]
