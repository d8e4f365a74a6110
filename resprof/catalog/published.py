"""What He et al. 2015 (arXiv 1512.03385) claims in figures; read when first asked for, and kept."""

from __future__ import annotations

from functools import cache

from resprof.catalog.families import MEMBERS
from resprof.catalog.sheets import rows
from resprof.records.architecture import Architecture
from resprof.records.claim import Claim, PublishedFigure

_SCALES = {"GMAC": 10**9, "M": 10**6}
_FIGURES = {
    "resnet": "flops.table1.{depth}",
    "plain": "flops.table1.{depth}",
    "cifar-resnet": "params.cifar.{depth}",
    "vgg": "flops.vgg{depth}.convfc",
}
"""Which claim prints the figure of a family's network."""


@cache
def claims() -> tuple[Claim, ...]:
    """Every claim of the paper that is looked at, in the order of its file."""
    return _claims("claims")


@cache
def notes() -> tuple[Claim, ...]:
    """What is often said about the paper's networks and is not in the paper."""
    return _claims("notes")


def claim(claim_id: str) -> Claim:
    """The claim of that id; raises ``KeyError`` where there is none."""
    return _claims_by_id()[claim_id]


def paper_flops(architecture: Architecture) -> PublishedFigure | None:
    """The FLOPs (Table 1, Secs. 3.3 and 4.1) or parameters (Table 6) printed for a network.

    A network's options all answer to the same figure, since the tables name none: how far off
    each is, the caller shows. None where the paper prints nothing, and for another image size,
    other classes or other widths than the paper's.
    """
    pattern = _FIGURES.get(architecture.family)
    if pattern is None or not _as_published(architecture):
        return None
    found = _claims_by_id().get(pattern.format(depth=architecture.depth))
    if found is None:
        return None
    return PublishedFigure(
        id=found.id,
        where=found.where,
        kind=found.kind,
        printed=found.printed,
        unit=found.unit,
        scale=_SCALES[found.unit],
    )


def _claims(name: str) -> tuple[Claim, ...]:
    return tuple(Claim(**row) for row in rows(name))


@cache
def _claims_by_id() -> dict[str, Claim]:
    return {claim.id: claim for claim in claims()}


def _as_published(architecture: Architecture) -> bool:
    member = next(
        (
            member
            for member in MEMBERS.values()
            if (member.family, member.depth) == (architecture.family, architecture.depth)
        ),
        None,
    )
    return (
        member is not None
        and architecture.image == (member.side, member.side)
        and architecture.classes == member.classes
        and architecture.in_channels == 3
        and architecture.width == 1.0
    )
