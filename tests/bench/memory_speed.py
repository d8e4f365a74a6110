"""How many batch sizes a second one core answers, for a trace as long as ResNet-50's.

Prints one line for each kind of allocator. The trace is synthetic: convolution, batch norm and
ReLU in 53 layers, two training steps. Run: python tests/bench/memory_speed.py
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from resprof.memory.budget import budget_limit, largest_batches
from resprof.memory.overlay import default_overlay, overlaid
from resprof.memory.prediction import predict
from resprof.memory.replay import flatten, replay
from resprof.memory.rules import AllocatorKind
from resprof.model.recipe import train
from tests.memory.memory_traces import training

LEAST_PER_S = 150
EVENTS = 3_500
SECONDS = 3.0
"""How long each measurement takes."""
GIB = 2**30


def main() -> None:
    overlay = default_overlay((9, 0))
    trace = next(trace for trace in map(training, range(2, 99)) if len(trace.events) >= EVENTS)
    stream = flatten(overlaid(trace, overlay))
    print(f"{len(stream.codes)} events, {len(trace.events)} before the overlay")
    for kind in AllocatorKind:
        batch, start = 1, time.perf_counter()
        while (seconds := time.perf_counter() - start) < SECONDS:
            replay(stream, batch, kind)
            batch += 1
        rate = (batch - 1) / seconds
        print(f"{rate:7.1f} batch sizes/s  {kind}   (at least {LEAST_PER_S} for default)")
    start = time.perf_counter()
    predict(trace, train(batch=256, image=(224, 224)), overlay, model="", title="")
    print(f"{time.perf_counter() - start:7.3f} s  one full prediction from the trace")
    start = time.perf_counter()
    largest_batches(trace, budget_limit(80 * GIB, overlay.context_bytes, margin=0.05), overlay)
    print(f"{time.perf_counter() - start:7.3f} s  one budget, both kinds")


if __name__ == "__main__":
    main()
