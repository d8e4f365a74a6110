"""Whether measurements on this machine's CPU hold: repeated, against torchvision, and for free.

Prints ratios and counts, no absolute times that would mean nothing elsewhere. Needs the extra
``dev`` and an idle machine. Run: python tests/bench/measuring.py [agreement|torchvision|overhead]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

TRIES = 10
LAUNCHES = 6
"""The fewest that give an interval of 95% over launches."""
ROUNDS = 15
BATCH = 8
ITERATION_S = 5e-3


def agreement() -> None:
    """Two signed runs of the same bench, ten times: do their intervals meet?"""
    agree = {"latency": 0, "throughput": 0}
    for number in range(TRIES):
        first, second = _signed_run(), _signed_run()
        ratios = []
        for metric, key, ci in (
            ("latency", "latency_median_s", "latency_ci_s"),
            ("throughput", "throughput_images_per_s", "throughput_ci"),
        ):
            (low, high), (other_low, other_high) = first[metric][ci], second[metric][ci]
            agree[metric] += low <= other_high and other_low <= high
            ratios.append(f"{metric} {second[metric][key] / first[metric][key]:.4f}")
        print(f"  try {number + 1}: second over first: {', '.join(ratios)}", flush=True)
    for metric, count in agree.items():
        print(f"{metric}: two signed runs agree within their intervals in {count} of {TRIES} tries")


def _signed_run() -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "resprof", "bench", "cifar-resnet20", "--device", "cpu"),
            *("--batch", "8", "--launches", str(LAUNCHES), "--time-limit", "3s"),
            *("--run", str(Path(folder) / "run.jsonl"), "--json"),
        ]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
    (result,) = json.loads(done.stdout)["results"]
    return {row["metric"]: row for row in result["rows"]}


def torchvision() -> None:
    """Our ResNet-18 by our clock against torchvision's by torch.utils.benchmark, interleaved."""
    import torch
    from torch.utils.benchmark import Timer

    from resprof.catalog.networks import resolve
    from resprof.jobs.bench_subject import subject
    from resprof.jobs.workloads import workload_of
    from resprof.measure.clock import CpuClock
    from resprof.measure.subject import prepare
    from resprof.records.recipe import infer

    recipe = infer(batch=BATCH, image=(224, 224))
    workload = workload_of(resolve("resnet18"), recipe)
    ours = prepare(subject(workload), recipe, torch.device("cpu"))
    theirs = _torchvision_resnet18().eval()
    theirs.load_state_dict(ours.steps.model.state_dict())
    images = ours.steps.given[0]
    timer = Timer(
        "with torch.inference_mode():\n    model(images)",
        globals={"torch": torch, "model": theirs, "images": images},
        num_threads=torch.get_num_threads(),
    )
    clock, calls = CpuClock(), 5
    clock.back_to_back(ours.call, calls)
    timer.timeit(calls)
    ratios = []
    for turn in range(ROUNDS):
        pair: list[Callable[[], float]] = [
            lambda: clock.back_to_back(ours.call, calls) / calls,
            lambda: timer.timeit(calls).mean,
        ]
        order = (0, 1) if turn % 2 == 0 else (1, 0)
        seconds = {which: pair[which]() for which in order}
        ratios.append(seconds[1] / seconds[0])
    ratios.sort()
    print(
        f"our throughput over torchvision's, ResNet-18, batch {BATCH}: {median(ratios):.4f} "
        f"(rounds {ratios[0]:.4f} to {ratios[-1]:.4f})"
    )


def _torchvision_resnet18() -> Any:
    """Its wheel does not find its operators on a CPU build of torch; a network needs none."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        library.define(schema)  # type: ignore[no-untyped-call]
    from torchvision.models import resnet18

    return resnet18()


def overhead() -> None:
    """What the loop adds to calls of 5 ms, within the timed regions and around them."""
    from resprof.measure.clock import CpuClock
    from resprof.measure.rounds import Taken, TakenTiles, run_rounds
    from resprof.records.plan import Metric, Plan

    def spin() -> None:
        end = time.perf_counter_ns() + round(ITERATION_S * 1e9)
        while time.perf_counter_ns() < end:
            pass

    class Keep:
        def __init__(self) -> None:
            self.taken: list[Taken] = []
            self.timed_s = 0.0
            self._begun = 0.0

        def begin(self) -> None:
            self._begun = time.perf_counter()

        def keep(self, taken: Taken | TakenTiles) -> None:
            self.timed_s += time.perf_counter() - self._begun
            if isinstance(taken, Taken):
                self.taken.append(taken)

    sink = Keep()
    run_rounds(spin, CpuClock(), Plan(target_ci=None, warm_up_s=0.5), sink)
    for metric in Metric:
        ours = [each for each in sink.taken if each.metric is metric]
        per_call = [sum(each.samples_s) / (each.calls * len(each.samples_s)) for each in ours]
        print(f"{metric}: {median(per_call) / ITERATION_S - 1:+.3%} of a 5 ms call within samples")
    samples = sum(sum(each.samples_s) for each in sink.taken)
    print(f"between the samples of a round: {sink.timed_s / samples - 1:+.3%}")


CHECKS: dict[str, Callable[[], None]] = {
    "overhead": overhead,
    "torchvision": torchvision,
    "agreement": agreement,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or CHECKS:
        print(f"{name}:", flush=True)
        CHECKS[name]()
