"""How long a memory prediction takes as a whole process, against others in the same run.

Prints ratios of medians. Needs the extra ``dev``. Run: python tests/bench/prediction.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 5

BARE = """
import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer()

@app.command()
def main(name: str) -> None:
    table = Table(title=name)
    for title in ("stage", "activations", "at the peak"):
        table.add_column(title)
    for row in range(8):
        table.add_row(*(str(row * column) for column in range(3)))
    Console().print(table)

app()
"""

MANY = """
import time
from resprof.model.networks import resolve
from resprof.answers.memory.traces import trace_workload
from resprof.memory.overlay import default_overlay, overlaid
from resprof.memory.replay import flatten, replay
from resprof.model.recipe import Checkpoint, Mode, Optimizer, OptimizerImpl, Recipe

recipe = Recipe(
    mode=Mode.TRAIN, batch=2, image=(224, 224), optimizer=Optimizer.SGD_MOMENTUM,
    optimizer_impl=OptimizerImpl.FOREACH, accumulate=1, checkpoint=Checkpoint.NONE,
)
overlay = default_overlay()
stream = flatten(overlaid(trace_workload(resolve("resnet50"), recipe), overlay))
start = time.perf_counter()
for batch in range(100, 400):
    replay(stream, batch)
print(f"{300 / (time.perf_counter() - start):.0f}")
"""


def seconds(command: list[str], cache: str) -> float:
    start = time.perf_counter()
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "XDG_CACHE_HOME": cache},
    )
    return time.perf_counter() - start


def main() -> None:
    python = sys.executable
    memory = [python, "-m", "resprof", "memory", "resnet50", "--batch", "256"]
    budget = [python, "-m", "resprof", "budget", "resnet50", "--memory", "80GiB", "--grid"]
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        warm = f"{folder}/warm"
        seconds(memory, warm)
        for turn in range(RUNS):
            for name, command, cache in (
                ("import torch", [python, "-c", "import torch"], warm),
                ("bare typer + rich", [python, str(bare), "x"], warm),
                ("memory, cold", memory, f"{folder}/cold{turn}"),
                ("memory, cached", memory, warm),
            ):
                times.setdefault(name, []).append(seconds(command, cache))
        medians = {name: statistics.median(values) for name, values in times.items()}
        for name, median in medians.items():
            print(f"{median:7.3f} s  ({min(times[name]):.3f} .. {max(times[name]):.3f})  {name}")
        cold = medians["memory, cold"] / medians["import torch"]
        print(f"cold prediction / import torch: {cold:.2f}   (at most 3.5)")
        cached = medians["memory, cached"] / medians["bare typer + rich"]
        print(f"cached prediction / bare program: {cached:.2f}   (below 4)")
        print(f"grid of 24 recipes, cold: {seconds(budget, f'{folder}/grid'):.1f} s   (below 40)")
        environment = {**os.environ, "XDG_CACHE_HOME": warm}
        done = subprocess.run(
            [python, "-c", MANY], capture_output=True, text=True, check=True, env=environment
        )
        print(f"{done.stdout.strip()} new batch sizes per second   (at least 150)")


if __name__ == "__main__":
    main()
