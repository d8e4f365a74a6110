"""`resprof bench`: how fast it runs, how sure that is, and what disturbed it."""

from __future__ import annotations

import re
import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resprof.answers.bench.results import NOT_MEASURED
from resprof.answers.doctor.findings import Finding, Severity
from resprof.cli import options as opt
from resprof.cli.options import NetworkOptions, grouped
from resprof.cli.output import Output, OutputOptions, advise, say
from resprof.cli.progress import progress
from resprof.cli.stopped import Stopped
from resprof.errors import EXIT_OK, NotMeasured, UsageError, printable
from resprof.measure.run import ENERGY_S, Metric, OnOom, Plan, Tiling
from resprof.model.recipe import TRAINING, Mode, Workload
from resprof.units import parse_count, parse_seconds, parse_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resprof.answers.bench.launches import LaunchOptions


MOST_LAUNCHES = 1000
_DEVICE = re.compile(r"cpu|cuda(:\d{1,3})?")


@grouped
def bench(
    *,
    models: opt.Models,
    asked: Annotated[
        opt.Typed,
        opt.of_recipe("mode", "batch", "precision", many=True, mode=Mode.INFER, batch="1,32"),
    ],
    metric: Annotated[
        str, typer.Option(metavar="M,...", help=f"any of {', '.join(Metric)}")
    ] = "latency,throughput",
    stages: Annotated[
        bool, typer.Option("--stages", help="time each stage of Table 1 as well")
    ] = False,
    device: Annotated[
        str | None, typer.Option(metavar="cpu|cuda[:N]", help="default: cuda where there is a GPU")
    ] = None,
    engine: Annotated[opt.Typed, opt.of_recipe("engine")],
    launches: Annotated[
        str, typer.Option(metavar="N", help="processes per configuration; 6 give a 95% interval")
    ] = "1",
    target_ci: Annotated[
        str, typer.Option(metavar="P%", help="stop once the interval is within this of the median")
    ] = "0.5%",
    time_limit: Annotated[
        str, typer.Option(metavar="TIME", help="time limit per process, without the first call")
    ] = "60s",
    no_energy: Annotated[bool, typer.Option("--no-energy", help="do not measure energy")] = False,
    run: Annotated[
        str | None, typer.Option(metavar="FILE", help="the run file; default: under reports/runs")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="measure only what is missing from the run file")
    ] = False,
    on_oom: Annotated[
        OnOom,
        typer.Option("--on-oom", help="when out of memory: record it, or halve the batch"),
    ] = OnOom.RECORD,
    network: NetworkOptions,
    how: Annotated[opt.Typed, opt.of_recipe("memory_format", "cudnn_benchmark", *TRAINING)],
    output: OutputOptions,
) -> int:
    """Measure latency, throughput, memory and energy."""
    out = output.checked()
    if resume and run is None:
        raise UsageError("--resume needs a run file", hint="name its file with --run")
    plan = Plan(
        metrics=_metrics(metric),
        tiling=Tiling.STAGES if stages else Tiling.NONE,
        target_ci=parse_share(target_ci, "target-ci"),
        time_limit_s=parse_seconds(time_limit, "time-limit"),
        energy_s=0.0 if no_energy else ENERGY_S,
    )
    architectures = [network.of(model) for model in models]
    chosen = [
        (architecture, recipe)
        for architecture in architectures
        for recipe in opt.recipes(architecture, asked | engine | how)
    ]
    from resprof.answers.bench.launches import LaunchOptions
    from resprof.model.networks import workload_of

    options = LaunchOptions(
        device=_device(device),
        plan=plan,
        launches=parse_count(launches, "launches", most=MOST_LAUNCHES),
        on_oom=on_oom,
    )
    workloads = [workload_of(architecture, recipe) for architecture, recipe in chosen]
    return _run(workloads, options, run, resume, out)


def _run(
    workloads: Sequence[Workload],
    options: LaunchOptions,
    run: str | None,
    resume: bool,  # an option, handed on
    out: Output,
) -> int:
    from resprof.answers.bench.launches import bench as run_bench
    from resprof.answers.bench.launches import new_run_file
    from resprof.answers.bench.tables import bench_answer

    with nullcontext(Path(run)) if run is not None else new_run_file() as file:
        try:
            with progress() as tell:
                benched = run_bench(
                    workloads,
                    file,
                    options,
                    resume=resume,
                    warn=_warn,
                    progress=lambda done, total, workload: tell(done, total, _step(workload)),
                )
        except Stopped as stopped:
            stopped.hint = (
                f"what was measured is kept; go on with --resume --run {shlex.quote(str(file))}"
            )
            raise
    failed = [each for each in benched.results if each.outcome in NOT_MEASURED]
    for result in failed:
        say(f"not measured: {result.key}: {result.message or result.outcome}")
    say(f"samples are in {file}")  # first: should the result be lost, they are not
    out.write(bench_answer(benched))
    advise(
        f"resprof bench ... --launches 6 --resume --run {shlex.quote(str(file))}   (for an "
        "interval over launches)"
    )
    return NotMeasured.exit_code if failed else EXIT_OK


def _step(workload: Workload) -> str:
    recipe = workload.recipe
    return f"{workload.model} {recipe.mode} batch {recipe.batch} {recipe.precision}"


def _warn(found: Sequence[Finding]) -> None:
    for each in found:
        if each.severity is Severity.SPOILS:
            say(f"warning: {each.message}" + (f" Try: {each.fix}" if each.fix else ""))


def _metrics(text: str) -> tuple[Metric, ...]:
    try:
        return tuple(dict.fromkeys(Metric(part.strip()) for part in text.split(",")))
    except ValueError:
        raise UsageError(
            f"unknown metric in {printable(text)}", hint=f"choose from {', '.join(Metric)}"
        ) from None


def _device(text: str | None) -> str | None:
    if text is not None and not _DEVICE.fullmatch(text):
        raise UsageError(f"no device {printable(text)}", hint="write cpu, cuda or cuda:1")
    return text
