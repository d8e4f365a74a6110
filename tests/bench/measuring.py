"""Whether measurements on this machine hold: repeated, against torchvision, and for free.

Prints ratios and counts, no absolute times that would mean nothing elsewhere. Needs the extra
``dev`` and an idle machine.
Run: python tests/bench/measuring.py [agreement|torchvision|overhead ...] [--device cpu|cuda]
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resprof.model.recipe import Recipe

LAUNCHES = 6
"""The fewest that give an interval of 95% over launches."""
ROUNDS = 15
ITERATION_S = 5e-3


def agreement(device: str, tries: int) -> None:
    """Two signed runs of the same bench, several times: do their intervals meet?"""
    agree = {"latency": 0, "throughput": 0}
    for number in range(tries):
        first, second = _signed_run(device), _signed_run(device)
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
        print(f"{metric}: two signed runs agree within their intervals in {count} of {tries} tries")


_BENCHED = {
    "cpu": ("cifar-resnet20", "--batch", "8"),
    "cuda": (
        *("resnet50-v1.5", "--batch", "256", "--no-energy"),
        *("--precision", "amp-bf16", "--memory-format", "channels-last"),
    ),
}


def _signed_run(device: str) -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "resprof", "bench", *_BENCHED[device], "--device", device),
            *("--launches", str(LAUNCHES), "--time-limit", "3s"),
            *("--run", str(Path(folder) / "run.jsonl"), "--json"),
        ]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
    (result,) = json.loads(done.stdout)["results"]
    return {row["metric"]: row for row in result["rows"]}


def torchvision(device: str) -> None:
    """Our networks by our clock against torchvision's by torch.utils.benchmark, interleaved."""
    for name, theirs, recipe in _pairs(device):
        ratios = _interleaved(name, theirs, recipe, device)
        print(
            f"our throughput over torchvision's, {name}, batch {recipe.batch}, "
            f"{recipe.precision}: {median(ratios):.4f} "
            f"(rounds {ratios[0]:.4f} to {ratios[-1]:.4f})",
            flush=True,
        )


def _pairs(device: str) -> Iterator[tuple[str, str, Recipe]]:
    from resprof.model.recipe import MemoryFormat, Precision, infer

    if device == "cpu":
        yield "resnet18", "resnet18", infer(batch=8, image=(224, 224))
        return
    fast = replace(
        infer(batch=256, image=(224, 224)),
        precision=Precision.AMP_BF16,
        memory_format=MemoryFormat.CHANNELS_LAST,
    )
    for recipe in (fast, infer(batch=256, image=(224, 224))):
        yield "resnet18", "resnet18", recipe
        yield "resnet50-v1.5", "resnet50", recipe


def _interleaved(name: str, theirs: str, recipe: Recipe, device: str) -> list[float]:
    import torch
    from torch.utils.benchmark import Timer

    from resprof.answers.bench.subject import subject
    from resprof.measure.clock import Clock, CpuClock
    from resprof.measure.cuda import CudaClock
    from resprof.measure.device import set_switches
    from resprof.measure.subject import prepare
    from resprof.model.networks import resolve, workload_of
    from resprof.model.recipe import MemoryFormat, Precision

    set_switches(recipe)
    where = torch.device(device)
    ours = prepare(subject(workload_of(resolve(name), recipe)), recipe, where)
    model = _of_torchvision(theirs).eval().to(where)
    model.load_state_dict(ours.steps.model.state_dict())
    if recipe.memory_format is MemoryFormat.CHANNELS_LAST:
        model = model.to(memory_format=torch.channels_last)
    mixed = recipe.precision is Precision.AMP_BF16
    images = ours.steps.given[0]
    timer = Timer(
        "with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=mixed):\n"
        "    model(images)",
        globals={"torch": torch, "model": model, "images": images, "device": device}
        | {"mixed": mixed},
        num_threads=torch.get_num_threads(),
    )
    calls = 5 if device == "cpu" else 20
    clock: Clock = CpuClock() if device == "cpu" else CudaClock(where)
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
    return sorted(ratios)


def _of_torchvision(name: str) -> Any:
    """Its wheel does not find its operators on a CPU build of torch; a network needs none."""
    try:
        return getattr(importlib.import_module("torchvision.models"), name)()
    except RuntimeError:
        _declare_detection()
        return getattr(importlib.import_module("torchvision.models"), name)()


def _declare_detection() -> None:
    import torch

    for module in [module for module in sys.modules if module.split(".")[0] == "torchvision"]:
        del sys.modules[module]
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        library.define(schema)  # type: ignore[no-untyped-call]
    _DECLARED.append(library)


_DECLARED: list[Any] = []
"""The schemas live as long as their library object does."""


def overhead() -> None:
    """What the loop adds to calls of 5 ms, within the timed regions and around them."""
    from resprof.measure.clock import CpuClock
    from resprof.measure.run import Metric, Plan
    from resprof.measure.run_file import Record
    from tests.measure.scripted import Kept, run_on

    def spin() -> None:
        end = time.perf_counter_ns() + round(ITERATION_S * 1e9)
        while time.perf_counter_ns() < end:
            pass

    class Timed(Kept):
        def __init__(self) -> None:
            super().__init__()
            self.timed_s = 0.0
            self._begun: float | None = None

        def read(self) -> None:
            if self._begun is None:
                self._begun = time.perf_counter()

        def emit(self, record: Record) -> None:
            if self._begun is not None:
                self.timed_s += time.perf_counter() - self._begun
            self._begun = None
            super().emit(record)

    kept = Timed()
    run_on(CpuClock(), Plan(target_ci=None, warm_up_s=0.5), kept, call=spin)
    for metric in Metric:
        ours = kept.of(metric)
        per_call = [sum(each.samples_s) / (each.calls * len(each.samples_s)) for each in ours]
        print(f"{metric}: {median(per_call) / ITERATION_S - 1:+.3%} of a 5 ms call within samples")
    samples = sum(sum(each.samples_s) for metric in Metric for each in kept.of(metric))
    print(f"between the samples of a round: {kept.timed_s / samples - 1:+.3%}")


def main() -> None:
    """Runs the checks that are named, or all."""
    parser = argparse.ArgumentParser(description="Whether measurements on this machine hold.")
    parser.add_argument("check", nargs="*", help="agreement, torchvision, overhead; default: all")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--tries", type=int, default=10, help="of agreement")
    given = parser.parse_intermixed_args()
    checks: dict[str, Callable[[], None]] = {
        "overhead": overhead,
        "torchvision": lambda: torchvision(given.device),
        "agreement": lambda: agreement(given.device, given.tries),
    }
    for name in given.check or checks:
        print(f"{name}:", flush=True)
        checks[name]()


if __name__ == "__main__":
    main()
