"""The exhibits of a report: its tables and charts, each under the stem of its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from resprof.answers.bench.tables import activations_table, long_table, measured_table
from resprof.answers.environment import device_name
from resprof.answers.flops import flops as flops_tables
from resprof.answers.flops.flops import FlopsResult, flops
from resprof.answers.memory.prediction import memory_overview, memory_sheet, stage_rows
from resprof.answers.paper import claims as paper_tables
from resprof.answers.report.charts import (
    batch_charts,
    costs_chart,
    energy_chart,
    memory_chart,
    roofline_chart,
    stages_chart,
    timeline_chart,
)
from resprof.answers.report.content import Counted, MeasuredDevice, Predicted, ReportContent
from resprof.answers.report.fits import fits_matrix, fits_table
from resprof.answers.workloads import assumptions_table
from resprof.model.networks import architecture_of, resolve
from resprof.model.recipe import Mode, Precision
from resprof.render.chart import Chart, slug
from resprof.render.document import Exhibit
from resprof.render.table import Table

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
_FAMILIES = (
    ("ResNet v1", RESNETS),
    ("ResNet v1.5", ("resnet50-v1.5", "resnet101-v1.5", "resnet152-v1.5")),
    ("VGG", ("vgg16", "vgg19")),
)
_FIGURES = (
    (
        "table1",
        "GMAC",
        'The paper\'s "FLOPs" for every form of its networks',
        "published vs counted: the FLOPs of the paper",
    ),
    (
        "table6",
        "M",
        "The paper's parameter counts of its CIFAR networks",
        "published vs counted: the parameters of its CIFAR networks",
    ),
)


def exhibits(content: ReportContent) -> list[Exhibit]:
    """All that is shown of the content, in the order of a list of contents."""
    shown = [*counted_exhibits(content.counted)]
    if content.predicted is not None:
        shown += predicted_exhibits(content.predicted)
    for device in content.measured:
        shown += measured_exhibits(device)
    return shown


def counted_exhibits(counted: Counted) -> Iterator[Exhibit]:
    """Networks, stages and claims in tables, and what networks cost in a chart."""
    networks = counted.networks
    overview = flops_tables.overview_table(networks)
    yield Exhibit.of("networks", overview, "counted: one row per network")
    yield Exhibit(
        stem="stages",
        data=flops_tables.long_table(networks),
        shown=tuple(network_table(result) for result in networks),
        summary="counted: every network by stage, as in Table 1",
    )
    for name, unit, title, summary in _FIGURES:
        printed = [
            result for result in networks if result.paper and result.paper.claim.unit == unit
        ]
        yield Exhibit.of(name, paper_tables.figures_table(name, title, printed), summary)
    yield Exhibit.of(
        "paper",
        paper_tables.claims_table(counted.claims),
        "published vs counted: every number in the paper",
    )
    costs = costs_chart({family: chosen(networks, names) for family, names in _FAMILIES})
    yield Exhibit.of("charts/costs", costs, "counted: multiply-adds against parameters")


def network_table(result: FlopsResult) -> Table:
    """A network by stage; the convention stands on the overview, not in every section."""
    return replace(flops_tables.flops_table(result), notes=flops_tables.paper_notes(result))


def chosen(results: Sequence[FlopsResult], names: Sequence[str]) -> tuple[FlopsResult, ...]:
    """The results of those names, in their order."""
    by_name = {result.model: result for result in results}
    return tuple(by_name[name] for name in names if name in by_name)


_PREDICTED_TABLES = ("fits", "memory", "memory-stages", "assumptions")
CHARTS = ("stages", "memory", "timeline", "roofline")
"""What is drawn of each network that is predicted."""
_DRAWN_DEVICES = ("t4", "a100-sxm4-40gb", "h200-sxm")
"""More limits than these would hide each other."""


def predicted_stems(networks: Iterable[str]) -> list[str]:
    """The stems of the exhibits, before anything is predicted."""
    charts = (f"charts/{kind}-{slug(name)}" for name in networks for kind in CHARTS)
    return [*_PREDICTED_TABLES, *charts]


def predicted_exhibits(predicted: Predicted) -> Iterator[Exhibit]:
    """Tables of all networks, and four charts for each."""
    memory = predicted.at_one_batch()

    def traced(table: Table) -> Table:
        convention = f"{table.subtitle}; " if table.subtitle else ""
        return replace(table, subtitle=f"{convention}traced with torch {predicted.torch}")

    yield Exhibit(
        stem="fits",
        data=fits_table(predicted.fits, predicted.torch),
        shown=(fits_matrix(predicted.fits, predicted.torch),),
        summary="predicted: the largest batch on common cards",
    )
    overview = traced(memory_overview(memory))
    yield Exhibit.of("memory", overview, "predicted: peak memory by recipe")
    yield Exhibit(
        stem="memory-stages",
        data=traced(memory_sheet(memory)),
        shown=(traced(stage_rows(memory)),),
        summary="predicted: memory by stage",
    )
    assumptions = assumptions_table(predicted.assumptions)
    yield Exhibit.of("assumptions", assumptions, "assumptions behind the predictions")
    for chart, summary in _predicted_charts(predicted):
        yield Exhibit.of(f"charts/{chart.name}", chart, summary)


def _predicted_charts(predicted: Predicted) -> Iterator[tuple[Chart, str]]:
    for timeline in predicted.timelines:
        model = timeline.model
        (step,) = (
            result
            for result in predicted.at_one_batch(model)
            if result.recipe.mode is Mode.TRAIN and result.recipe.precision is Precision.FP32
        )
        shares = stages_chart(flops(resolve(model), mode=Mode.TRAIN), predicted=step)
        yield shares, f"counted and predicted: a step of {model} by stage"
        fits = [each for each in predicted.fits if each.model == model]
        limits = [fit for fit in fits if fit.device.id in _DRAWN_DEVICES]
        memory = memory_chart(predicted.curves(model), limits)
        yield memory, f"predicted: memory of {model} against batch"
        yield timeline_chart(timeline), f"predicted: memory of {model} over time"
    for result in predicted.rooflines:
        yield roofline_chart(result), f"predicted: {result.model} under a roofline"


_MOST_STAGE_CHARTS = 8


def measured_exhibits(device: MeasuredDevice) -> Iterator[Exhibit]:
    """Below a folder of the device's own."""
    folder = f"measured/{device.folder}"
    yield Exhibit(
        stem=f"{folder}/measured",
        data=long_table(device.results),
        shown=(measured_table(device.environment, device.results),),
        summary="measured: latency, throughput and memory",
    )
    activations = activations_table(device.environment, device.results)
    yield Exhibit.of(f"{folder}/activations", activations, "measured: activation memory per stage")
    for chart, summary in _measured_charts(device):
        yield Exhibit.of(f"{folder}/charts/{chart.name}", chart, summary)


def _measured_charts(device: MeasuredDevice) -> Iterator[tuple[Chart, str]]:
    for chart in batch_charts(device.environment, device.results):
        yield chart, f"measured: {chart.y.title} against batch"
    energy = energy_chart(device.environment, device.results)
    if energy is not None:
        yield energy, "measured: energy per image"
    staged = [
        result
        for result in device.results
        if result.recipe.mode is Mode.TRAIN and any(tile.stage for tile in result.tiles)
    ]
    for result in staged[:_MOST_STAGE_CHARTS]:
        counts = flops(architecture_of(result.workload), mode=Mode.TRAIN)
        chart = stages_chart(counts, measured=result, device=device_name(device.environment))
        yield chart, f"counted and measured: a step of {result.model} by stage"
