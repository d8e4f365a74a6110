"""What was measured, beside what was counted and predicted for the same workload."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from resprof.analysis.configurations import Configuration, configurations
from resprof.analysis.parts import Macs
from resprof.analysis.results import bench_result, with_graph_gains
from resprof.catalog.networks import describe
from resprof.counting.walk import count
from resprof.errors import ResprofError
from resprof.jobs.workloads import architecture_of
from resprof.memory.census import OUTSIDE
from resprof.records.architecture import Architecture
from resprof.records.bench import BenchResult, Predicted
from resprof.records.environment import DeviceKind
from resprof.records.fit import MemoryResult
from resprof.records.recipe import Engine, Mode
from resprof.records.run import LOSS, Tile
from resprof.records.run_file import Record
from resprof.records.trace import Phase


def results_of(records: Iterable[Record]) -> tuple[BenchResult, ...]:
    """A result for each workload of a run, in the order in which they were first started."""
    return with_graph_gains([_result(each) for each in configurations(records)])


def _result(configuration: Configuration) -> BenchResult:
    workload = configuration.start.workload
    architecture = architecture_of(workload)
    macs = macs_by_tile(architecture, workload.recipe.mode)
    return bench_result(configuration, title=describe(architecture), macs=macs)


def macs_by_tile(architecture: Architecture, mode: Mode) -> Macs:
    """Multiply-adds for one image, of each stage and of the whole phase.

    What a checkpointed block computes again is not counted: a network needs no more than this.
    """
    cost = count(architecture)
    stages = cost.stages()
    macs = {Tile(phase=Phase.FORWARD, stage=each.stage): each.cost.macs for each in stages}
    macs[Tile(phase=Phase.FORWARD)] = cost.total.macs
    if mode is Mode.TRAIN:
        for each in stages:
            macs[Tile(phase=Phase.BACKWARD, stage=each.stage)] = each.cost.backward_macs
        macs[Tile(phase=Phase.BACKWARD)] = cost.total.backward_macs
    return macs


def with_prediction(result: BenchResult) -> BenchResult:
    """The result with what is predicted for its workload; as it is where nothing can be.

    What a GPU's allocator takes is no prediction for a CPU, activation memory is the same.
    """
    from resprof.jobs.fit import predict_memory

    recipe = result.recipe
    if recipe.engine is not Engine.EAGER:
        return result
    try:
        found, _ = predict_memory(architecture_of(result.workload), recipe)
    except ResprofError:
        return result
    return _beside(result, found)


def _beside(result: BenchResult, found: MemoryResult) -> BenchResult:
    on_cuda = result.device is DeviceKind.CUDA
    by_stage = {row.stage: row.activation_bytes for row in found.rows}
    # What a prediction has outside of the stages and is kept for backward is the loss's.
    by_stage[LOSS] = by_stage.get(OUTSIDE, 0)
    return replace(
        result,
        predicted=Predicted(
            activation_bytes=found.activation_bytes,
            peak_requested_bytes=found.peak.requested_bytes if on_cuda else None,
            peak_allocated_bytes=found.peak.allocated_bytes if on_cuda else None,
            peak_reserved_bytes=found.peak.reserved_bytes if on_cuda else None,
        ),
        activations=tuple(
            replace(each, predicted_bytes=by_stage.get(each.stage)) for each in result.activations
        ),
    )
