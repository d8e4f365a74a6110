"""The tables of what was measured: configurations, parts of a call, activation memory."""

from __future__ import annotations

from collections.abc import Sequence

from resprof.records.bench import BenchResult, BenchRow
from resprof.records.environment import DeviceKind, Environment
from resprof.records.plan import Metric
from resprof.records.table import Column, Form, Origin, Table, Value
from resprof.report.tables.configurations import configurations, network_text
from resprof.report.tables.edit import without
from resprof.report.tables.environment import describe, device_kind, device_name
from resprof.report.tables.flags import common_flags, flag_notes, flags_of
from resprof.report.tables.recipe import recipe_text
from resprof.units import format_deviation, format_seconds

_MEASURED = Origin.MEASURED
_LAUNCHES = "launches"
_KEPT_BESIDE_STAGES = ("model", "mode", "batch", "precision")


def measured_table(environment: Environment, results: Sequence[BenchResult]) -> Table:
    """A row for each configuration; a bad ending is a row too.

    What all configurations have in common stands in the subtitle.
    """
    laid_out = configurations([result.workload for result in results], ("model", "batch"))
    # Configurations without a figure have no launches.
    launches = {text for result in results if (text := launches_text(_either(result)))}
    common = [laid_out.common, *(launches if len(launches) == 1 else ())]
    table = Table(
        name="measured",
        title=f"Measured on {device_kind(environment)} {device_name(environment)}",
        subtitle="; ".join([", ".join(filter(None, common)), describe(environment)]),
        columns=(
            *laid_out.columns,
            *_columns(results),
        ),
        rows=tuple(
            (*cells, *_figures(result, results))
            for cells, result in zip(laid_out.cells, results, strict=True)
        ),
        notes=(*flag_notes(results), *_conventions(results)),
    )
    return table if len(launches) > 1 else without(table, _LAUNCHES)


def _columns(results: Sequence[BenchResult]) -> tuple[Column, ...]:
    predicted = any(result.predicted for result in results)
    on_cuda = any(result.device is DeviceKind.CUDA for result in results)
    return (
        Column(key=_LAUNCHES, title="launches", priority=5),
        _seconds("latency_median_s", "latency", 0),
        _seconds("latency_ci_low_s", "from", 1),
        _seconds("latency_ci_high_s", "to", 1),
        _number("throughput_images_per_s", "images/s", 0),
        _number("throughput_ci_low_images_per_s", "from", 3),
        _number("throughput_ci_high_images_per_s", "to", 3),
        _covers(),
        _bytes("peak_allocated_bytes", "allocated", 4),
        _bytes("activation_bytes", "activations", 4),
        *([_predicted("predicted_activation_bytes", "activations")] if predicted else ()),
        *([_number("energy_per_image_j", "J/image", 3)] if on_cuda else ()),
        Column(key="rounds", title="rounds", form=Form.COUNT, priority=5),
        Column(key="outcome", title="outcome", priority=2),
        Column(key="flags", title="flags", priority=2),
    )


def _figures(result: BenchResult, results: Sequence[BenchResult]) -> tuple[Value, ...]:
    rows = {row.metric: row for row in result.rows}
    latency, throughput = rows.get(Metric.LATENCY), rows.get(Metric.THROUGHPUT)
    either = _either(result)
    predicted = any(each.predicted for each in results)
    on_cuda = any(each.device is DeviceKind.CUDA for each in results)
    shown = [flag for flag in flags_of(result) if flag not in common_flags(results)]
    foretold = result.predicted.activation_bytes if result.predicted else None
    return (
        launches_text(either),
        latency.latency_median_s if latency else None,
        *_ends(latency.latency_ci_s if latency else None),
        throughput.throughput_images_per_s if throughput else None,
        *_ends(throughput.throughput_ci if throughput else None),
        either.ci_coverage,
        either.peak_allocated_bytes,
        either.activation_bytes,
        *([foretold] if predicted else ()),
        *([throughput.energy_per_image_j if throughput else None] if on_cuda else ()),
        either.rounds,
        result.outcome.value,
        ", ".join(flag.value for flag in shown) or None,
    )


def _either(result: BenchResult) -> BenchRow:
    """The row of latency, or the first where that was not measured."""
    return next((row for row in result.rows if row.metric is Metric.LATENCY), result.rows[0])


def launches_text(row: BenchRow) -> str | None:
    """How many processes a figure is from; None where there is no figure."""
    if not row.launches:
        return None
    return "1 launch" if row.launches == 1 else f"{row.launches} launches"


def parts_table(environment: Environment, result: BenchResult) -> Table:
    """Where the time of a call goes; needs a result with parts."""
    check = result.parts_check
    staged = any(part.stage for part in result.parts)
    notes = []
    if check is not None:
        notes.append(
            f"Instrumented calls take {format_seconds(check.instrumented_s)}, clean ones beside "
            f"them {format_seconds(check.clean_s)}: {format_deviation(check.deviation, 2)}"
            + (", so take the shares and not the times." if check.perturbed else ".")
        )
    notes.append(
        "FLOP/s is 2 x MACs over time. Equal shares of MACs and of time would mean that every "
        "stage runs equally well."
    )
    table = Table(
        name=f"parts-{result.model}",
        title=f"{network_text(result.workload)}: where the time goes, on "
        f"{device_name(environment)}",
        subtitle=f"{recipe_text(result.recipe)}; {describe(environment)}",
        columns=(
            Column(key="phase", title="phase"),
            Column(key="stage", title="stage"),
            _seconds("time_s", "time", 0),
            _seconds("time_ci_low_s", "from", 3),
            _seconds("time_ci_high_s", "to", 3),
            _covers(),
            Column(key="share", title="of time", form=Form.SHARE, origin=_MEASURED),
            Column(key="macs_share", title="of MACs", form=Form.SHARE, origin=Origin.COUNTED),
            Column(key="macs", title="MACs", form=Form.COUNT, origin=Origin.COUNTED, priority=2),
            Column(key="flops_per_s", title="FLOP/s", form=Form.SI, origin=_MEASURED, priority=1),
        ),
        rows=tuple(
            (
                part.phase.value,
                part.stage,
                part.time_s,
                *_ends(part.time_ci_s),
                part.ci_coverage,
                part.share,
                part.macs_share,
                part.macs,
                part.flops_per_s,
            )
            for part in result.parts
        ),
        total=_parts_total(result),
        notes=tuple(notes),
    )
    return table if staged else without(table, "stage")


def _parts_total(result: BenchResult) -> tuple[Value, ...]:
    seconds = sum(part.time_s for part in result.parts)
    macs = sum(part.macs or 0 for part in result.parts)
    return ("total", None, seconds, None, None, None, 1.0, 1.0, macs, 2 * macs / seconds)


def activations_table(environment: Environment, results: Sequence[BenchResult]) -> Table:
    """Activation memory per stage, measured beside predicted."""
    laid_out = configurations([result.workload for result in results], _KEPT_BESIDE_STAGES)
    return Table(
        name="activations",
        title=f"Activation memory per stage, measured on {device_kind(environment)} "
        f"{device_name(environment)}",
        subtitle=describe(environment),
        columns=(
            *laid_out.columns,
            Column(key="stage", title="stage"),
            _bytes("measured_bytes", "activations", 0),
            _predicted("predicted_bytes", "activations"),
        ),
        rows=tuple(
            (*cells, each.stage, each.measured_bytes, each.predicted_bytes)
            for cells, result in zip(laid_out.cells, results, strict=True)
            for each in result.activations
        ),
        notes=(
            (
                "In training the stages add up to what is live at the end of forward, each storage "
                "counted in the stage that made it; in inference each stage has its own largest "
                "live set."
            ),
        ),
    )


def _conventions(results: Sequence[BenchResult]) -> tuple[str, ...]:
    on_cuda = any(result.device is DeviceKind.CUDA for result in results)
    peak = (
        "Allocated is the caching allocator's peak."
        if on_cuda
        else "Allocated is the most that torch's CPU allocator held at once, parameters and the "
        "temporaries of kernels included."
    )
    return (
        (
            "Latency is one batch in flight; images/s is back to back. From .. to is an interval "
            "for the median that covers it so often, whatever the distribution."
        ),
        (
            f"{peak} Activations are what is live at the end of forward beside parameters and "
            "input, in inference the largest live set."
        ),
        "Measured here and now: never to be compared with a figure of another kind of device.",
    )


def _ends(ends: tuple[float, float] | None) -> tuple[float | None, float | None]:
    return ends or (None, None)


def _seconds(key: str, title: str, priority: int) -> Column:
    return Column(key=key, title=title, form=Form.SECONDS, origin=_MEASURED, priority=priority)


def _covers() -> Column:
    return Column(key="ci_coverage", title="covers", form=Form.SHARE, origin=_MEASURED, priority=4)


def _number(key: str, title: str, priority: int) -> Column:
    return Column(key=key, title=title, form=Form.NUMBER, origin=_MEASURED, priority=priority)


def _bytes(key: str, title: str, priority: int) -> Column:
    return Column(key=key, title=title, form=Form.BYTES, origin=_MEASURED, priority=priority)


def _predicted(key: str, title: str) -> Column:
    return Column(key=key, title=title, form=Form.BYTES, origin=Origin.PREDICTED, priority=4)
