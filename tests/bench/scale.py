"""Times ``resprof compare`` of large run files: ``python -m tests.bench.scale``.

One configuration with 2,000 and 20,000 rounds, and as many configurations: seconds, peak memory,
and the ratio of the ten times larger file to the smaller, which is 10 where time is linear.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from resprof.measure.run import LaunchEnd, LaunchStart, Round
from resprof.measure.run_file import read_run, to_line
from resprof.model.environment import Environment

SIZES = (2_000, 20_000)
LIMIT_S = 60.0
LIMIT_BYTES = 2**30


def many_rounds(run: Path, rounds: int) -> Iterator[str]:
    """The first launch of a run with that many rounds, whose times only scatter."""
    rng = random.Random(0)
    environment, start, taken, end = _parts(run)
    yield to_line(environment)
    yield to_line(start)
    for index in range(rounds):
        samples = tuple(1e-3 * rng.lognormvariate(0, 0.01) for _ in range(20))
        yield to_line(replace(taken, index=index, calls=1, samples_s=samples))
    yield to_line(end)


def many_configurations(run: Path, configurations: int) -> Iterator[str]:
    """As many batch sizes of one network, each with six rounds."""
    rng = random.Random(0)
    environment, start, taken, end = _parts(run)
    yield to_line(environment)
    for batch in range(1, configurations + 1):
        recipe = replace(start.workload.recipe, batch=batch)
        workload = replace(start.workload, recipe=recipe)
        yield to_line(replace(start, key=workload.text, workload=workload))
        for index in range(6):
            samples = tuple(1e-3 * rng.lognormvariate(0, 0.01) for _ in range(5))
            yield to_line(
                replace(taken, key=workload.text, index=index, calls=1, samples_s=samples)
            )
        yield to_line(replace(end, key=workload.text))


def _parts(run: Path) -> tuple[Environment, LaunchStart, Round, LaunchEnd]:
    records = read_run(run)
    return (
        [each for each in records if isinstance(each, Environment)][-1],
        next(each for each in records if isinstance(each, LaunchStart)),
        next(each for each in records if isinstance(each, Round)),
        next(each for each in records if isinstance(each, LaunchEnd)),
    )


def measured(files: list[Path]) -> tuple[float, int]:
    """Seconds and peak bytes of a process that compares the files."""
    start = time.monotonic()
    command = [sys.executable, "-m", "resprof", "compare", *map(str, files)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"compare ended with status {status}")
    return time.monotonic() - start, usage.ru_maxrss * 1024


def main(run: Path) -> int:
    """Prints a line for each size and kind; 1 where one takes more than it may."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    over = False
    with tempfile.TemporaryDirectory() as folder:
        for kind in (many_rounds, many_configurations):
            for count in (1, 2):
                seconds = []
                name = f"{kind.__name__:20} {count} file(s)"
                for size in SIZES:
                    file = Path(folder) / "run.jsonl"
                    file.write_text("".join(kind(run, size)))
                    other = Path(folder) / "other.jsonl"
                    other.write_bytes(file.read_bytes())
                    took, peak = measured([file, other][:count])
                    seconds.append(took)
                    over |= took > LIMIT_S or peak > LIMIT_BYTES
                    print(f"{name} {size:6,}: {took:6.1f} s, {peak / 2**20:6.0f} MiB")
                print(f"{name} ratio {seconds[1] / seconds[0]:.1f}", flush=True)
    return int(over)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
