"""How long a long run takes to read, against what json.loads takes for its lines.

    python -m tests.bench.reading [RUN]

Repeats the rounds of a committed run until the file has as many lines as a long campaign's.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from resprof.measure.run_file import read_run

RUN = "reports/runs/20261125T054400Z-signed.jsonl"
LINES = 98_000
MOST = 3.0
_REPEATS = 3


def seconds(work: Callable[[], object]) -> float:
    """The least of a few times."""
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main(run: str = RUN) -> int:
    """Prints both times and their ratio; the exit code is 1 where it is more than ``MOST``."""
    source = Path(run).read_text(encoding="utf-8").splitlines(keepends=True)
    text = "".join(itertools.islice(itertools.cycle(source), LINES))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "run.jsonl"
        file.write_text(text, encoding="utf-8")
        ours = seconds(lambda: read_run(file))
        plain = seconds(lambda: [json.loads(line) for line in text.splitlines()])
    print(
        f"{LINES} lines, {len(text) / 1e6:.0f} MB: read_run {ours:.2f} s, json.loads "
        f"{plain:.2f} s, ratio {ours / plain:.2f} (at most {MOST:g})"
    )
    return int(ours > MOST * plain)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
