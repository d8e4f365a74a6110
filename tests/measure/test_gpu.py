"""What must hold of measurements on a real GPU; run with: pytest -m gpu."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from statistics import median

import pytest
import torch

from resprof.answers.bench.results import MOST_DEVIATION
from resprof.answers.bench.subject import subject
from resprof.measure.cuda import CudaClock
from resprof.measure.device import gpu, set_switches
from resprof.measure.nvml import open_nvml
from resprof.measure.rounds import energy_window
from resprof.measure.run import Metric, Plan, Round, TiledRound, Tiling
from resprof.measure.subject import Work, prepare
from resprof.measure.tiles import Tiled
from resprof.model.environment import DeviceKind
from resprof.model.networks import resolve, workload_of
from resprof.model.recipe import Engine, MemoryFormat, Mode, Precision, Recipe, infer, train
from resprof.stats.comparison import SpeedVerdict, compare
from tests.measure.scripted import Kept, order_of, run_on

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]

_IMAGE = (224, 224)
_PLAN = Plan(target_ci=None, round_s=0.25, warm_up_s=1.0, time_limit_s=30.0)
_NOISE = 0.02
"""What two measurements of the same may differ by here, in seconds of measuring."""
_FAST = {"precision": Precision.AMP_BF16, "memory_format": MemoryFormat.CHANNELS_LAST}


@contextmanager
def _ready(recipe: Recipe, name: str = "resnet50") -> Iterator[tuple[Work, CudaClock]]:
    device = torch.device("cuda", 0)
    set_switches(recipe)
    work = prepare(subject(workload_of(resolve(name), recipe)), recipe, device)
    yield work, CudaClock(device)
    del work
    torch.cuda.empty_cache()


def _rounds(work: Work, clock: CudaClock, plan: Plan = _PLAN, tiled: Tiled | None = None) -> Kept:
    kept = Kept()
    run_on(clock, plan, kept, call=work.call, tiled=tiled)
    return kept


def _medians(rounds: list[Round]) -> list[float]:
    return [median(each.samples_s) for each in rounds]


def _latency(recipe: Recipe, name: str = "resnet50") -> float:
    with _ready(recipe, name) as (work, clock):
        plan = replace(_PLAN, metrics=(Metric.LATENCY,))
        return median(_medians(_rounds(work, clock, plan).of(Metric.LATENCY)))


def _throughput(recipe: Recipe) -> float:
    with _ready(recipe) as (work, clock):
        plan = replace(_PLAN, metrics=(Metric.THROUGHPUT,))
        rounds = _rounds(work, clock, plan).of(Metric.THROUGHPUT)
        return recipe.batch * sum(r.calls for r in rounds) / sum(sum(r.samples_s) for r in rounds)


def test_throughput_does_not_fall_with_the_batch_beyond_noise() -> None:
    rates = [
        _throughput(replace(infer(batch=batch, image=_IMAGE), **_FAST))  # type: ignore[arg-type]
        for batch in (1, 8, 32, 128)
    ]
    for smaller, larger in pairwise(rates):
        assert larger >= (1 - _NOISE) * smaller


@pytest.mark.parametrize("mode", Mode)
def test_a_graph_is_not_slower_than_eager_beyond_noise(mode: Mode) -> None:
    plain = (infer if mode is Mode.INFER else train)(batch=1, image=_IMAGE)
    eager = replace(plain, **_FAST)  # type: ignore[arg-type]
    graph = replace(eager, engine=Engine.GRAPH)
    assert _latency(graph) <= (1 + _NOISE) * _latency(eager)


def test_a_graph_computes_what_eager_computes() -> None:
    """The first call of a graph is three steps before its capture, and a replay."""
    recipe = train(batch=8, image=_IMAGE)
    with _ready(replace(recipe, engine=Engine.GRAPH), "resnet18") as (work, _):
        work.call()
        graph = [parameter.detach().clone() for parameter in work.steps.model.parameters()]
    with _ready(recipe, "resnet18") as (work, _):
        start = [parameter.detach().clone() for parameter in work.steps.model.parameters()]
        for _ in range(4):
            work.call()
        eager = list(work.steps.model.parameters())
    moved = [float((after - before).norm()) for after, before in zip(eager, start, strict=True)]
    apart = [float((after - other).norm()) for after, other in zip(eager, graph, strict=True)]
    assert sum(moved) > 0
    assert sum(apart) < 0.1 * sum(moved)


@pytest.mark.parametrize("mode", Mode)
def test_tiled_stages_take_what_the_clean_call_takes(mode: Mode) -> None:
    """At a batch at which the device and not the host sets the pace."""
    plain = (infer if mode is Mode.INFER else train)(batch=64, image=_IMAGE)
    with _ready(replace(plain, **_FAST)) as (work, clock):  # type: ignore[arg-type]
        tiled = Tiled(work, Tiling.STAGES)
        plan = replace(_PLAN, metrics=(Metric.LATENCY,))
        kept = _rounds(work, clock, plan, tiled)
    clean = _medians(kept.of(Metric.LATENCY))
    instrumented = [_total(each) for each in kept.tiles()]
    ratios = [other / one for one, other in zip(clean, instrumented, strict=True)]
    assert abs(median(ratios) - 1) <= MOST_DEVIATION


def _total(tiles: TiledRound) -> float:
    return median(sum(call) for call in tiles.samples_s)


def test_identical_code_is_called_the_same() -> None:
    recipe = replace(infer(batch=64, image=_IMAGE), **_FAST)  # type: ignore[arg-type]
    plan = replace(_PLAN, metrics=(Metric.LATENCY,), round_s=0.5)
    values = []
    for _ in range(2):
        with _ready(recipe) as (work, clock):
            values.append(_medians(_rounds(work, clock, plan).of(Metric.LATENCY)))
    found = compare(*values, higher_is_faster=False)
    assert found.verdict in {SpeedVerdict.SAME, SpeedVerdict.INCONCLUSIVE}


def test_the_host_issues_a_small_batch_no_faster_than_a_large_one_takes() -> None:
    """Issue time is the host's: it hardly depends on the batch, device time does."""
    shares = []
    for batch in (1, 128):
        with _ready(infer(batch=batch, image=_IMAGE)) as (work, clock):
            rounds = _rounds(work, clock, replace(_PLAN, metrics=(Metric.LATENCY,)))
            timed = rounds.of(Metric.LATENCY)
            issued = median(value for each in timed for value in each.issue_s or ())
            shares.append(issued / median(value for each in timed for value in each.samples_s))
    assert shares[1] < shares[0]


def test_energy_grows_with_the_work() -> None:
    found = gpu(DeviceKind.CUDA)
    assert found is not None
    recipe = replace(infer(batch=64, image=_IMAGE), **_FAST)  # type: ignore[arg-type]
    with open_nvml(found.uuid, found.pci_bus_id) as nvml, _ready(recipe) as (work, clock):
        call_s = clock.back_to_back(work.call, 20) / 20
        windows = [
            energy_window(
                lambda calls=calls: clock.back_to_back(work.call, calls),  # type: ignore[misc]
                order_of(_PLAN),
                nvml.read,
                calls=calls,
            )
            for calls in (math.ceil(2.5 / call_s), math.ceil(5.0 / call_s))
        ]
    if None in windows:
        pytest.skip(f"no energy counter here: {nvml.report.message}")
    short, long = (window for window in windows if window is not None)
    assert 0 < short.energy_j < long.energy_j
    assert long.energy_j / short.energy_j == pytest.approx(long.calls / short.calls, rel=0.15)
