import json
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError

import pytest

from resprof.counting.cost import count
from resprof.families.residual import BOTTLENECK
from resprof.model import published
from resprof.model import published as tables
from resprof.model.devices import device
from resprof.model.networks import resolve
from resprof.model.published import PublishedResult
from resprof.model.recipe import Mode

TABLE1_DEPTHS = (18, 34, 50, 101, 152)
"""The columns of Table 1, in order."""
SMALL_BATCH = 8
"""Up to here a GPU waits for launches, so its share of the peak says nothing of a figure."""


def test_claims_are_complete() -> None:
    for claim in (*published.claims(), *published.notes()):
        assert claim.id
        assert claim.where
        assert claim.kind
        assert claim.statement.endswith(".")
    assert {claim.id.split(".")[0] for claim in published.notes()} == {"note"}
    assert published.claim("flops.50").printed == "3.8"


def test_records_cannot_be_changed_and_are_read_once() -> None:
    claim = published.claims()[0]
    with pytest.raises(FrozenInstanceError):
        claim.printed = "4"  # type: ignore[misc]
    assert published.claims() is published.claims()


def test_nothing_is_read_at_import() -> None:
    code = (
        "import sys, pathlib\n"
        "opened = []\n"
        "sys.addaudithook(lambda e, a: opened.append(str(a[0])) if e == 'open' else None)\n"
        "import resprof.model.published, resprof.model.published, resprof.model.devices\n"
        "print([name for name in opened if name.endswith('.csv')])\n"
        "print(sorted({'torch', 'pandas', 'numpy'} & set(sys.modules)))\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split("\n")[:2] == ["[]", "[]"]


def test_table_1_is_what_the_architectures_are() -> None:
    rows = {row["stage"]: row for row in tables.rows("table1")}
    for depth in TABLE1_DEPTHS:
        architecture = resolve(f"resnet{depth}")
        cost = count(architecture)
        assert int(rows["conv1"]["output"]) == cost.stages()[0].output[-1]
        for stage, counted in zip(architecture.stages, cost.stages()[1:-1], strict=True):
            row = rows[stage.name]
            block, repeats = re.findall(r"\[(.*)\] x (\d+)", row[str(depth)])[0]
            kernels = [tuple(map(int, part)) for part in re.findall(r"(\d)x\d (\d+)", block)]
            expected = [(3, stage.inner), (3, stage.outer)]
            if architecture.block == BOTTLENECK:
                expected = [(1, stage.inner), (3, stage.inner), (1, stage.outer)]
            assert kernels == expected
            assert int(repeats) == stage.blocks
            assert int(row["output"]) == counted.output[-1]


def test_the_tables_print_what_the_claims_print() -> None:
    *_, flops = tables.rows("table1")
    printed = [published.claim(f"flops.table1.{depth}").printed for depth in TABLE1_DEPTHS]
    assert [flops[str(depth)] for depth in TABLE1_DEPTHS] == printed
    for row in tables.table6():
        if row.model is not None:
            assert published.claim(f"params.cifar.{row.layers}").printed == row.params_printed
            assert resolve(row.model).depth == row.layers
    others = json.loads(published.claim("params.others").printed)
    quoted = {
        f"{row.method.lower()}{row.layers}": float(row.params_printed)
        for row in tables.table6()
        if row.model is None and row.params_printed is not None
    }
    assert quoted == others
    deepest = tables.table6()[-1]
    assert deepest.error_printed == published.claim("cifar.1202").printed


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("plain18", "flops.table1.18"),
        ("resnet34-C", "flops.table1.34"),
        ("resnet50", "flops.table1.50"),
        ("resnet50-v1.5", "flops.table1.50"),
        ("resnet152-v1.5-A", "flops.table1.152"),
        ("vgg16", "flops.vgg16.convfc"),
        ("vgg19", "flops.vgg19.convfc"),
        ("cifar-resnet110", "params.cifar.110"),
        ("cifar-plain20", None),
        ("cifar-resnet26", None),
        ("resnext50_32x4d", None),
        ("wide_resnet50_2", None),
    ],
)
def test_which_figure_belongs_to_a_network(name: str, claim: str | None) -> None:
    figure = published.paper_claim(resolve(name))
    assert (figure.id if figure else None) == claim
    if figure is not None:
        total = count(resolve(name)).total
        ours = (total.params if figure.kind == "params" else total.macs) / published.unit_scale(
            figure
        )
        assert 0.5 < ours / float(figure.printed) < 2


def test_figures_belong_to_the_papers_own_form_of_a_network() -> None:
    assert published.paper_claim(resolve("resnet50", image=(256, 256))) is None
    assert published.paper_claim(resolve("resnet50", classes=10)) is None
    assert published.paper_claim(resolve("resnet50", width=2.0)) is None
    assert published.paper_claim(resolve("resnet50", in_channels=1)) is None
    assert published.paper_claim(resolve("cifar-resnet20", classes=100)) is None


def test_accuracies_have_distinct_ids_and_are_percentages() -> None:
    accuracies = tables.accuracies()
    assert len({accuracy.id for accuracy in accuracies}) == len(accuracies)
    assert all(0 < float(accuracy.printed) < 100 for accuracy in accuracies)


def describe(result: PublishedResult) -> str:
    return f"{result.source}-{result.device}-{result.model}-{result.precision}-{result.batch}"


@pytest.mark.parametrize("result", tables.results(), ids=describe)
def test_a_published_result_is_plausible(result: PublishedResult) -> None:
    assert resolve(result.model).id == result.model
    assert result.throughput_images_per_s is not None or result.latency_s is not None
    assert result.devices >= 1
    if result.peaks_of is not None:
        assert device(result.peaks_of) is not None
    if result.batch and result.throughput_images_per_s and result.latency_s:
        rate = result.batch / result.latency_s
        # NVIDIA prints latency and throughput of separate pipelines, up to a tenth apart.
        tolerance = 0.11 if result.source == "nvidia-dle-pytorch" else 0.01
        assert rate == pytest.approx(result.throughput_images_per_s, rel=tolerance)


def share_of_peak(result: PublishedResult) -> float | None:
    """The dense peak's share that a throughput implies; None where a part of it is unknown."""
    peaks = device(result.peaks_of) if result.peaks_of else None
    if peaks is None or result.throughput_images_per_s is None:
        return None
    peak = {
        "amp": peaks.fp16_flops_per_s,
        "amp_bf16": peaks.bf16_flops_per_s,
        "bf16": peaks.bf16_flops_per_s,
        "fp32": peaks.fp32_flops_per_s,
        "tf32": peaks.tf32_flops_per_s,
        "int8": peaks.int8_ops_per_s,
    }[result.precision]
    assert peak is not None
    total = count(resolve(result.model)).total
    macs = total.macs + (total.backward_macs if result.mode is Mode.TRAIN else 0)
    return 2 * macs * result.throughput_images_per_s / result.devices / peak


def test_published_throughputs_lie_within_the_dense_peaks() -> None:
    shares = [(result, share_of_peak(result)) for result in tables.results()]
    known = [(result, share) for result, share in shares if share is not None]
    assert len(known) > 100
    for result, share in known:
        assert share < 0.75, describe(result)
        if result.batch is None or result.batch > SMALL_BATCH:
            assert share > 0.10, describe(result)
    waiting = [share for result, share in known if result.batch and result.batch <= SMALL_BATCH]
    assert len(waiting) == 4
