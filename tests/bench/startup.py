"""How long resprof's answers take as whole processes, against others in the same run.

Prints ratios of medians, which hold where absolute times do not: the runs of all commands take
turns on the same machine. Needs the extra ``dev``. Run: python tests/bench/startup.py
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 7

BARE = """
import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer()

@app.command()
def main(name: str) -> None:
    table = Table(title=name)
    for title in ("stage", "output", "params", "MACs", "FLOPs", "share"):
        table.add_column(title)
    for row in range(6):
        table.add_row(*(str(row * column) for column in range(6)))
    Console().print(table)

app()
"""

_MODEL = """
import torch
library = torch.library.Library("torchvision", "FRAGMENT")
try:
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
except RuntimeError:
    pass
from torchvision.models import resnet50
model = resnet50().eval()
"""

PEERS = {
    "fvcore": """
from fvcore.nn import FlopCountAnalysis
print(FlopCountAnalysis(model, torch.zeros(1, 3, 224, 224)).total())
""",
    "torchinfo": """
from torchinfo import summary
print(summary(model, (1, 3, 224, 224), verbose=0).total_mult_adds)
""",
    "ptflops": """
from ptflops import get_model_complexity_info
print(get_model_complexity_info(model, (3, 224, 224), print_per_layer_stat=False))
""",
    "thop": """
from thop import profile
print(profile(model, (torch.zeros(1, 3, 224, 224),), verbose=False))
""",
}

LIBRARY = """
import time
from resprof.model.networks import at_image, resolve, variants
from resprof.counting.cost import count
start = time.perf_counter()
networks = [resolve(name) for name in variants()]
done = 0
side = 32
while done < 10_000:
    for network in networks:
        count(at_image(network, (side, side))).stages()
        done += 1
    side += 1
print(f"{done} {time.perf_counter() - start:.2f}")
"""


def measured(command: list[str]) -> tuple[float, int]:
    """Wall seconds and peak resident bytes of one run."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command} failed")
    return seconds, usage.ru_maxrss * 1024


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    python = sys.executable
    resprof = [python, "-m", "resprof"]
    with tempfile.TemporaryDirectory() as folder:
        scripts = {"bare typer + rich": BARE} | {
            name: _MODEL + text for name, text in PEERS.items()
        }
        commands = {}
        for name, text in scripts.items():
            file = Path(folder) / f"run_{name.split()[0]}.py"
            file.write_text(text)
            commands[name] = [python, str(file), *(["x"] if name.startswith("bare") else [])]
        commands["resprof flops resnet50"] = [*resprof, "flops", "resnet50"]
        commands["resprof --version"] = [*resprof, "--version"]
        cached = ["budget", "resnet18", "--memory", "8GiB"]
        commands["resprof " + " ".join(cached)] = [*resprof, *cached]
        long = ["flops", "cifar-resnet1202", "--per", "layer", "--json"]
        commands["resprof " + " ".join(long)] = [*resprof, *long]
        times: dict[str, list[float]] = {name: [] for name in commands}
        peaks: dict[str, int] = {}
        for turn in range(RUNS + 1):
            for name, command in commands.items():
                seconds, peak = measured(command)
                if turn:  # the first turn fills caches
                    times[name].append(seconds)
                peaks[name] = max(peak, peaks.get(name, 0))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        spread = f"{min(times[name]):.3f} .. {max(times[name]):.3f}"
        print(f"{median:7.3f} s  ({spread})  {peaks[name] / 1e6:6.1f} MB  {name}")
    short, bare = medians["resprof flops resnet50"], medians["bare typer + rich"]
    fastest = min(PEERS, key=lambda name: medians[name])
    print(f"flops resnet50 / bare program: {short / bare:.2f}   (at most 1.5)")
    version = medians["resprof --version"]
    print(f"--version / flops resnet50: {version / short:.2f}   (at most 1)")
    budget = medians["resprof " + " ".join(cached)]
    print(f"budget from the cache / bare program: {budget / bare:.2f}   (at most 2)")
    ratio = medians[fastest] / short
    print(f"fastest peer ({fastest}) / flops resnet50: {ratio:.1f}   (at least 6)")
    long_median = medians["resprof " + " ".join(long)]
    print(f"cifar-resnet1202 per layer / flops resnet50: {long_median / short:.2f}   (at most 3)")
    done = subprocess.run([python, "-c", LIBRARY], capture_output=True, text=True, check=True)
    number, seconds_text = done.stdout.split()
    print(f"{number} architectures x image sizes in {seconds_text} s   (under 10)")


if __name__ == "__main__":
    main()
