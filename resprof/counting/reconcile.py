"""What other tools report for a network, by which convention, and the difference in layers.

Every figure is computed from our own layers, none of the tools runs. Each formula follows the
tool's source and agrees to the unit with the tool itself on a network of every family (torch 2.13,
eval mode): fvcore 0.1.5.post20221221, torchinfo 1.8.0, ptflops 0.7.5, thop 0.1.1.post2209072238,
torchvision 0.28. All count the multiply-adds of convolutions and fully connected layers alike,
additions of shortcuts and option A's subsampling not at all; what else they add is the difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from resprof.counting.cost import Kind, Layer, NetworkCost, count
from resprof.model.architecture import Architecture, Shortcut, StrideIn


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A part of a difference, named in words; negative where the tool counts less than we do."""

    name: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFigure:
    """One tool's figure for one network: one image, forward, eval mode.

    ``calls_it`` is the tool's own word for what it counts and ``convention`` one line on what that
    is. ``value`` is the exact number it reports and ``printed`` how it shows that. ``value`` is
    ``per_mac`` times our multiply-adds plus all ``terms``; a term that is zero is left out.
    Where the tool has no figure, ``value`` and ``printed`` are None and ``reason`` says why.
    """

    tool: str
    calls_it: str
    convention: str
    value: int | None = None
    printed: str | None = None
    per_mac: int = 1
    terms: tuple[Term, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchvisionMetadata:
    """What torchvision states about its pretrained weights of a network.

    ``name`` is its function, ``gflops`` the digits of ``_ops`` in its metadata (multiply-adds in
    10^9, three decimals) and ``params`` its ``num_params``.
    """

    name: str
    gflops: str
    params: int


def fvcore(value: int) -> str:
    """As in its flop_count_table: three decimals without trailing zeros."""
    for over, step, suffix in (
        (10**14, 10**15, "P"),
        (10**11, 10**12, "T"),
        (10**8, 10**9, "G"),
        (10**5, 10**6, "M"),
        (10**2, 10**3, "K"),
    ):
        if value > over:
            return f"{value / step:.3f}".rstrip("0").rstrip(".") + suffix
    return str(value)


def torchinfo(value: int) -> str:
    """As in its summary, where the unit stands in the label: ``mult-adds (Units.GIGABYTES)``."""
    step, suffix = (10**6, "M")
    if value >= 10**9:
        step, suffix = (10**12, "T") if value >= 10**12 else (10**9, "G")
    return f"{value // step:,} {suffix}" if value % step == 0 else f"{value / step:,.2f} {suffix}"


def ptflops(value: int) -> str:
    """As with ``as_strings=True``."""
    for step, suffix in ((10**9, "GMac"), (10**6, "MMac"), (10**3, "KMac")):
        if value >= step:
            return f"{round(value / step, 2)} {suffix}"
    return f"{value} Mac"


def thop(value: int) -> str:
    """By its ``clever_format`` with the "%.3f" of its README."""
    for step, suffix in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "K")):
        if value > step:
            return f"{value / step:.3f}{suffix}"
    return f"{value:.3f}B"


def flop_counter(value: int) -> str:
    """As in its table; the suffix follows the number of digits, B is 10^9."""
    power = max(0, min(4, (len(str(value)) - 2) // 3))
    return f"{value / 1000**power:.3f}{'KMBT'[power - 1]}" if power else str(value)


MOST_IN_DOUBLE = 2**53
"""Double precision holds every integer up to here; a tool that sums in it rounds beyond."""


def _stated(gflops: str, params: int, name: str) -> TorchvisionMetadata:
    return TorchvisionMetadata(name=name, gflops=gflops, params=params)


TORCHVISION = {
    "resnet18": _stated("1.814", 11_689_512, "resnet18"),
    "resnet34": _stated("3.664", 21_797_672, "resnet34"),
    "resnet50-v1.5": _stated("4.089", 25_557_032, "resnet50"),
    "resnet101-v1.5": _stated("7.801", 44_549_160, "resnet101"),
    "resnet152-v1.5": _stated("11.514", 60_192_808, "resnet152"),
    "vgg16": _stated("15.47", 138_357_544, "vgg16"),
    "vgg19": _stated("19.632", 143_667_240, "vgg19"),
    "resnext50_32x4d": _stated("4.23", 25_028_904, "resnext50_32x4d"),
    "resnext101_32x8d": _stated("16.414", 88_791_336, "resnext101_32x8d"),
    "resnext101_64x4d": _stated("15.46", 83_455_272, "resnext101_64x4d"),
    "wide_resnet50_2": _stated("11.398", 68_883_240, "wide_resnet50_2"),
    "wide_resnet101_2": _stated("22.753", 126_886_696, "wide_resnet101_2"),
}
"""torchvision's statements by our ids (``weights.meta`` of torchvision.models, version 0.28)."""


def reconcile(cost: NetworkCost) -> tuple[ToolFigure, ...]:
    """What each tool reports for one image of this network, forward, in eval mode.

    torchvision states figures for its own networks only: that row is its network of the same base
    name, and the terms say what it does differently.
    """
    return (_torchvision(cost), *(_figure(tool, cost) for tool in _TOOLS))


def torchvision_sibling(architecture: Architecture) -> str | None:
    """Our id of the network that torchvision has under the same base name: v1.5 and option B.

    None where that is this very network, or where torchvision has nothing of the name.
    """
    own = _torchvision_id(architecture)
    return None if own == architecture.id else own


def _torchvision_id(architecture: Architecture) -> str | None:
    if architecture.width != 1.0 or architecture.in_channels != 3:
        return None
    own = architecture.id
    if architecture.family == "resnet":
        version = "-v1.5" if architecture.stride_in is not None else ""
        own = f"resnet{architecture.depth}{version}"
    return own if own in TORCHVISION else None


def _torchvision(cost: NetworkCost) -> ToolFigure:
    figure = ToolFigure(
        tool="torchvision metadata",
        calls_it="GFLOPS",
        convention="multiply-adds, three decimals, stated for its own networks",
    )
    architecture = cost.architecture
    own = _torchvision_id(architecture)
    if own is None:
        return replace(figure, reason="torchvision has no network like this one")
    if architecture.image != (224, 224) or architecture.classes != 1000:
        return replace(figure, reason="stated for 224x224 images and 1000 classes only")
    stated = TORCHVISION[own].gflops
    value = int(Fraction(stated) * 10**9)
    terms = _to_torchvision(cost)
    rest = value - cost.total.macs - sum(term.amount for term in terms)
    terms = (*terms, Term(name="rounding", amount=rest))
    return replace(figure, value=value, printed=stated, terms=_present(terms))


def _to_torchvision(cost: NetworkCost) -> tuple[Term, ...]:
    """What turns this network into torchvision's, one change at a time."""
    asked = cost.architecture
    stride_in = asked.stride_in and StrideIn.MIDDLE_3X3
    shortcut = asked.shortcut and Shortcut.B
    moved = count(replace(asked, stride_in=stride_in)).total.macs
    projected = count(replace(asked, stride_in=stride_in, shortcut=shortcut)).total.macs
    return (
        Term(name="stride position", amount=moved - cost.total.macs),
        Term(name="shortcut projections", amount=projected - moved),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tool:
    """A tool that runs on any network; ``in_double`` says that it sums in double precision.

    ``figure`` lacks what depends on the network.
    """

    figure: ToolFigure
    terms: Callable[[NetworkCost], tuple[Term, ...]]
    show: Callable[[int], str]
    in_double: bool = False


def _figure(tool: _Tool, cost: NetworkCost) -> ToolFigure:
    terms = tool.terms(cost)
    value = tool.figure.per_mac * cost.total.macs + sum(term.amount for term in terms)
    if tool.in_double and value > MOST_IN_DOUBLE:
        return replace(tool.figure, reason="sums in double precision, which rounds beyond 2^53")
    return replace(tool.figure, value=value, printed=tool.show(value), terms=_present(terms))


def _present(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    return tuple(term for term in terms if term.amount)


def _layers(cost: NetworkCost, *kinds: Kind) -> Iterator[Layer]:
    return (layer for block in cost.blocks for layer in block.layers if layer.kind in kinds)


def _written(cost: NetworkCost, kind: Kind) -> int:
    return sum(layer.cost.elements for layer in _layers(cost, kind))


def _read(cost: NetworkCost, *kinds: Kind) -> int:
    return sum(layer.read for layer in _layers(cost, *kinds))


def _biases(cost: NetworkCost) -> Term:
    """One addition for each output of a layer with bias."""
    outputs = sum(
        layer.cost.elements for layer in _layers(cost, Kind.CONV, Kind.LINEAR) if layer.bias
    )
    return Term(name="biases", amount=outputs)


def _fvcore_terms(cost: NetworkCost) -> tuple[Term, ...]:
    """In eval mode; in training mode it counts batch norm as 5 per element."""
    return (
        Term(name="batch norm", amount=2 * _written(cost, Kind.BN)),
        Term(name="average pool", amount=_read(cost, Kind.AVG_POOL)),
    )


def _torchinfo_terms(cost: NetworkCost) -> tuple[Term, ...]:
    params = sum(layer.cost.params for layer in _layers(cost, Kind.BN))
    return (Term(name="BN parameters", amount=params), _biases(cost))


def _ptflops_pytorch_terms(cost: NetworkCost) -> tuple[Term, ...]:
    """A module's hook and the function that the module calls both count ReLU and pools."""
    return (
        Term(name="batch norm", amount=2 * _written(cost, Kind.BN)),
        Term(name="ReLU", amount=2 * _written(cost, Kind.RELU)),
        Term(name="pools", amount=2 * _read(cost, Kind.MAX_POOL, Kind.AVG_POOL)),
        _biases(cost),
    )


def _thop_terms(cost: NetworkCost) -> tuple[Term, ...]:
    pools = sum(_thop_average_pool(layer) for layer in _layers(cost, Kind.AVG_POOL))
    return (
        Term(name="batch norm", amount=4 * _written(cost, Kind.BN)),
        Term(name="average pool", amount=pools),
    )


def _thop_average_pool(layer: Layer) -> int:
    """For each output the mean window and a division; computed as thop does, in floating point.

    Where the output's sides do not divide the input's the window is a fraction, and what thop
    truncates at the end depends on the rounding of each step.
    """
    (_, height, width), (_, out_height, out_width) = layer.input, layer.output
    window = (height / out_height) * (width / out_width)
    return int((window + 1) * math.prod(layer.output))


_TOOLS = (
    _Tool(
        figure=ToolFigure(
            tool="torch FlopCounterMode",
            calls_it="FLOP",
            convention="2 per multiply-add; no biases",
            per_mac=2,
        ),
        terms=lambda _: (),
        show=flop_counter,
    ),
    _Tool(
        figure=ToolFigure(
            tool="fvcore",
            calls_it="flops",
            convention="multiply-adds, batch norm 2 per element, average pool 1 per element read",
        ),
        terms=_fvcore_terms,
        show=fvcore,
    ),
    _Tool(
        figure=ToolFigure(
            tool="torchinfo",
            calls_it="mult-adds",
            convention="multiply-adds, each batch norm parameter once, biases",
        ),
        terms=_torchinfo_terms,
        show=torchinfo,
    ),
    _Tool(
        figure=ToolFigure(
            tool="ptflops (aten)",
            calls_it="MACs",
            convention="multiply-adds and biases",
        ),
        terms=lambda cost: (_biases(cost),),
        show=ptflops,
    ),
    _Tool(
        figure=ToolFigure(
            tool="ptflops (pytorch)",
            calls_it="MACs",
            convention="multiply-adds, biases, batch norm 2 per element, "
            "ReLU and pools counted twice",
        ),
        terms=_ptflops_pytorch_terms,
        show=ptflops,
        in_double=True,
    ),
    _Tool(
        figure=ToolFigure(
            tool="thop",
            calls_it="MACs",
            convention="multiply-adds, batch norm 4 per element, average pool; no biases",
        ),
        terms=_thop_terms,
        show=thop,
        in_double=True,
    ),
)
