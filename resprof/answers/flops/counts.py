"""What a network costs, and how that stands to the paper and to what other tools print."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from resprof.counting.cost import (
    BlockCost,
    Cost,
    NetworkCost,
    PlacedLayer,
    StageCost,
    UniqueShape,
)
from resprof.counting.reconcile import TORCHVISION, ToolFigure, reconcile, torchvision_sibling
from resprof.counting.walk import count
from resprof.model.architecture import Architecture
from resprof.model.networks import describe, resolve
from resprof.model.published import Claim, Verdict, deviation, judge, paper_claim, unit_scale
from resprof.model.recipe import Mode
from resprof.units import format_si

if TYPE_CHECKING:
    from resprof.answers.flops.check import WitnessCheck


class Per(StrEnum):
    """How finely a count is broken down."""

    STAGE = "stage"
    BLOCK = "block"
    LAYER = "layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What something costs in a call: ``cost`` is of all its images, ``macs`` are of its mode."""

    cost: Cost
    macs: int

    @property
    def params(self) -> int:
        """Learnable values, however many images there are."""
        return self.cost.params

    @property
    def flops(self) -> int:
        """Floating-point operations of the mode: two for each multiply-add."""
        return 2 * self.macs


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedPart(Counted):
    """A stage, block or layer; ``share`` is its part of the network's ``macs``."""

    part: StageCost | BlockCost | PlacedLayer
    share: float

    @property
    def stage(self) -> str:
        """The row of Table 1 that it belongs to."""
        return self.part.stage


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperFigure:
    """The paper's figure for a network beside ours, in the printed unit and for one image."""

    claim: Claim
    ours: float
    deviation: float
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """torchvision's network of the same name, where it is another one than ours (v1.5, option B).

    ``extra_macs`` are the multiply-adds that it needs for one image beyond ours.
    """

    model: str
    extra_macs: int
    figures: tuple[ToolFigure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlopsResult:
    """A network counted in a mode for ``batch`` images; ``rows`` add up to ``total``.

    ``elsewhere`` is a sentence on what other tools print for the network of this name, None where
    torchvision has none.
    """

    architecture: Architecture
    mode: Mode
    batch: int
    per: Per
    rows: tuple[CountedPart, ...]
    total: Counted
    paper: PaperFigure | None
    elsewhere: str | None
    unique: tuple[UniqueShape, ...] | None = None
    check: tuple[WitnessCheck, ...] | None = None
    reconcile: tuple[ToolFigure, ...] | None = None
    sibling: Sibling | None = None

    @property
    def model(self) -> str:
        """The network's canonical name."""
        return self.architecture.id

    @property
    def title(self) -> str:
        """What the network is, in words."""
        return describe(self.architecture)


def flops(
    architecture: Architecture,
    *,
    per: Per = Per.STAGE,
    mode: Mode = Mode.INFER,
    batch: int = 1,
    with_unique: bool = False,
    with_reconcile: bool = False,
    check: tuple[WitnessCheck, ...] | None = None,
) -> FlopsResult:
    """Counts one network: rows per stage, block or layer that add up to the total."""
    cost = count(architecture)
    total = _counted(cost.total, mode, batch)
    sibling = _sibling(cost) if with_reconcile else None
    return FlopsResult(
        architecture=architecture,
        mode=mode,
        batch=batch,
        per=per,
        rows=tuple(_part(part, total, mode, batch) for part in _parts(cost, per)),
        total=total,
        paper=paper_figure(cost),
        elsewhere=elsewhere(cost),
        unique=cost.unique_shapes() if with_unique else None,
        check=check,
        reconcile=reconcile(cost) if with_reconcile else None,
        sibling=sibling,
    )


def _parts(cost: NetworkCost, per: Per) -> tuple[StageCost | BlockCost | PlacedLayer, ...]:
    match per:
        case Per.STAGE:
            return cost.stages()
        case Per.BLOCK:
            return cost.blocks
        case Per.LAYER:
            return tuple(cost.layers())


def _part(
    part: StageCost | BlockCost | PlacedLayer, total: Counted, mode: Mode, batch: int
) -> CountedPart:
    cost = part.layer.cost if isinstance(part, PlacedLayer) else part.cost
    counted = _counted(cost, mode, batch)
    share = counted.macs / total.macs
    return CountedPart(part=part, cost=counted.cost, macs=counted.macs, share=share)


def _counted(cost: Cost, mode: Mode, batch: int) -> Counted:
    scaled = cost.times(batch)
    backward = scaled.backward_macs if mode is Mode.TRAIN else 0
    return Counted(cost=scaled, macs=scaled.macs + backward)


def paper_figure(cost: NetworkCost) -> PaperFigure | None:
    """What the paper prints for this network, beside ours; None where it prints nothing."""
    claim = paper_claim(cost.architecture)
    if claim is None:
        return None
    counted = cost.total.params if claim.kind == "params" else cost.total.macs
    ours = Fraction(counted, unit_scale(claim))
    return PaperFigure(
        claim=claim,
        ours=float(ours),
        deviation=deviation(claim.printed, ours),
        verdict=judge(claim.printed, ours),
    )


def elsewhere(cost: NetworkCost) -> str | None:
    """What other tools print for torchvision's network of this name, and why they differ."""
    sibling = _torchvisions(cost)
    stated, *tools = reconcile(sibling or cost)
    if stated.value is None:
        return None
    which = "torchvision"
    if sibling is not None:
        name = sibling.architecture.id
        which = f"torchvision's {TORCHVISION[name].name} is {name}; it"
    printed = ", ".join(
        f"{tool.tool} {format_si(tool.value)}" for tool in tools if tool.per_mac == 1 and tool.value
    )
    return (
        f"{which} states {stated.printed} GFLOPS, which are MACs. Others add batch norm, ReLU, "
        f"pools or biases to the same network: {printed}."
    )


def _sibling(cost: NetworkCost) -> Sibling | None:
    theirs = _torchvisions(cost)
    if theirs is None:
        return None
    return Sibling(
        model=theirs.architecture.id,
        extra_macs=theirs.total.macs - cost.total.macs,
        figures=reconcile(theirs),
    )


def _torchvisions(cost: NetworkCost) -> NetworkCost | None:
    """Torchvision's network of the same name, None where that is this very one or there is none."""
    ours = cost.architecture
    name = torchvision_sibling(ours)
    return None if name is None else count(resolve(name, image=ours.image, classes=ours.classes))
