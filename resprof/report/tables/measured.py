"""The table of what was measured on one device, from the records of a run file."""

from __future__ import annotations

from collections.abc import Sequence

from resprof.records.environment import Environment
from resprof.records.run import Interval, Result
from resprof.records.table import Column, Form, Origin, Table, Value
from resprof.units import format_shape

_MEASURED = Origin.MEASURED


def measured_table(environment: Environment, results: Sequence[Result]) -> Table:
    """A row for each configuration; a bad ending is a row too."""
    return Table(
        name="measured",
        title=f"Measured on {device_kind(environment)} {device_name(environment)}",
        subtitle=f"{_recipes(results)}; {describe(environment)}",
        columns=(
            Column(key="model", title="model"),
            Column(key="mode", title="mode"),
            Column(key="batch", title="batch", form=Form.COUNT),
            Column(key="device", title="device", priority=4),
            Column(key="outcome", title="outcome", priority=4),
            _seconds("latency_median_s", "latency", 0),
            _seconds("latency_ci_low_s", "from", 2),
            _seconds("latency_ci_high_s", "to", 2),
            Column(
                key="latency_ci_coverage",
                title="covers",
                form=Form.SHARE,
                origin=_MEASURED,
                priority=2,
            ),
            _number("throughput_images_per_s", "images/s", 0),
            _number("throughput_ci_low_images_per_s", "from", 3),
            _number("throughput_ci_high_images_per_s", "to", 3),
            _bytes("peak_allocated_bytes", "peak tensors", 1),
            _bytes("activation_bytes", "activations", 1),
            _bytes("process_peak_bytes", "peak process", 3),
            Column(key="rounds", title="rounds", form=Form.COUNT, priority=4),
            Column(key="flags", title="flags", priority=5),
        ),
        rows=tuple(_row(result) for result in results),
        notes=(
            (
                "From .. to is an interval for the median over rounds that covers it so often, "
                "whatever the distribution, within this process; another launch may lie outside."
            ),
            (
                "Latency is one batch in flight; images/s is back to back. Peak tensors are live "
                "tensors at their most, parameters included; activations are what is kept for "
                "backward at the end of forward, in inference the largest live set. Peak process "
                "is resident memory above what the process had before the network was built."
            ),
            "Measured here and now: never to be compared with a figure of another kind of device.",
        ),
    )


def stage_memory_table(environment: Environment, results: Sequence[Result]) -> Table:
    """Activation memory per stage."""
    return Table(
        name="activations",
        title=f"Activation memory per stage, measured on {device_kind(environment)} "
        f"{device_name(environment)}",
        subtitle=f"{_recipes(results)}; {describe(environment)}",
        columns=(
            Column(key="model", title="model"),
            Column(key="mode", title="mode"),
            Column(key="batch", title="batch", form=Form.COUNT),
            Column(key="stage", title="stage"),
            _bytes("activation_bytes", "activations", 0),
        ),
        rows=tuple(
            (
                result.workload.model,
                result.workload.recipe.mode.value,
                result.workload.recipe.batch,
                stage.stage,
                stage.activation_bytes,
            )
            for result in results
            if result.observed
            for stage in result.observed.memory.stages
        ),
        notes=(
            (
                "In training the stages add up to what is kept for backward, each storage counted "
                "in the stage that first kept it; in inference each stage has its own largest "
                "live set."
            ),
        ),
    )


def _recipes(results: Sequence[Result]) -> str:
    """What all configurations have in common, or in turn: image, precision, layout, engine."""
    common = dict.fromkeys(
        f"{format_shape(recipe.image)}, {recipe.precision}, {recipe.memory_format}, {recipe.engine}"
        for recipe in (result.workload.recipe for result in results)
    )
    optimizers = dict.fromkeys(
        f"training with {recipe.optimizer} ({recipe.optimizer_impl})"
        for recipe in (result.workload.recipe for result in results)
        if recipe.optimizer
    )
    return "; ".join((*common, *optimizers))


def device_kind(environment: Environment) -> str:
    """What kind of device ran."""
    return "the GPU" if environment.gpu is not None else "the CPU"


def device_name(environment: Environment) -> str:
    """The GPU, or the CPU where none ran."""
    if environment.gpu is not None:
        return environment.gpu.name
    return environment.machine.cpu_model or environment.machine.architecture


def describe(environment: Environment) -> str:
    """What a reader must know of where the samples were taken."""
    parts = [environment.date]
    torch = environment.torch
    if torch is not None:
        parts.append(f"torch {torch.version}")
        parts.append(f"CUDA {torch.cuda}" if environment.gpu else f"{torch.threads} threads")
    parts += [f"Python {environment.python}", environment.machine.system]
    if environment.machine.load is not None:
        parts.append(f"load {environment.machine.load:g} at the start")
    return "; ".join(parts)


def _row(result: Result) -> tuple[Value, ...]:
    latency, throughput = result.latency, result.throughput
    memory = result.observed.memory if result.observed else None
    return (
        result.workload.model,
        result.workload.recipe.mode.value,
        result.workload.recipe.batch,
        result.device.value if result.device else None,
        result.outcome.value,
        latency.median_s if latency else None,
        *_ends(latency.interval_s if latency else None),
        latency.interval_s.coverage if latency and latency.interval_s else None,
        throughput.images_per_s if throughput else None,
        *_ends(throughput.interval_images_per_s if throughput else None),
        memory.peak_allocated_bytes if memory else None,
        memory.activation_bytes if memory else None,
        memory.process_peak_bytes if memory else None,
        latency.rounds if latency else None,
        ", ".join(flag.value for flag in result.flags) or None,
    )


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (interval.low, interval.high) if interval else (None, None)


def _seconds(key: str, title: str, priority: int) -> Column:
    return Column(key=key, title=title, form=Form.SECONDS, origin=_MEASURED, priority=priority)


def _number(key: str, title: str, priority: int) -> Column:
    return Column(key=key, title=title, form=Form.NUMBER, origin=_MEASURED, priority=priority)


def _bytes(key: str, title: str, priority: int) -> Column:
    return Column(key=key, title=title, form=Form.BYTES, origin=_MEASURED, priority=priority)
