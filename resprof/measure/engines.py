"""How a step is launched: operator by operator, compiled, or as one CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch

from resprof.errors import EnvironmentMissing
from resprof.records.recipe import Engine
from resprof.steps.steps import Steps

_BEFORE_CAPTURE = 3
"""Steps on a side stream before a capture, as torch's notes on CUDA graphs ask for: they choose
algorithms and make workspaces and the optimiser's state, none of which may happen within."""


def run_by(engine: Engine, steps: Steps) -> Callable[[], object]:
    """The step as the engine runs it. What an engine prepares happens in the first call.

    Raises ``EnvironmentMissing`` for a CUDA graph without a CUDA device.
    """
    match engine:
        case Engine.EAGER:
            return steps.step
        case Engine.COMPILE:
            compiled = torch.compile(steps.model)
            steps.model = cast("torch.nn.Module", compiled)
            return steps.step
        case Engine.GRAPH:
            if steps.given[0].device.type != "cuda":
                raise EnvironmentMissing(
                    "CUDA graphs need a CUDA device", hint="leave out --engine graph"
                )
            return _Graph(steps)


class _Graph:
    """Captures the step when it is called first, replays it from then on."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._replay: Callable[[], object] | None = None

    def __call__(self) -> None:
        if self._replay is None:
            self._replay = _captured(self._steps)
        self._replay()


def _captured(steps: Steps) -> Callable[[], object]:
    device = steps.given[0].device
    outside = torch.cuda.current_stream(device)
    aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    aside.wait_stream(outside)
    with torch.cuda.stream(aside):
        for _ in range(_BEFORE_CAPTURE):
            steps.step()
    outside.wait_stream(aside)
    steps.clear()  # so that the gradients are made within, in the graph's own memory
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        steps.step()
    return graph.replay  # a bound method: it keeps the graph alive
