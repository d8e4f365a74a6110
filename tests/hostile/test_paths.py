"""Files and folders that cannot be used: exit code 2; what the machine lacks: exit code 3."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from resprof.cli import main as cli
from resprof.errors import EnvironmentMissing, UsageError
from resprof.files import check_folder, write_whole
from tests.hostile.command import resprof

_LONG = "n" * 300


@pytest.mark.parametrize("name", [_LONG, "loop.json", "file", "file/below"])
@pytest.mark.parametrize(
    "arguments",
    [
        "compare {}",
        "roofline resnet18 --device h100-sxm --peaks {}",
        "memory cifar-resnet20 --calibration {}",
        "bench cifar-resnet20 --run {}/run.jsonl",
        "flops resnet18 --json --force -o {}/out",
        "validate --histories {}",
        "validate --device cuda --keep {}",
        "report --quick --no-measure --out {}",
    ],
)
def test_a_name_that_cannot_be_used(
    arguments: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop.json").symlink_to("loop.json")
    (tmp_path / "file").touch()
    code = cli.main([word.format(name) for word in arguments.split(" ")])
    error, hint = capsys.readouterr().err.splitlines()
    assert (code, error[:7], hint[:6]) == (2, "error: ", "hint: ")
    assert {each.name for each in tmp_path.iterdir()} == {"loop.json", "file"}


@pytest.mark.parametrize("options", [[], ["--force"]])
def test_no_output_onto_a_link_that_leads_to_itself(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "loop.json").symlink_to("loop.json")
    done = resprof("flops", "resnet18", "-o", "loop.json", *options, cwd=tmp_path)
    done.assert_two_lines(2, "loop.json")


def test_a_folder_that_is_gone_is_no_bug(tmp_path: Path) -> None:
    script = f"cd {tmp_path} && rmdir {tmp_path} && {sys.executable} -m resprof flops resnet18"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_path_refused_in_the_middle_of_the_work_is_no_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "locked"))

    monkeypatch.setattr(cli, "_app", refuse)
    assert cli.main(["flops", "resnet18"]) == 2
    assert "locked" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG])
def test_a_full_disk_is_what_the_machine_lacks(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(EnvironmentMissing, match=os.strerror(number)):
        write_whole(tmp_path / "out.json", "text")
    assert not list(tmp_path.iterdir())


def test_output_that_the_disk_does_not_take_whole(tmp_path: Path) -> None:
    """A limit on the size of a file is met as a disk that fills up is: by a part of a write."""
    most = 4096
    done = resprof(
        *("flops", "cifar-resnet1202", "--per", "layer", "--json", "-o", "out.json"),
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    done.assert_two_lines(3, "cannot write")
    assert not (tmp_path / "out.json").exists()


def test_a_read_only_disk_and_a_locked_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UsageError, match="Permission denied"):
        check_folder(tmp_path, hint="elsewhere")

    class ReadOnly:
        f_flag = os.ST_RDONLY

    monkeypatch.setattr(os, "statvfs", lambda _: ReadOnly)
    with pytest.raises(EnvironmentMissing, match="Read-only"):
        check_folder(tmp_path, hint="elsewhere")


def test_what_a_killed_writer_left_is_gone_after_the_next(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from resprof import files; "
        "Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "
        "files.write_whole(Path(sys.argv[1]), 'text')"
    )
    out = tmp_path / "out.txt"
    command = [sys.executable, "-c", script, str(out)]
    killed = subprocess.run(command, check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    foreign = [tmp_path / ".resprof-notes", tmp_path / ".resprof-0123456789abcdeg"]
    for each in foreign:
        each.touch()
    busy = tmp_path / ".resprof-0123456789abcdef"
    with busy.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        write_whole(out, "text")
    assert not left.exists()
    assert {*tmp_path.iterdir()} == {out, busy, *foreign}


def test_without_locks_only_what_is_old_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    young, old = (tmp_path / f".resprof-{digit * 16}" for digit in "01")
    young.touch()
    old.touch()
    os.utime(old, (0, 0))
    write_whole(tmp_path / "out.txt", "text")
    assert {each.name for each in tmp_path.iterdir()} == {"out.txt", young.name}


def test_a_file_has_the_rights_that_the_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "out.txt", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "out.txt").stat().st_mode & 0o777 == 0o640
