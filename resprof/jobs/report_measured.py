"""The measured part of a report: what is run, and run files as what they hold of a device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from resprof.analysis.measured_runs import measured_run
from resprof.catalog.networks import resolve
from resprof.errors import UsageError
from resprof.jobs.bench_results import results_of
from resprof.jobs.count import flops
from resprof.jobs.workloads import architecture_of, workload_of
from resprof.records.bench import BenchResult
from resprof.records.plan import Plan, Tiling
from resprof.records.recipe import Mode, Workload, infer, train
from resprof.records.report import MeasuredDevice, StagedStep
from resprof.records.run_file import Record, read_run
from resprof.report.charts.words import slug
from resprof.report.tables.environment import device_name

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
        if result.recipe.mode is Mode.TRAIN and any(part.stage for part in result.parts):
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
