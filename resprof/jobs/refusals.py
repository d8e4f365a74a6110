"""What of a plan a workload can be measured by, and what cannot be measured at all."""

from __future__ import annotations

from dataclasses import replace

from resprof.errors import UsageError
from resprof.jobs.workloads import architecture_of
from resprof.records.environment import Environment
from resprof.records.plan import Metric, Plan, Tiling
from resprof.records.recipe import Engine, Mode, Precision, Workload


def plan_for(workload: Workload, plan: Plan) -> Plan:
    """The plan as far as the workload allows: what has no phases is not divided into them."""
    recipe = workload.recipe
    phases = recipe.mode is Mode.TRAIN and recipe.engine is not Engine.GRAPH
    latency = Metric.LATENCY in plan.metrics
    if plan.tiling is Tiling.NONE and phases and latency:
        plan = replace(plan, tiling=Tiling.PHASES)
    return plan if Metric.THROUGHPUT in plan.metrics else replace(plan, energy_s=0.0)


def refuse_impossible(
    workload: Workload, plan: Plan, device: str | None, environment: Environment | None
) -> None:
    """Raises ``UsageError`` for what no device, or not the one at hand, can run.

    ``device`` is what was asked for, ``environment`` what was found, None if nobody has looked.
    """
    architecture_of(workload)
    recipe = workload.recipe
    if (recipe.optimizer is None) is not (recipe.mode is Mode.INFER):
        raise UsageError("training, and nothing else, takes an optimizer", hint="see --mode")
    if plan.tiling is Tiling.STAGES:
        if recipe.engine is not Engine.EAGER:
            raise UsageError(
                f"--engine {recipe.engine} leaves no stages to time: operators are fused or "
                "replayed as one",
                hint="leave out --stages, or measure with --engine eager",
            )
        if Metric.LATENCY not in plan.metrics:
            raise UsageError(
                "stages are parts of a latency, which is not measured",
                hint="add latency to --metric",
            )
    if (
        recipe.engine is Engine.GRAPH
        and recipe.mode is Mode.TRAIN
        and recipe.precision is Precision.AMP_FP16
    ):
        raise UsageError(
            "the gradient scaler of amp-fp16 reads from the device, which a CUDA graph cannot",
            hint="choose --precision amp-bf16, or --engine eager",
        )
    on_cpu = device == "cpu" or (environment is not None and environment.gpu is None)
    if on_cpu:
        _refuse_on_cpu(workload)


def _refuse_on_cpu(workload: Workload) -> None:
    recipe = workload.recipe
    only_cuda = {
        f"--engine {Engine.GRAPH}": recipe.engine is Engine.GRAPH,
        f"--precision {Precision.TF32}": recipe.precision is Precision.TF32,
        "--cudnn-benchmark": recipe.cudnn_benchmark,
    }
    for option, asked in only_cuda.items():
        if asked:
            raise UsageError(
                f"{option} means nothing on a CPU", hint="leave it out, or add --device cuda"
            )
