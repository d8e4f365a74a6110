"""The program killed, interrupted and starved: what was measured stays, and can be gone on with."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from resprof.measure.run import LaunchStart, Outcome, Round
from resprof.measure.run_file import Record, read_run
from tests.answers.bench.stand_in import WHOLE, ends_soon, is_running, taken

ROOT = Path(__file__).parents[3]
BATCHES = (1, 2, 3)
PATIENCE_S = 60.0
"""Longer than anything takes on a machine that has other things to do."""


@dataclass
class Program:
    """A bench of three configurations, whose children leave their numbers in a folder."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "run.jsonl"

    def start(
        self, script: str, *more: str, stdout: int | IO[bytes] = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        """Starts it, and returns once it has the run file."""
        process = subprocess.Popen(
            self.command(script, *more),
            cwd=ROOT,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        wait_for(self.path.exists)
        return process

    def command(self, script: str, *more: str) -> list[str]:
        """Its command line."""
        note = f"open({str(self.folder)!r} + f'/{{os.getpid()}}.pid', 'w').close()"
        return [
            *(sys.executable, "-m", "tests.answers.bench.bench_program", f"{note}; {script}"),
            *("bench", "cifar-resnet8", "--batch", ",".join(map(str, BATCHES))),
            *("--device", "cpu", "--run", str(self.path), "--json", *more),
        ]

    def run(self, script: str, *more: str) -> tuple[int, str, list[str]]:
        """Exit code, stdout and the lines on stderr of a run to its end."""
        return finish(self.start(script, *more))

    @property
    def children(self) -> list[int]:
        """Every child that there was."""
        return [int(file.stem) for file in self.folder.glob("*.pid")]

    def rounds(self) -> dict[tuple[str, int, str], list[int]]:
        """The indices of each launch's rounds of each metric."""
        found: dict[tuple[str, int, str], list[int]] = {}
        for each in self.records():
            if isinstance(each, Round):
                found.setdefault((each.key, each.launch, each.metric), []).append(each.index)
        return found

    def records(self) -> tuple[Record, ...]:
        return read_run(self.path)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path)
    yield program
    left = [pid for pid in program.children if is_running(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, list[str]]:
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err.splitlines()


def check_resumed(program: Program) -> None:
    """Going on measures each configuration once, keeping what there was."""
    before = program.records()
    code, out, err = program.run(WHOLE, "--resume")
    assert (code, err) == (0, [f"samples are in {program.path}"])
    assert program.records()[: len(before)] == before
    results = json.loads(out)["results"]
    assert [result["recipe"]["batch"] for result in results] == list(BATCHES)
    assert {result["outcome"] for result in results} == {"measured"}
    launches = taken(program.records())
    whole = [batch for batch, _, outcome in launches if outcome is Outcome.MEASURED]
    assert sorted(whole) == list(BATCHES)
    numbers = [(batch, launch) for batch, launch, _ in launches]
    assert len(set(numbers)) == len(numbers)


SLOW = "environment(); [(rounds(1, index), time.sleep(0.01)) for index in range(40)]; measured()"
"""A child that takes half a second, and writes all the time."""


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        (signal.SIGKILL, -9, None),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGINT, 130, "interrupted"),
    ],
)
def test_an_end_from_outside_at_any_moment_loses_nothing_that_was_written(
    program: Program, number: signal.Signals, code: int, word: str | None, seed: int
) -> None:
    process = program.start(SLOW)
    time.sleep(random.Random(f"{number} {seed}").uniform(0, 1.2))
    written = program.path.read_bytes()
    if number is signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does it
    else:
        process.send_signal(number)
    ended, out, err = finish(process)
    assert all(map(ends_soon, program.children))
    assert (ended, out) == (code, "")
    hint = f"hint: what was measured is kept; go on with --resume --run {program.path}"
    assert err == ([] if word is None else [f"error: {word}", hint])
    assert program.path.read_bytes().startswith(written)
    for indices in program.rounds().values():
        assert indices == list(range(len(indices)))
    check_resumed(program)


def test_impatience_is_no_traceback(program: Program) -> None:
    process = program.start(SLOW)
    wait_for(lambda: bool(program.rounds()))
    process.send_signal(signal.SIGINT)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.002)
    code, out, err = finish(process)
    assert (code, out) == (130, "")
    assert [line.partition(":")[0] for line in err] == ["error", "hint"]


@pytest.mark.parametrize("seed", range(2))
def test_a_child_that_is_killed_costs_its_own_configuration_alone(
    program: Program, seed: int
) -> None:
    process = program.start(
        f"{SLOW.removesuffix('; measured()')}; batch == 1 and time.sleep(600); measured()"
    )
    wait_for(lambda: bool(program.children))
    time.sleep(random.Random(seed).uniform(0, 0.8))
    (child,) = program.children
    os.kill(child, signal.SIGKILL)
    code, out, err = finish(process)
    assert code == 4
    first, *others = json.loads(out)["results"]
    assert first["outcome"] == "failed"
    assert "SIGKILL" in first["message"]
    assert {each["outcome"] for each in others} == {"measured"}
    assert err == [
        f"not measured: {first['key']}: {first['message']}",
        f"samples are in {program.path}",
    ]
    check_resumed(program)


def test_out_of_memory_is_an_answer(program: Program) -> None:
    code, out, _ = program.run(f"batch == 3 and (out_of_memory(), sys.exit()); {WHOLE}")
    assert code == 0
    outcomes = [result["outcome"] for result in json.loads(out)["results"]]
    assert outcomes == ["measured", "measured", "out of memory"]


def test_a_device_that_is_not_there_is_two_lines_and_the_file_stays_new(program: Program) -> None:
    said = "error: torch sees no CUDA device here\nhint: measure on the CPU with --device cpu"
    code, out, err = program.run(f"print({said!r}, file=sys.stderr); sys.exit(3)")
    assert (code, out, err) == (3, "", said.splitlines())
    check_resumed(program)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_disk_that_fills_up_ends_the_run_in_two_lines(program: Program, tmp_path: Path) -> None:
    small = ["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(tmp_path)]
    if subprocess.run(small, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        code, out, err = program.run(SLOW)
        assert all(map(ends_soon, program.children))
        assert (code, out) == (3, "")
        error, hint = err
        assert error.startswith("error: cannot write to the run file: ")
        assert hint == f"hint: free some space, then add --resume --run {program.path}"
        assert program.rounds()
        assert program.path.read_bytes().endswith(b"\n")
        subprocess.run(["mount", "-o", "remount,size=1m", str(tmp_path)], check=True)
        check_resumed(program)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_result_that_cannot_be_written_does_not_take_the_samples_with_it(
    program: Program,
) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 # a device, not a path of ours
        code, _, err = finish(program.start(WHOLE, stdout=full))
    assert code == 3
    samples, error, hint = err
    assert samples == f"samples are in {program.path}"
    assert [error.partition(":")[0], hint.partition(":")[0]] == ["error", "hint"]
    check_resumed(program)


@pytest.mark.parametrize("errors", ["full", "broken", "closed"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_notes_that_nobody_takes_keep_nothing_from_being_measured(
    program: Program, errors: str, unbuffered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    into = {"full": "2>/dev/full", "broken": "2> >(true)", "closed": "2>&-"}[errors]
    slowly = f"time.sleep(0.2); {WHOLE}"
    done = subprocess.run(
        ["bash", "-c", f'exec "$@" {into}', "bash", *program.command(slowly)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    results = json.loads(done.stdout)["results"]
    assert {result["outcome"] for result in results} == {"measured"}
    assert len(results) == len(BATCHES)


def test_the_real_child_dies_with_its_parent(tmp_path: Path) -> None:
    """It is halted first: so it cannot notice by itself that nobody reads what it writes."""
    path = tmp_path / "run.jsonl"
    parent = subprocess.Popen(
        [
            *(sys.executable, "-m", "resprof", "bench", "cifar-resnet8", "--batch", "1"),
            *("--device", "cpu", "--run", str(path)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: path.exists() and b'"record":"round"' in path.read_bytes())
    (child,) = children_of(parent.pid)
    os.kill(child, signal.SIGSTOP)
    parent.kill()
    parent.wait()
    gone = ends_soon(child)
    if not gone:
        os.kill(child, signal.SIGKILL)
    assert gone
    assert any(isinstance(record, LaunchStart) for record in read_run(path))


def children_of(parent: int) -> list[int]:
    """The processes that it has started."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[1]) == parent:
            found.append(int(file.parent.name))
    return found
