"""Stands for the process that measures: takes an order and does what a script says.

``python stand_in_child.py SCRIPT``. The script is Python with a few words of its own, see ``main``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))  # run by its path, from any folder

from resprof.codec import from_plain
from resprof.measure.run import LaunchEnd, MemoryUse, Order, Outcome
from resprof.measure.run_file import Record, to_line
from resprof.model.recipe import Workload
from tests.factories import end, environment_of, rounds_of


def end_of(
    workload: Workload,
    launch: int,
    outcome: Outcome = Outcome.MEASURED,
    message: str | None = None,
) -> LaunchEnd:
    """The end of a launch, with an observation where it ended well."""
    memory = MemoryUse(peak_allocated_bytes=2**20, activation_bytes=2**19)
    return end(workload, launch, outcome=outcome, message=message, memory=memory)


def main(script: str) -> None:
    """Runs the script. ``sleep_beside`` starts a process that would outlive this one."""
    order = from_plain(Order, json.load(sys.stdin))
    workload, launch = order.workload, order.launch

    def say(*records: Record) -> None:
        sys.stdout.write("".join(map(to_line, records)))
        sys.stdout.flush()

    def sleep_beside(note: str) -> None:
        beside = subprocess.Popen(["sleep", "600"])
        Path(note).write_text(str(beside.pid))

    words = {
        "batch": workload.recipe.batch,
        "launch": launch,
        "environment": lambda *changes: say(environment_of(*changes)),
        "rounds": lambda number, first=0: say(*rounds_of(workload, launch, number, first)),
        "measured": lambda: say(end_of(workload, launch)),
        "out_of_memory": lambda: say(end_of(workload, launch, Outcome.OUT_OF_MEMORY, "too much")),
        "sleep_beside": sleep_beside,
        "write": lambda data: os.write(1, data),
        "die": lambda name: os.kill(os.getpid(), signal.Signals[name]),
        "os": os,
        "sys": sys,
        "time": time,
    }
    exec(script, words)


if __name__ == "__main__":
    main(sys.argv[1])
