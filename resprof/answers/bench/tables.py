"""The tables of `resprof bench`: configurations, parts of a call, activation memory, flags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from resprof.answers.bench.results import BenchResult, BenchRow, Flag
from resprof.answers.environment import describe, device_kind, device_name
from resprof.answers.workloads import FIELDS, configurations, network_text, recipe_text
from resprof.measure.run import Metric
from resprof.model.environment import DeviceKind, Environment
from resprof.model.recipe import Workload
from resprof.render.table import Column, Form, Origin, Table, Value, without
from resprof.units import format_deviation, format_seconds

MEANING = {
    Flag.ONE_PROCESS: "the interval is over rounds within one process and another launch may lie "
    "outside; --launches 6 gives one over launches.",
    Flag.FEW_LAUNCHES: "fewer than six launches cannot give an interval of 95%; what it does cover "
    "stands beside it. --launches 6 --resume adds the missing ones.",
    Flag.FEW_ROUNDS: "fewer than six rounds cannot give an interval of 95%; raise --time-limit.",
    Flag.WIDE: "the interval is wider than --target-ci asks for; raise --time-limit, or see "
    "resprof doctor for what disturbs this machine.",
    Flag.NOT_STEADY: "call times had not settled when a quarter of the time was up; raise "
    "--time-limit.",
    Flag.DRIFT: "the rounds rise or fall steadily by 1% or more: something warms up, throttles or "
    "leaks.",
    Flag.LAUNCH_BOUND: "the host takes about as long to issue a call as the device to run it, so "
    "the device waits; try --engine graph.",
    Flag.THROTTLED: "the driver lowered the clocks for 1% of the time or more; the reasons are in "
    "--json.",
    Flag.SHARED_GPU: "other processes computed on the device.",
    Flag.PERTURBED: "instrumented calls differ from clean ones by more than 1%: take the stages' "
    "shares, not their times.",
    Flag.NOT_FINITE: "the network's output holds NaN or infinity, and times depend on values.",
    Flag.HALVED: "the batch that was asked for ran out of memory; this is a half of it, or a half "
    "of that.",
    Flag.CUT_SHORT: "the process did not end well; what it measured before counts.",
}


def flags_of(result: BenchResult) -> tuple[Flag, ...]:
    """The flags of all rows, each once."""
    return tuple(dict.fromkeys(flag for row in result.rows for flag in row.flags))


def common_flags(results: Iterable[BenchResult]) -> tuple[Flag, ...]:
    """Those that every configuration has, which say nothing in a row."""
    sets = [flags_of(result) for result in results if any(row.rounds for row in result.rows)]
    return tuple(flag for flag in sets[0] if all(flag in each for each in sets)) if sets else ()


def flag_notes(results: Sequence[BenchResult]) -> tuple[str, ...]:
    """A sentence for each flag that occurs, in the flags' order."""
    seen = {flag for result in results for flag in flags_of(result)}
    common = common_flags(results)
    every = " (every row)" if len(results) > 1 else ""
    return tuple(
        f"{flag}{every if flag in common else ''}: {MEANING[flag]}" for flag in Flag if flag in seen
    )


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


Field = tuple[Column, Callable[[BenchResult, BenchRow], Value]]
"""A column and where its values come from."""


def _result_fields() -> list[Field]:
    """What was run, and how it went."""

    def of_workload(column: Column, value: Callable[[Workload], Value]) -> Field:
        return column, lambda result, _: value(result.workload)

    def field(key: str, value: Callable[[BenchResult], Value]) -> Field:
        return Column(key=key, title=key), lambda result, _: value(result)

    return [
        *(of_workload(column, value) for column, value in FIELDS),
        field("device", lambda result: result.device.value if result.device else None),
        field("outcome", lambda result: result.outcome.value),
        field("halved_from", lambda result: result.halved_from),
        field("first_call_s", lambda result: result.first_call_s),
    ]


def _row_field(key: str) -> Field:
    def value(_: BenchResult, row: BenchRow) -> Value:
        found = getattr(row, key)
        return found.value if isinstance(found, StrEnum) else found

    return Column(key=key, title=key, origin=Origin.MEASURED), value


def _end_field(key: str, which: int) -> Field:
    """One end of an interval: ``latency_ci_s`` becomes ``latency_ci_low_s``."""
    name, _, unit = key.partition("_ci")
    end = f"{name}_ci_{('low', 'high')[which]}{unit}"

    def value(_: BenchResult, row: BenchRow) -> Value:
        ends = getattr(row, key)
        return None if ends is None else ends[which]

    return Column(key=end, title=end, origin=Origin.MEASURED), value


def _joined_field(key: str, text: Callable[[BenchRow], str]) -> Field:
    return Column(key=key, title=key), lambda _, row: text(row) or None


_NOT_PLAIN = {"batch", "precision", "engine", "flags", "throttled"}
"""Fields of a row that stand elsewhere, or are no single value."""


def _row_fields() -> list[Field]:
    found: list[Field] = []
    for key in BenchRow.__dataclass_fields__:
        if key in {"latency_ci_s", "throughput_ci"}:
            found += [_end_field(key, 0), _end_field(key, 1)]
        elif key not in _NOT_PLAIN:
            found.append(_row_field(key))
    found.append(
        _joined_field(
            "throttled",
            lambda row: "; ".join(f"{each.policy} {each.share!r}" for each in row.throttled or ()),
        )
    )
    found.append(_joined_field("flags", lambda row: "; ".join(flag.value for flag in row.flags)))
    return found


_FIELDS: tuple[Field, ...] = (*_result_fields(), *_row_fields())


def bench_tables(environment: Environment, results: Sequence[BenchResult]) -> list[Table]:
    """The overview, and for results with parts where the time and the activations go."""
    parted = [result for result in results if result.parts]
    by_stage = [result for result in parted if any(part.stage for part in result.parts)]
    kept = [result for result in by_stage if result.activations]
    return [
        measured_table(environment, results),
        *(parts_table(environment, result) for result in parted),
        *([activations_table(environment, kept)] if kept else ()),
    ]


def long_table(results: Sequence[BenchResult]) -> Table:
    """A row for each metric of each configuration, all figures in base units."""
    return Table(
        name="bench",
        title="Measured",
        columns=tuple(column for column, _ in _FIELDS),
        rows=tuple(
            tuple(value(result, row) for _, value in _FIELDS)
            for result in results
            for row in result.rows
        ),
    )
