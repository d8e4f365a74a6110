"""Our figures of other tools, held against the tools themselves: exact numbers and printed text."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils import flop_counter

from resprof.counting import reconcile as tool_text
from resprof.counting.cost import count
from resprof.counting.reconcile import TORCHVISION, reconcile
from resprof.model.architecture import Architecture
from resprof.model.networks import members, resolve
from resprof.networks.build import build

fvcore_nn = pytest.importorskip("fvcore.nn")
thop = pytest.importorskip("thop")
torchinfo = pytest.importorskip("torchinfo")
counter_text = importlib.import_module("torch.utils.flop_counter")
"""The same module without its types: the two functions that write its totals have none."""

pytestmark = pytest.mark.usefixtures("torchvision")
"""ptflops imports torchvision where it is installed, so that has to be importable first."""

Counted = tuple[int, str]
"""A tool's exact number and how it shows it."""

_SMALL = (64, 64)

_NETWORKS = [
    resolve("resnet18", image=_SMALL),
    resolve("resnet34-A", image=_SMALL),
    resolve("resnet50"),
    resolve("resnet50-v1.5"),
    resolve("resnet50-v1.5", image=_SMALL),
    resolve("resnet50-C", image=_SMALL),
    resolve("resnet152-v1.5", image=_SMALL),
    resolve("plain18", image=_SMALL),
    resolve("cifar-resnet20"),
    resolve("cifar-resnet20-B"),
    resolve("cifar-resnet20-C"),
    resolve("cifar-plain20"),
    resolve("vgg16"),
    resolve("vgg19", image=_SMALL),
    resolve("resnext50_32x4d", image=_SMALL),
    resolve("wide_resnet50_2", image=_SMALL),
    # Other images, classes, channels and widths than the families' own.
    resolve("resnet50", image=(97, 130), classes=10),
    resolve("resnet34-A", image=(67, 45), in_channels=1),
    resolve("cifar-resnet8", image=(5, 7), width=1 / 16),
    # VGG's adaptive pool to 7x7 from 10x9 and from 1x2: windows that are no whole numbers.
    resolve("vgg16", image=(330, 290), width=1 / 64, classes=3),
    resolve("vgg19", image=(32, 64), width=1 / 64),
]


def _name(architecture: Architecture) -> str:
    height, width = architecture.image
    return f"{architecture.id}-{height}x{width}"


def by_fvcore(model: nn.Module, image: Tensor) -> Counted:
    analysis = fvcore_nn.FlopCountAnalysis(model, image)
    analysis.unsupported_ops_warnings(enabled=False).uncalled_modules_warnings(enabled=False)
    table = fvcore_nn.flop_count_table(analysis, max_depth=0)
    row = next(line for line in table.splitlines() if line.startswith("| model"))
    return analysis.total(), row.split("|")[3].strip()


def by_torchinfo(model: nn.Module, image: Tensor) -> Counted:
    summary = torchinfo.summary(model, input_data=image, verbose=0)
    match = re.search(r"Total mult-adds \((.+)\): (.+)", str(summary))
    assert match is not None
    unit = {"MEGABYTES": "M", "GIGABYTES": "G"}.get(match[1].removeprefix("Units."), match[1])
    return summary.total_mult_adds, f"{match[2]} {unit}"


def by_ptflops(backend: str) -> Callable[[nn.Module, Tensor], Counted]:
    def run(model: nn.Module, image: Tensor) -> Counted:
        ptflops = pytest.importorskip("ptflops")
        macs, _ = ptflops.get_model_complexity_info(
            model,
            tuple(image.shape[1:]),
            as_strings=False,
            backend=backend,
            print_per_layer_stat=False,
        )
        return macs, ptflops.utils.flops_to_string(macs)

    return run


def by_thop(model: nn.Module, image: Tensor) -> Counted:
    macs, _ = thop.profile(model, inputs=(image,), verbose=False)
    assert macs == int(macs)
    return int(macs), thop.clever_format([macs], "%.3f")


def by_flop_counter(model: nn.Module, image: Tensor) -> Counted:
    with flop_counter.FlopCounterMode(display=False) as counter:
        model(image)
    row = next(line for line in counter.get_table().splitlines() if "100.00%" in line)
    return counter.get_total_flops(), row.split()[1]


_TOOLS: dict[str, Callable[[nn.Module, Tensor], Counted]] = {
    "torch FlopCounterMode": by_flop_counter,
    "fvcore": by_fvcore,
    "torchinfo": by_torchinfo,
    "ptflops (aten)": by_ptflops("aten"),
    "ptflops (pytorch)": by_ptflops("pytorch"),
    "thop": by_thop,
}


def run_tools(make: Callable[[], nn.Module], image: tuple[int, ...]) -> dict[str, Counted]:
    """What each tool counts on a model of its own, for they leave hooks and buffers behind."""
    counted = {}
    for tool, run in _TOOLS.items():
        with torch.device("meta"):
            model = make()
        # Zeros in place of random weights: drawing them would take longer than all the tools.
        model = model.to_empty(device="cpu").eval()
        with torch.no_grad():
            for tensor in (*model.parameters(), *model.buffers()):
                tensor.zero_()
            counted[tool] = run(model, torch.zeros(1, *image))
    return counted


def _ours(architecture: Architecture) -> dict[str, tuple[int | None, str | None]]:
    figures = {figure.tool: figure for figure in reconcile(count(architecture))}
    return {tool: (figures[tool].value, figures[tool].printed) for tool in _TOOLS}


@pytest.fixture(scope="session")
def ptflops(torchvision: ModuleType) -> ModuleType:
    imported: ModuleType = pytest.importorskip("ptflops")
    return imported


@pytest.mark.parametrize("architecture", _NETWORKS, ids=_name)
def test_our_figures_are_what_the_tools_report(architecture: Architecture) -> None:
    image = (architecture.in_channels, *architecture.image)
    assert run_tools(lambda: build(architecture), image) == _ours(architecture)


def test_every_figure_but_torchvisions_metadata_is_held_against_its_tool() -> None:
    tools = {figure.tool for figure in reconcile(count(resolve("resnet18")))}
    assert tools == {*_TOOLS, "torchvision metadata"}


@pytest.mark.parametrize("name", ["resnet18", "resnet50-v1.5", "vgg19", "resnext50_32x4d"])
def test_our_figures_hold_for_torchvisions_own_modules(name: str, torchvision: ModuleType) -> None:
    architecture = resolve(name, image=_SMALL)
    function = TORCHVISION[architecture.id].name
    counted = run_tools(lambda: torchvision.models.get_model(function), (3, *_SMALL))
    assert counted == _ours(architecture)


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_metadata_is_as_we_hold_it(name: str, torchvision: ModuleType) -> None:
    ours = TORCHVISION[name]
    weights = torchvision.models.get_model_weights(ours.name)
    stated = {(str(one.meta["_ops"]), one.meta["num_params"]) for one in weights}
    assert stated == {(ours.gflops, ours.params)}


def test_no_network_that_torchvision_has_too_is_missing(torchvision: ModuleType) -> None:
    theirs = {name for name in torchvision.models.list_models() if name in members()}
    assert {metadata.name for metadata in TORCHVISION.values()} == theirs


@given(value=st.integers(min_value=1, max_value=2**53) | st.integers(0, 15).map(lambda n: 10**n))
@settings(deadline=None)
def test_totals_are_written_as_the_tools_write_them(value: int, ptflops: ModuleType) -> None:
    assert tool_text.fvcore(value) == fvcore_nn.print_model_statistics._format_size(value)
    assert tool_text.ptflops(value) == ptflops.utils.flops_to_string(value)
    assert tool_text.thop(value) == thop.clever_format([value], "%.3f")
    statistics = torchinfo.ModelStatistics
    unit, _ = statistics.to_readable(value)
    number = statistics.format_output_num(value, unit).split(": ")[1]
    assert tool_text.torchinfo(value) == f"{number} {unit.value}"


@given(value=st.integers(min_value=10_000, max_value=2**53))
def test_flop_counter_writes_a_suffix_from_five_digits_on(value: int) -> None:
    assert tool_text.flop_counter(value) == counter_text.convert_num_with_suffix(
        value, counter_text.get_suffix_str(value)
    )


@given(value=st.integers(min_value=0, max_value=9_999))
def test_flop_counter_writes_small_totals_in_full(value: int) -> None:
    assert counter_text.get_suffix_str(value) == ""
    assert tool_text.flop_counter(value) == f"{value}"
