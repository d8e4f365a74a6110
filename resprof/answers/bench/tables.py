"""The tables of `resprof bench`: configurations, parts of a call, activation memory, flags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from resprof.answers.bench.figures import Flag
from resprof.answers.bench.quantities import ENERGY
from resprof.answers.bench.results import MEMORY_FIGURES, BenchResult, BenchRow
from resprof.answers.environment import describe, device_kind, device_name
from resprof.answers.workloads import (
    differing_columns,
    network_text,
    recipe_text,
    workload_columns,
)
from resprof.errors import Note
from resprof.measure.run import Metric
from resprof.model.environment import DeviceKind, Environment
from resprof.render.answer import Answer
from resprof.render.table import Column, Form, Origin, Table, tabulate
from resprof.units import format_deviation, format_seconds

if TYPE_CHECKING:
    from resprof.answers.bench.launches import Benched


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
        f"{flag}{every if flag in common else ''}: {flag.meaning}" for flag in Flag if flag in seen
    )


def _figure(
    key: str,
    title: str | None = None,
    form: Form = Form.TEXT,
    priority: int = 0,
    value: Callable[[BenchResult], object] | None = None,
) -> Column:
    """A measured figure; one without a title is for programs only."""
    return Column(
        key=key,
        title=title or key,
        form=form,
        origin=Origin.MEASURED,
        priority=priority,
        value=value or (lambda result: result.figure(key)),
    )


def _of_first_row(key: str, title: str | None = None, **more: Any) -> Column:
    """What rows of each metric have of their own: that of latency where there are several."""
    return _figure(key, title, value=lambda result: getattr(_first_row(result), key), **more)


def _first_row(result: BenchResult) -> BenchRow:
    """The row of latency, or the first where that was not measured."""
    return result.row(Metric.LATENCY) or result.rows[0]


def _memory(key: str, title: str | None = None) -> Column:
    form = Form.BYTES if title else Form.TEXT
    return _figure(key, title, form, 4, value=lambda result: getattr(result.memory, key))


def _ends(
    low: str, high: str, priority: int, form: Form, ends: Callable[[Any], Any]
) -> tuple[Column, Column]:
    """Both ends of an interval, where there is one."""
    return (
        _figure(low, "from", form, priority, lambda row: (ends(row) or (None, None))[0]),
        _figure(high, "to", form, priority, lambda row: (ends(row) or (None, None))[1]),
    )


_COVERS = _of_first_row("ci_coverage", "coverage", form=Form.SHARE, priority=4)
_SHOWN_OF_MEMORY = {"peak_allocated_bytes": "allocated", "activation_bytes": "activations"}
_FIGURES = (
    _of_first_row("metric"),
    _figure("latency_median_s", "latency", Form.SECONDS),
    *_ends(
        "latency_ci_low_s",
        "latency_ci_high_s",
        1,
        Form.SECONDS,
        lambda result: result.figure("latency_ci_s"),
    ),
    _figure("latency_p90_s"),
    _figure("latency_p95_s"),
    _figure("latency_p99_s"),
    _figure("throughput_images_per_s", "images/s", Form.NUMBER),
    *_ends(
        "throughput_ci_low",
        "throughput_ci_high",
        3,
        Form.NUMBER,
        lambda result: result.figure("throughput_ci"),
    ),
    _COVERS,
    _of_first_row("ci_over"),
    _of_first_row("launches"),
    _of_first_row("rounds"),
    _of_first_row("samples"),
    _of_first_row("stop"),
    *(_memory(key, _SHOWN_OF_MEMORY.get(key)) for key in MEMORY_FIGURES),
    Column(
        key="predicted_activation_bytes",
        title="activations",
        form=Form.BYTES,
        origin=Origin.PREDICTED,
        priority=4,
        value=lambda result: result.predicted.activation_bytes if result.predicted else None,
    ),
    _figure(ENERGY.key, ENERGY.noun, ENERGY.form, 3),
    _figure("energy_net_per_image_j"),
    _figure("images_per_j"),
    _of_first_row("drift"),
    _figure("lag1"),
    _figure("issue_share"),
    _of_first_row("sm_clock_hz"),
)
"""Every figure of a result once: those with a title are shown, the measured ones are data."""


def measured_table(environment: Environment, results: Sequence[BenchResult]) -> Table:
    """A row for each configuration; a bad ending is a row too.

    What all configurations have in common stands in the subtitle.
    """
    of_workload, common = differing_columns(results, ("model", "batch"))
    # Configurations without a figure have no launches.
    launches = {text for result in results if (text := launches_text(_first_row(result)))}
    shared = [common, *(launches if len(launches) == 1 else ())]
    return tabulate(
        (
            *of_workload,
            *([_LAUNCHES] if len(launches) > 1 else []),
            *(column for column in _FIGURES if _is_shown(column, results)),
            Column(
                key="rounds",
                title="rounds",
                form=Form.COUNT,
                priority=5,
                value=lambda result: _first_row(result).rounds,
            ),
            Column(key="outcome", title="outcome", priority=2),
            _flags_column(common_flags(results)),
        ),
        results,
        name="measured",
        title=f"Measured on {device_kind(environment)} {device_name(environment)}",
        subtitle="; ".join([", ".join(filter(None, shared)), describe(environment)]),
        notes=(*flag_notes(results), *_conventions(results)),
    )


def _is_shown(column: Column, results: Sequence[BenchResult]) -> bool:
    if column.origin is Origin.PREDICTED:
        return any(result.predicted for result in results)
    if column.key == ENERGY.key:
        return _on_cuda(results)
    return column.title != column.key


def _on_cuda(results: Sequence[BenchResult]) -> bool:
    return any(result.device is DeviceKind.CUDA for result in results)


def _flags_column(common: Sequence[Flag]) -> Column:
    """The flags that not all configurations have."""

    def text(result: BenchResult) -> str | None:
        return ", ".join(flag.value for flag in flags_of(result) if flag not in common) or None

    return Column(key="flags", title="flags", priority=2, value=text)


def launches_text(row: BenchRow) -> str | None:
    """How many processes a figure is from; None where there is no figure."""
    if not row.launches:
        return None
    return "1 launch" if row.launches == 1 else f"{row.launches} launches"


_LAUNCHES = Column(
    key="launches",
    title="launches",
    priority=5,
    value=lambda result: launches_text(_first_row(result)),
)


def tiles_table(environment: Environment, result: BenchResult) -> Table:
    """Where the time of a call goes; needs a result with tiles."""
    perturbation = result.perturbation
    staged = any(tile.stage for tile in result.tiles)
    notes = []
    if perturbation is not None:
        notes.append(
            f"With stage timing a call takes {format_seconds(perturbation.instrumented_s)}, "
            f"without it {format_seconds(perturbation.clean_s)}: "
            f"{format_deviation(perturbation.deviation, 2)}"
            + ("; trust the shares, not the times." if perturbation.perturbed else ".")
        )
    notes.append(
        "FLOP/s = 2 x MACs / time. A stage that takes a larger share of the time than of the "
        "MACs runs less efficiently than the network as a whole."
    )
    return tabulate(
        tuple(column for column in _TILES if staged or column.key != "stage"),
        result.tiles,
        name=f"parts-{result.model}",
        title=f"{network_text(result.workload)}: where the time goes, on "
        f"{device_name(environment)}",
        subtitle=f"{recipe_text(result.recipe)}; {describe(environment)}",
        notes=notes,
    )


_TILES = (
    Column(key="phase", title="phase", total=lambda _: "total"),
    Column(key="stage", title="stage"),
    Column(
        key="time_s",
        title="time",
        form=Form.SECONDS,
        origin=Origin.MEASURED,
        total=lambda tiles: sum(tile.time_s for tile in tiles),
    ),
    *_ends("time_ci_low_s", "time_ci_high_s", 3, Form.SECONDS, lambda tile: tile.time_ci_s),
    replace(_COVERS, value=None),
    Column(
        key="share",
        title="of time",
        form=Form.SHARE,
        origin=Origin.MEASURED,
        total=lambda _: 1.0,
    ),
    Column(
        key="macs_share",
        title="of MACs",
        form=Form.SHARE,
        origin=Origin.COUNTED,
        total=lambda _: 1.0,
    ),
    Column(
        key="macs",
        title="MACs",
        form=Form.COUNT,
        origin=Origin.COUNTED,
        priority=2,
        total=lambda tiles: sum(tile.macs or 0 for tile in tiles),
    ),
    Column(
        key="flops_per_s",
        title="FLOP/s",
        form=Form.SI,
        origin=Origin.MEASURED,
        priority=1,
        total=lambda tiles: (
            2 * sum(tile.macs or 0 for tile in tiles) / sum(tile.time_s for tile in tiles)
        ),
    ),
)


def activations_table(environment: Environment, results: Sequence[BenchResult]) -> Table:
    """Activation memory per stage, measured beside predicted."""
    rows = [(result, each) for result in results for each in result.memory.stages]
    of_workload, _ = differing_columns(
        rows, ("model", "mode", "batch", "precision"), lambda row: row[0].workload
    )
    return tabulate(
        (
            *of_workload,
            Column(key="stage", title="stage", value=lambda row: row[1].stage),
            Column(
                key="measured_bytes",
                title="activations",
                form=Form.BYTES,
                origin=Origin.MEASURED,
                value=lambda row: row[1].activation_bytes,
            ),
            Column(
                key="predicted_bytes",
                title="activations",
                form=Form.BYTES,
                origin=Origin.PREDICTED,
                priority=4,
                value=lambda row: row[0].predicted_activations.get(row[1].stage),
            ),
        ),
        rows,
        name="activations",
        title=f"Activation memory per stage, measured on {device_kind(environment)} "
        f"{device_name(environment)}",
        subtitle=describe(environment),
        notes=(
            (
                "In training the stages add up to the memory live at the end of forward; each "
                "storage counts for the stage that created it. In inference each stage shows its "
                "own largest live set."
            ),
        ),
    )


def _conventions(results: Sequence[BenchResult]) -> tuple[str, ...]:
    peak = (
        "Allocated: the caching allocator's peak."
        if _on_cuda(results)
        else "Allocated: the peak of torch's CPU allocator, including parameters and kernel "
        "temporaries."
    )
    return (
        (
            "Latency: one batch in flight; images/s: batches back to back. From, to: 95% "
            "confidence interval of the median (order statistics); coverage: its actual level."
        ),
        (
            f"{peak} Activations: memory live at the end of forward, without parameters and "
            "input; in inference, the largest live set."
        ),
        "Measured on this device; do not compare across devices.",
    )


def bench_tables(environment: Environment, results: Sequence[BenchResult]) -> list[Table]:
    """The overview, and for results with tiles where the time and the activations go."""
    tiled = [result for result in results if result.tiles]
    staged = [
        result
        for result in tiled
        if result.memory.stages and any(tile.stage for tile in result.tiles)
    ]
    return [
        measured_table(environment, results),
        *(tiles_table(environment, result) for result in tiled),
        *([activations_table(environment, staged)] if staged else ()),
    ]


def _joined(key: str, texts: Callable[[BenchRow], Iterable[str]]) -> Column:
    return Column(
        key=key, title=key, value=lambda result: "; ".join(texts(_first_row(result))) or None
    )


_DATA = (
    *workload_columns(),
    Column(key="device", title="device"),
    Column(key="outcome", title="outcome"),
    Column(
        key="halved_from",
        title="halved_from",
        value=lambda result: result.configuration.start.halved_from,
    ),
    Column(key="first_call_s", title="first_call_s"),
    *(
        replace(column, title=column.key, form=Form.TEXT, priority=0)
        for column in _FIGURES
        if column.origin is Origin.MEASURED
    ),
    _joined(
        "throttled", lambda row: (f"{each.policy} {each.share!r}" for each in row.throttled or ())
    ),
    _joined("flags", lambda row: (flag.value for flag in row.flags)),
)


def long_table(results: Sequence[BenchResult]) -> Table:
    """A row for each metric of each configuration, all figures in base units."""
    return tabulate(
        _DATA,
        [replace(result, rows=(row,)) for result in results for row in result.rows],
        name="bench",
        title="Measured",
    )


def bench_answer(benched: Benched) -> Answer[BenchResult]:
    """What was measured, with what was found on the machine."""
    results, environment = benched.results, benched.environment
    return Answer(
        command="bench",
        results=results,
        environment=environment,
        notes=tuple(Note(code=each.code, message=each.message) for each in benched.findings),
        tables=lambda: bench_tables(environment, results),
        sheets=lambda: [long_table(results)],
    )
