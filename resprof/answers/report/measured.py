"""The measured part of a report: what is run, and the exhibits of what a device gave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from resprof.answers.bench.results import BenchResult, results_of
from resprof.answers.bench.runs import measured_run
from resprof.answers.bench.tables import activations_table, long_table, measured_table
from resprof.answers.environment import device_name
from resprof.answers.flops.counts import flops
from resprof.answers.report.charts import batch_charts, energy_chart, stages_chart
from resprof.answers.report.content import MeasuredDevice, StagedStep
from resprof.errors import UsageError
from resprof.measure.run import Plan, Tiling
from resprof.measure.run_file import Record, read_run
from resprof.model.networks import architecture_of, resolve, workload_of
from resprof.model.recipe import Mode, Workload, infer, train
from resprof.render.chart import Chart, chart_table, slug
from resprof.render.document import Exhibit

NETWORKS = ("resnet18", "resnet34", "resnet50")
PLAN = Plan(
    tiling=Tiling.STAGES,
    target_ci=None,
    round_s=0.4,
    round_calls=1,
    warm_up_calls=4,
    warm_up_s=0.8,
    time_limit_s=14.0,
)
"""Short: nine configurations in two minutes of a two-core machine."""
QUICK_LIMIT_S = 4.0
_MEASURED = ((Mode.INFER, 1), (Mode.INFER, 8), (Mode.TRAIN, 4))


def workloads(*, quick: bool) -> tuple[Workload, ...]:
    """What a report measures: inference at two batch sizes and a training step, fp32."""
    chosen = NETWORKS[:1] if quick else NETWORKS
    return tuple(_workload(model, mode, batch) for model in chosen for mode, batch in _MEASURED)


def _workload(model: str, mode: Mode, batch: int) -> Workload:
    architecture = resolve(model)
    recipe = train if mode is Mode.TRAIN else infer
    return workload_of(architecture, recipe(batch=batch, image=architecture.image))


def measured_device(records: Sequence[Record]) -> MeasuredDevice:
    """What a run's records hold; ``UsageError`` for one that ``measured_run`` refuses."""
    environment = measured_run(records).environments[0]
    results = results_of(records)
    return MeasuredDevice(
        folder=slug(device_name(environment)),
        environment=environment,
        results=results,
        staged=tuple(_staged(results)),
    )


def _staged(results: Iterable[BenchResult]) -> Iterable[StagedStep]:
    for result in results:
        if result.recipe.mode is Mode.TRAIN and any(tile.stage for tile in result.tiles):
            counts = flops(architecture_of(result.workload), mode=Mode.TRAIN)
            yield StagedStep(result=result, counts=counts)


def latest_runs(folder: Path, newest: Path | None) -> tuple[tuple[MeasuredDevice, ...], list[str]]:
    """The last run of each device in a folder, ``newest`` first, and why others are not among them.

    Names of run files begin with their time, so the order of names is that of runs.
    """
    found: dict[str, MeasuredDevice] = {}
    unread = []
    files = sorted(folder.glob("*.jsonl"), reverse=True)
    for file in sorted(files, key=lambda each: each != newest):
        try:
            device = measured_device(read_run(file))
        except UsageError as error:
            unread.append(f"left out {file.name}: {error.message}")
            continue
        if device.results:
            found.setdefault(device.folder, device)
    return tuple(found.values()), unread


MOST_STAGE_CHARTS = 8


def measured_exhibits(device: MeasuredDevice) -> tuple[Exhibit, ...]:
    """Below a folder of the device's own."""
    folder = f"measured/{device.folder}"
    environment, results = device.environment, device.results
    activations = activations_table(environment, results)
    return (
        Exhibit(
            stem=f"{folder}/measured",
            data=long_table(results),
            shown=(measured_table(environment, results),),
            summary="measured: latency, throughput and memory",
        ),
        Exhibit(
            stem=f"{folder}/activations",
            data=activations,
            shown=(activations,),
            summary="measured: activation memory per stage",
        ),
        *(
            Exhibit(
                stem=f"{folder}/charts/{chart.name}",
                data=chart_table(chart),
                shown=(chart,),
                summary=summary,
            )
            for chart, summary in _charts(device)
        ),
    )


def _charts(device: MeasuredDevice) -> Iterator[tuple[Chart, str]]:
    for chart in batch_charts(device.environment, device.results):
        yield chart, f"measured: {chart.y.title} against batch"
    energy = energy_chart(device.environment, device.results)
    if energy is not None:
        yield energy, "measured: energy per image"
    for step in device.staged[:MOST_STAGE_CHARTS]:
        chart = stages_chart(
            step.counts, measured=step.result, device=device_name(device.environment)
        )
        yield chart, f"counted and measured: a step of {step.result.model} by stage"
