"""One visit to a GPU: all that it can prove and measure, in order of value, resumable.

Run: python tests/gpu/campaign.py FOLDER [STEP ...]. Every step is one of resprof's own commands in
a process of its own with a budget in seconds; one that fails or runs over leaves the others their
time. A step that ended well is not run again in the same folder, and benches resume in their run
file. What comes back fits in eight files: see ``collect``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LOG, DONE, RUN = "campaign.log", "campaign.jsonl", "run.jsonl"
CALIBRATION, HISTORIES = "calibration.json", "histories"
_ANSWERS = {0, 1}
"""Exit codes of a step that has answered, with yes or with no."""
_TAIL = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command and the most seconds it may take; ``output`` is the file its stdout goes to."""

    name: str
    budget_s: int
    command: tuple[str, ...]
    output: str | None = None


def steps(folder: Path) -> tuple[Step, ...]:
    """The campaign, the most valuable first; about 530 s in all on one H100."""
    python = (sys.executable, "-m")
    resprof = (*python, "resprof")
    calibration = str(folder / CALIBRATION)
    histories = folder / HISTORIES
    histories.mkdir(parents=True, exist_ok=True)
    run = ("--device", "cuda", "--run", str(folder / RUN), "--resume")
    fast = ("--precision", "amp-bf16", "--memory-format", "channels-last")
    validate = (*resprof, "validate", "--device", "cuda", "--json")

    def bench(*options: str, limit: str = "5s") -> tuple[str, ...]:
        return (*resprof, "bench", *options, *run, "--time-limit", limit, "--json")

    return (
        Step(name="doctor", budget_s=30, command=(*resprof, "doctor")),
        Step(
            name="tests",
            budget_s=100,
            command=(
                sys.executable,
                "-m",
                "pytest",
                "-m",
                "gpu and not slow",
                "-rs",
                "-q",
                "tests",
            ),
            output="tests.txt",
        ),
        Step(
            name="calibrate",
            budget_s=90,
            command=(*resprof, "calibrate", "-o", calibration, "--force"),
        ),
        Step(
            name="peaks",
            budget_s=30,
            command=(*resprof, "calibrate", "--peaks"),
            output="peaks.jsonl",
        ),
        Step(
            name="validate",
            budget_s=130,
            command=(
                *validate,
                *("--no-largest", "--calibration", calibration, "--keep", str(histories)),
            ),
            output="validation.json",
        ),
        Step(
            name="bench-resnet50",
            budget_s=75,
            command=bench("resnet50", "resnet50-v1.5", "--batch", "1,32,256", *fast, "--stages"),
        ),
        Step(
            name="largest",
            budget_s=90,
            command=(*validate[:-1], "resnet50", "--calibration", calibration),
        ),
        Step(
            name="bench-graph",
            budget_s=35,
            command=bench("resnet50-v1.5", "--batch", "1,32,256", *fast, "--engine", "graph"),
        ),
        Step(
            name="bench-fp32",
            budget_s=75,
            command=bench("resnet50-v1.5", "--batch", "1,32,256", "--precision", "fp32,tf32"),
        ),
        Step(
            name="bench-train",
            budget_s=30,
            command=bench("resnet50-v1.5", "--mode", "train", "--batch", "256,1024", *fast),
        ),
        Step(
            name="bench-nets",
            budget_s=90,
            command=bench(
                *("resnet18", "resnet34", "resnet101", "resnet152"),
                *("--batch", "32,256", *fast, "--metric", "throughput"),
            ),
        ),
        Step(
            name="bench-compile",
            budget_s=90,
            command=bench(
                "resnet50-v1.5",
                "--batch",
                "256",
                *fast,
                "--engine",
                "compile",
                "--time-limit",
                "40s",
            ),
        ),
    )


def campaign(chosen: Sequence[Step], folder: Path) -> list[dict[str, object]]:
    """Runs what has not ended well before; returns a line for each step that was run."""
    known = _known(folder)
    ran = []
    for step in chosen:
        if step.name in known:
            print(f"{step.name}: done before", flush=True)
            continue
        line = _run(step, folder)
        ran.append(line)
        with (folder / DONE).open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{step.name}: exit code {line['code']} after {line['seconds']:.0f} s", flush=True)
    return ran


def collect(folder: Path) -> None:
    """Packs the recorded histories into one file."""
    found = sorted((folder / HISTORIES).glob("*.jsonl"))
    if found:
        with tarfile.open(folder / f"{HISTORIES}.tar.xz", "w:xz") as archive:
            for file in found:
                archive.add(file, arcname=file.name)


def _run(step: Step, folder: Path) -> dict[str, object]:
    """A step that is cut off by its budget keeps what it has written."""
    start = time.monotonic()
    try:
        done = subprocess.run(
            step.command, capture_output=True, text=True, timeout=step.budget_s, check=False
        )
        code, out, err = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        code, out, err = -1, _text(late.stdout), _text(late.stderr)
    if step.output is not None:
        (folder / step.output).write_text(out)
    with (folder / LOG).open("a") as log:
        log.write(f"== {step.name}\n{err[-_TAIL:]}\n{'' if step.output else out[-_TAIL:]}\n")
    return {"step": step.name, "code": code, "seconds": time.monotonic() - start}


def _known(folder: Path) -> set[str]:
    file = folder / DONE
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return {line["step"] for line in lines if line["code"] in _ANSWERS}


def _text(output: str | bytes | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


if __name__ == "__main__":
    target = Path(sys.argv[1])
    every = steps(target)
    campaign([step for step in every if step.name in sys.argv[2:] or not sys.argv[2:]], target)
    collect(target)
