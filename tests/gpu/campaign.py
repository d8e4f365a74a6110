"""One visit to a GPU: all that it can prove and measure, in order of value, resumable.

Run: python tests/gpu/campaign.py FOLDER [--to FOLDER] [--seconds N] [STEP ...]

Every step is one of resprof's own commands in a process of its own with a budget in seconds. One
that fails or runs over leaves the others their time; one for which too little is left is kept for
the next call, which goes on where this one ended as long as the folder is there. After each step
what has been brought in is copied: eight files, see ``bring``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

LOG, DONE = "campaign.log", "campaign.jsonl"
CALIBRATION, HISTORIES = "calibration.json", "histories"
_MEMORY = ("batch_tries", "validate_cuda")
_ROOT = Path(__file__).resolve().parents[2]
"""Where commands name tests from."""
_YES, _YES_OR_NO, _ALL_BUT_SOME = (0,), (0, 1), (0, 1, 4)
"""Exit codes of a step that has answered: a script, tests, a command of resprof."""
_LAST_WORDS_S = 15.0
"""What an interrupted step has to say what it has found so far."""
_TAIL = 20_000
_LAUNCH_S, _COMMAND_S = 7, 20
"""Loading torch and the network; looking at the machine and reading idle power."""
_LIMIT_S, _ENERGY_S = 5, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command and the most seconds it may take; ``output`` is the file its stdout goes to.

    ``answers`` are the exit codes after which it is not run again. ``fills`` is a folder that is
    emptied of what an earlier try has left.
    """

    name: str
    budget_s: int
    command: tuple[str, ...]
    output: str | None = None
    answers: tuple[int, ...] = _ALL_BUT_SOME
    fills: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Benches:
    """Makes steps of `resprof bench` that share a run file, with budgets by their launches."""

    run: Path

    def step(
        self,
        name: str,
        launches: int,
        *options: str,
        limit_s: int = _LIMIT_S,
        first_s: int = 0,
        energy: bool = False,
    ) -> Step:
        """``limit_s`` is for each launch, after a first call of ``first_s``."""
        each = first_s + limit_s + _LAUNCH_S + (_ENERGY_S if energy else 0)
        command = (
            *_resprof("bench", *options, "--device", "cuda", "--run", str(self.run), "--resume"),
            *("--time-limit", f"{limit_s}s", "--json", *([] if energy else ["--no-energy"])),
        )
        # A quarter more: a budget that is too small costs all that comes after it in the step.
        budget_s = round(1.25 * (_COMMAND_S + launches * each))
        return Step(name=name, budget_s=budget_s, command=command)


def steps(folder: Path, card: str = "gpu") -> tuple[Step, ...]:
    """The campaign, the most valuable first; one H100 wants about 20 minutes, two or three calls.

    ``card`` tells devices apart: a run file is of one.
    """
    calibration = ("--calibration", str(folder / CALIBRATION))
    validate = ("validate", "--device", "cuda", "--json", *calibration)
    benches = Benches(run=folder / f"run-{card}.jsonl")
    fast = ("--precision", "amp-bf16", "--memory-format", "channels-last")
    plain = ("--precision", "fp32,tf32")
    sizes = ("--batch", "1,32,256")
    return (
        Step(name="doctor", budget_s=60, command=_resprof("doctor")),
        _tests("tests-clocks", 90, "measure/test_cuda.py", "measure/test_nvml_gpu.py"),
        Step(
            name="calibrate",
            budget_s=150,
            command=_resprof("calibrate", "-o", str(folder / CALIBRATION), "--force"),
        ),
        Step(
            name="validate",
            budget_s=200,
            command=_resprof(*validate, "--only", "workloads", "--keep", str(folder / HISTORIES)),
            output="validation.json",
            fills=folder / HISTORIES,
        ),
        benches.step(
            "bench-resnet50", 6, *("resnet50", "resnet50-v1.5"), *sizes, *fast, "--stages",
            energy=True,
        ),
        Step(
            name="peaks",
            budget_s=60,
            command=_resprof("calibrate", "--peaks"),
            output="peaks.jsonl",
        ),
        Step(
            name="largest",
            budget_s=240,
            command=_resprof(*validate, "--only", "largest"),
            output="largest.json",
        ),
        _tests("tests-measuring", 200, "measure/test_gpu.py", "measure/test_memory_history.py"),
        benches.step("bench-graph", 3, "resnet50-v1.5", *sizes, *fast, "--engine", "graph"),
        benches.step("bench-fp32", 6, "resnet50-v1.5", *sizes, *plain, energy=True),
        _measuring("torchvision", 60),
        benches.step(
            "bench-nets", 8, *("resnet18", "resnet34", "resnet101", "resnet152"),
            *("--batch", "32,256", *fast),
        ),
        benches.step(
            "bench-compile", 1, "resnet50-v1.5", "--batch", "256", *fast, "--engine", "compile",
            limit_s=15, first_s=90,
        ),
        benches.step(
            "bench-train", 2, "resnet50-v1.5", "--mode", "train", "--batch", "256,1664", *fast,
            *("--on-oom", "halve"),
            limit_s=15,
        ),
        _measuring("agreement", 240, "--tries", "1"),
        benches.step("bench-v1", 6, "resnet50", *sizes, *plain),
        _tests("tests-memory", 150, *(f"answers/gpu/test_{each}.py" for each in _MEMORY)),
    )  # fmt: skip


def _resprof(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "resprof", *arguments)


def _tests(name: str, budget_s: int, *files: str) -> Step:
    command = (sys.executable, "-m", "pytest", "-m", "gpu and not slow", "-vv", "-rs", "--tb=short")
    return Step(
        name=name,
        budget_s=budget_s,
        command=(*command, *(f"tests/{file}" for file in files)),
        answers=_YES_OR_NO,
    )


def _measuring(check: str, budget_s: int, *options: str) -> Step:
    script = ("tests/bench/measuring.py", check, "--device", "cuda", *options)
    return Step(name=check, budget_s=budget_s, command=(sys.executable, *script), answers=_YES)


def campaign(
    chosen: Sequence[Step], folder: Path, *, to: Path | None = None, seconds: float = float("inf")
) -> list[dict[str, object]]:
    """Runs what has not answered before and fits into the time; returns a line for each step."""
    end = time.monotonic() + seconds
    known = _known(folder)
    ran = []
    for step in chosen:
        if known.get(step.name) in step.answers:
            print(f"{step.name}: done before", flush=True)
            continue
        if time.monotonic() + step.budget_s + _LAST_WORDS_S > end:
            print(f"{step.name}: left for the next call", flush=True)
            continue
        line = _run(_with_what_there_is(step), folder)
        ran.append(line)
        with (folder / DONE).open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{step.name}: exit code {line['code']} after {line['seconds']:.0f} s", flush=True)
        if to is not None:
            bring(folder, to)
    return ran


def bring(folder: Path, to: Path) -> None:
    """Copies what came of the steps, the histories in one archive."""
    to.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if file.is_file():
            shutil.copy(file, to)
    found = sorted((folder / HISTORIES).glob("*.jsonl"))
    if found:
        with tarfile.open(to / f"{HISTORIES}.tar.xz", "w:xz", preset=1) as archive:
            for file in found:
                archive.add(file, arcname=file.name)


def _with_what_there_is(step: Step) -> Step:
    """Without the calibration where that failed: the documented defaults are held then."""
    words = iter(step.command)
    return replace(step, command=tuple(_without_missing(words)))


def _without_missing(words: Iterator[str]) -> Iterator[str]:
    for word in words:
        if word != "--calibration":
            yield word
        elif Path(file := next(words)).exists():
            yield from (word, file)


def _run(step: Step, folder: Path) -> dict[str, object]:
    """A step that runs over is interrupted, as by Ctrl-C, and keeps what it has."""
    start = time.monotonic()
    for file in step.fills.iterdir() if step.fills is not None else ():
        file.unlink()
    process = subprocess.Popen(
        step.command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        cwd=_ROOT,
        start_new_session=True,
    )
    try:
        out, err = _ended(process, step.budget_s)
    finally:  # whatever ends the campaign ends the step, and what that has started
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if step.output is not None:
        (folder / step.output).write_text(out)
    with (folder / LOG).open("a") as log:
        log.write(f"== {step.name}\n{err[-_TAIL:]}\n{'' if step.output else out[-_TAIL:]}\n")
    return {"step": step.name, "code": process.returncode, "seconds": time.monotonic() - start}


def _ended(process: subprocess.Popen[str], budget_s: float) -> tuple[str, str]:
    with suppress(subprocess.TimeoutExpired):
        return process.communicate(timeout=budget_s)
    os.killpg(process.pid, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        return process.communicate(timeout=_LAST_WORDS_S)
    os.killpg(process.pid, signal.SIGKILL)
    return process.communicate()


def _known(folder: Path) -> dict[str, int]:
    """The last exit code of each step that was run before."""
    file = folder / DONE
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return {line["step"]: line["code"] for line in lines}


def _card() -> str:
    """The first letters of the GPU's UUID."""
    query = ("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader")
    try:
        found = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "gpu"
    return found.strip().removeprefix("GPU-")[:8] or "gpu"


def main() -> None:
    """Reads the command line and runs the campaign."""
    parser = argparse.ArgumentParser(description="One visit to a GPU.")
    parser.add_argument("folder", type=Path, help="where steps keep what they find")
    parser.add_argument("--to", type=Path, help="where to copy what came of each step")
    parser.add_argument("--seconds", type=float, default=540.0, help="what the call may take")
    parser.add_argument("step", nargs="*", help="all unless named")
    given = parser.parse_intermixed_args()
    folder, to = given.folder.resolve(), given.to and given.to.resolve()
    every = steps(folder, _card())
    unknown = set(given.step) - {step.name for step in every}
    if unknown:
        parser.error(f"no step {min(unknown)}; there are {', '.join(step.name for step in every)}")
    if to == folder:
        parser.error("--to is the folder itself")
    (folder / HISTORIES).mkdir(parents=True, exist_ok=True)
    chosen = [step for step in every if step.name in given.step or not given.step]
    campaign(chosen, folder, to=to, seconds=given.seconds)


if __name__ == "__main__":
    main()
