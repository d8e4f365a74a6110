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

from resprof.codec import from_plain
from resprof.measure.run import (
    LaunchEnd,
    MemoryUse,
    Metric,
    Observation,
    Order,
    Outcome,
    Round,
    Stop,
    WarmUp,
)
from resprof.measure.run_file import Record, to_line
from resprof.model.environment import DeviceKind, Environment, Machine, TorchBuild
from resprof.model.recipe import Workload


def environment_of(version: str = "2.99", date: str = "2026-01-01T00:00:00+00:00") -> Environment:
    """An environment that is the same whoever makes it."""
    return Environment(
        date=date,
        resprof="0",
        python="CPython 3.11",
        machine=Machine(
            architecture="x86_64",
            cpu_model="a processor",
            cores=2,
            memory_bytes=2**34,
            system="a system",
            kernel="a kernel",
            load=0.5,
        ),
        torch=TorchBuild(
            version=version,
            cuda=None,
            cudnn=None,
            cpu_capability="AVX2",
            threads=2,
            interop_threads=2,
            tf32_matmul=False,
            tf32_conv=False,
            cudnn_benchmark=False,
        ),
        gpu=None,
    )


def rounds_of(workload: Workload, launch: int, number: int, first: int = 0) -> list[Round]:
    """Rounds of both metrics; a call takes as many ms as the batch has images, and the launch."""
    call_s = 0.001 * (workload.recipe.batch + launch)
    return [
        Round(
            key=workload.text,
            launch=launch,
            device=DeviceKind.CPU,
            metric=metric,
            index=index,
            calls=10 if metric is Metric.THROUGHPUT else 1,
            samples_s=(10 * call_s,) if metric is Metric.THROUGHPUT else (call_s, call_s, call_s),
        )
        for index in range(first, first + number)
        for metric in Metric
    ]


def end_of(
    workload: Workload,
    launch: int,
    outcome: Outcome = Outcome.MEASURED,
    message: str | None = None,
) -> LaunchEnd:
    """The end of a launch, with an observation where it ended well."""
    observed = Observation(
        device=DeviceKind.CPU,
        first_call_s=0.5,
        warm_up=WarmUp(samples_s=(0.01,), steady=True),
        stop=Stop.ROUNDS_DONE,
        outputs_finite=True,
        memory=MemoryUse(peak_allocated_bytes=2**20, activation_bytes=2**19),
    )
    return LaunchEnd(
        key=workload.text,
        launch=launch,
        outcome=outcome,
        message=message,
        observed=observed if outcome is Outcome.MEASURED else None,
    )


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
