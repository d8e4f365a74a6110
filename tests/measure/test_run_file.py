"""The run file: what is written comes back, whatever cuts it off, and nobody else's is touched."""

from __future__ import annotations

import errno
import json
import math
import os
import resource
import subprocess
import sys
from contextlib import suppress
from dataclasses import MISSING, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resprof.errors import EnvironmentMissing, UsageError
from resprof.measure.run_file import Record, RunFile, from_line, read_run, to_line
from tests.samples import KINDS, a_round, an_end, any_of, two_lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def write(path: Path, *records: Record, resume: bool = False) -> None:
    with RunFile(path, resume=resume) as file:
        for record in records:
            file.append(record)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_a_record_of_any_kind_comes_back_from_its_line(data: st.DataObject, kind: type) -> None:
    record = data.draw(any_of(kind))
    line = to_line(record)
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert from_line(line) == record


@given(st.lists(st.one_of(*map(any_of, KINDS)), min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_a_file_holds_what_was_appended_in_its_order(records: list[Record]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.jsonl"
        write(path, *records)
        assert read_run(path) == tuple(records)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_a_field_that_came_later_takes_its_default(data: st.DataObject, kind: type) -> None:
    record = data.draw(any_of(kind))
    later = {f.name: f.default for f in fields(kind) if f.default is not MISSING}
    plain = json.loads(to_line(record))
    older = {name: value for name, value in plain.items() if name not in later}
    assert from_line(json.dumps(older)) == replace(record, **later)


def test_numbers_are_written_in_base_units_with_every_digit() -> None:
    third = replace(a_round(0), samples_s=(1 / 3, 1e-9))
    plain = json.loads(to_line(third))
    assert plain["schema"] == 2
    assert plain["record"] == "round"
    assert plain["samples_s"] == [1 / 3, 1e-9]


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_is_no_number_is_never_written(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        to_line(replace(a_round(0), samples_s=(number,)))


@pytest.mark.parametrize("change", [{"schema": 1}, {"schema": 99}, {"record": "dream"}])
def test_another_schema_or_kind_is_refused_with_what_would_read_it(
    path: Path, change: dict[str, object]
) -> None:
    path.write_text(json.dumps(json.loads(to_line(a_round(0))) | change) + "\n")
    with two_lines() as caught, RunFile(path, resume=True):
        pass
    assert all(str(value) in caught[0].message for value in change.values())
    assert "resprof that wrote it" in caught[0].hint
    with two_lines():
        read_run(path)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "1",
        "null",
        "{}",
        '{"schema":2,"record":"round"}',
        '{"schema":2,"record":["round"]}',
        '{"schema":2,"record":"round","calls":"many"}',
        to_line(a_round(0)).replace('"cpu"', '"abacus"'),
        to_line(a_round(0)).replace("[0.1,0.25]", "0.1"),
    ],
)
def test_what_is_no_record_is_two_lines(line: str) -> None:
    with two_lines():
        from_line(line)


def test_a_record_that_lacks_something_is_told_in_plain_words() -> None:
    plain = json.loads(to_line(a_round(0)))
    del plain["launch"]
    with two_lines() as caught:
        from_line(json.dumps(plain))
    assert caught[0].message.endswith("usable round: it lacks launch")


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_a_last_line_that_was_cut_is_repaired_and_costs_nothing_else(data: st.DataObject) -> None:
    records = [a_round(index) for index in range(data.draw(st.integers(0, 3)))]
    whole, last = "".join(map(to_line, records)).encode(), to_line(an_end("caf\xe9")).encode()
    cut = data.draw(st.integers(0, len(last) - 1))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.jsonl"
        path.write_bytes(whole + last[:cut])
        assert read_run(path) == tuple(records)
        assert path.read_bytes() == whole + last[:cut]  # who only reads repairs nothing
        with RunFile(path, resume=True) as file:
            assert file.kept == tuple(records)
            file.append(a_round(9))
        assert path.read_bytes() == whole + to_line(a_round(9)).encode()


FOREIGN = [
    b'{"schema":1,"command":"flops","results":[]}',
    b'{"schema":1,"record":"environment","date":"2026-0',
    b'{"schema": 2, "record": "round", "key": "cut by somebody el',
    b'{"schema":2,"record":"dream","key":"k',
    b'{"schema":2,"record":"round","mine":1}',
    b'{"schema":2,"recorded":[',
    to_line(a_round(0)).encode()[:-1] + b" and a note",
    to_line(a_round(0)).encode()[:-1] + b"\r",
    to_line(a_round(0)).encode()[:60] + b"\0\0\0\0",
    to_line(a_round(0)).encode()[:60] + b"\xff\xfe",
    b'{"schema":2,"record":"round","calls":' + b"[" * 100_000,
    b"\0" * 4096,
    b"\xef\xbb\xbf" + to_line(a_round(0)).encode()[:-1],
    json.dumps({"schema": 2, "record": "round"}, indent=2).encode(),
    b"\r",
    b" ",
]
"""What stands at the end of a file without a line feed, and has not been written by us."""


@pytest.mark.parametrize(
    "content",
    [
        b"buy milk\nno line feed",
        b"buy milk",
        b"buy milk\n",
        b'{"some": "json"}',
        b'{"some": "json"}\n',
        b"\x7fELF\x02\x01",
        b"\xff\xfe\n",
        b"\n",
        to_line(a_round(0)).encode() + b"a note\n" + to_line(a_round(1)).encode(),
        *FOREIGN,
        *(to_line(a_round(0)).encode() + rest for rest in FOREIGN),
    ],
)
@pytest.mark.parametrize("resume", [False, True])
def test_a_file_that_is_no_run_is_left_alone(path: Path, content: bytes, resume: bool) -> None:
    path.write_bytes(content)
    with two_lines(), RunFile(path, resume=resume):
        pass
    with two_lines():
        read_run(path)
    assert path.read_bytes() == content


def test_a_run_is_continued_only_when_asked(path: Path) -> None:
    write(path, a_round(0))
    before = path.read_bytes()
    with two_lines() as caught, RunFile(path):
        pass
    assert "--resume" in caught[0].hint
    assert path.read_bytes() == before
    with RunFile(path, resume=True) as file:
        assert file.kept == (a_round(0),)
        file.append(a_round(1))
    assert read_run(path) == (a_round(0), a_round(1))


@pytest.mark.parametrize("content", ["", "{", to_line(a_round(0))[:-1]])
@pytest.mark.parametrize("resume", [False, True])
def test_an_empty_file_or_one_of_a_run_killed_in_its_first_line_counts_as_a_new_one(
    path: Path, resume: bool, content: str
) -> None:
    path.write_text(content)
    with RunFile(path, resume=resume) as file:
        assert file.kept == ()
        file.append(a_round(0))
    assert read_run(path) == (a_round(0),)


@pytest.mark.parametrize("whole", ["", to_line(a_round(0))])
@pytest.mark.parametrize("resume", [False, True])
def test_nothing_is_repaired_before_something_is_written(
    path: Path, whole: str, resume: bool
) -> None:
    """Whatever is refused later finds the file as it was."""
    content = whole + to_line(an_end())[:50]
    path.write_text(content)
    with suppress(UsageError), RunFile(path, resume=resume):
        pass
    assert path.read_text() == content


def test_a_new_file_that_gets_no_record_is_gone_and_an_empty_one_of_somebody_stays(
    path: Path,
) -> None:
    with RunFile(path):
        assert path.exists()
    assert not path.exists()
    path.touch()
    with RunFile(path):
        pass
    assert path.read_bytes() == b""


def test_a_file_that_was_removed_while_it_was_opened_is_not_written_to(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its maker removes it if nothing came into it; the name may be another file's by now."""
    path.touch()
    real = os.open

    def late(*arguments: Any) -> int:
        opened = real(*arguments)
        path.unlink()
        path.write_text("another's")
        return opened

    monkeypatch.setattr(os, "open", late)
    with two_lines(), RunFile(path):
        pass
    assert path.read_text() == "another's"


def test_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "some" / "folders" / "run.jsonl"
    write(path, a_round(0))
    assert read_run(path) == (a_round(0),)


def test_a_place_that_takes_no_file_is_two_lines(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for wrong in (tmp_path, tmp_path / "file" / "run.jsonl", Path("/proc/nothing/run.jsonl")):
        with two_lines(), RunFile(wrong):
            pass
        with two_lines():
            read_run(wrong)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write_is_two_lines(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with two_lines(), RunFile(tmp_path / "run.jsonl"):
        pass


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full", "/dev/zero"])
def test_a_device_is_no_run_file(device: str) -> None:
    with two_lines() as caught, RunFile(Path(device)):
        pass
    assert "regular" in caught[0].message


def test_a_closed_file_takes_nothing(path: Path) -> None:
    with RunFile(path) as file:
        pass
    with pytest.raises(ValueError, match="not open"):
        file.append(a_round(0))


_HOLDER = """
import sys
from pathlib import Path
from resprof.measure.run_file import RunFile
with RunFile(Path(sys.argv[1]), resume=True):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_of_two_processes_one_writes_until_it_is_gone(path: Path) -> None:
    write(path, a_round(0))
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with two_lines() as caught, RunFile(path, resume=True):
            pass
        assert "another resprof" in caught[0].message
        assert read_run(path) == (a_round(0),)  # reading is nobody's business
    finally:
        holder.kill()
        holder.communicate()
    write(path, a_round(1), resume=True)
    assert read_run(path) == (a_round(0), a_round(1))


def append_until_full(path: Path) -> tuple[int, EnvironmentMissing]:
    """How many rounds went in, and what was said of the next one."""
    with RunFile(path) as file:
        for index in range(10_000):
            try:
                file.append(a_round(index))
            except EnvironmentMissing as error:
                return index, error
    raise AssertionError("it was never full")


def check_full(path: Path, taken: int, error: EnvironmentMissing) -> None:
    """All that went in is there, no half of what did not, and the hint says how to go on."""
    assert path.read_text() == "".join(to_line(a_round(index)) for index in range(taken))
    assert len(error.message.splitlines()) == len(error.hint.splitlines()) == 1
    assert f"--resume --run {path}" in error.hint


def test_a_limit_on_the_files_size_leaves_no_half_record(path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    line = len(to_line(a_round(0)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * line + line // 2, hard))
    try:
        taken, error = append_until_full(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert taken == 3
    check_full(path, taken, error)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_full_disk_leaves_no_half_record_and_the_run_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        path = tmp_path / "run.jsonl"
        taken, error = append_until_full(path)
        assert taken > 10
        check_full(path, taken, error)
        subprocess.run(["mount", "-o", "remount,size=64k", str(tmp_path)], check=True)
        write(path, a_round(taken), resume=True)
        assert read_run(path) == tuple(map(a_round, range(taken + 1)))
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_system_that_takes_few_bytes_at_a_time_gets_all_of_them(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, bytes(data)[:7]))
    write(path, a_round(0), a_round(1))
    assert read_run(path) == (a_round(0), a_round(1))


def test_the_end_of_a_launch_and_nothing_else_waits_for_the_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.read_bytes()))
    write(path, a_round(0), an_end(), a_round(1))
    assert synced == [(to_line(a_round(0)) + to_line(an_end())).encode()]


def test_what_the_disk_did_not_take_in_the_end_is_not_in_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with RunFile(path) as file:
        file.append(a_round(0))
        with pytest.raises(EnvironmentMissing) as caught:
            file.append(an_end())
    check_full(path, 1, caught.value)
