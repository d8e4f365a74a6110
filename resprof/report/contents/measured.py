"""What was measured on a device: tables of every configuration, charts of those of a kind."""

from __future__ import annotations

from collections.abc import Iterator

from resprof.records.chart import Chart
from resprof.records.document import Exhibit
from resprof.records.report import MeasuredDevice
from resprof.report.charts.batch import batch_charts
from resprof.report.charts.energy import energy_chart
from resprof.report.charts.stages import stages_chart
from resprof.report.charts.table import chart_table
from resprof.report.tables.bench import long_table
from resprof.report.tables.environment import device_name
from resprof.report.tables.measured import activations_table, measured_table

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
