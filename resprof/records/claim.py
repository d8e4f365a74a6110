"""A figure that somebody has published, and what became of it when it was computed again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a claim and what we compute stand to each other.

    Figures match in one of four ways or differ; a statement without digits holds, holds in part
    (in some of its readings, or with exceptions that the explanation names) or differs.
    ``REFERENCE`` is an accuracy or a setting, from which things follow but which nothing proves.
    """

    EXACTLY = "matches exactly"
    BOTH = "matches by rounding and by truncation"
    ROUNDING = "matches by rounding"
    TRUNCATION = "matches by truncation"
    HOLDS = "holds"
    PARTLY = "holds in part"
    DIFFERS = "differs"
    REFERENCE = "reference only"
    NOT_CHECKABLE = "not checkable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim: ``printed`` keeps the digits as they were printed, ``statement`` says of what."""

    id: str
    where: str
    kind: str
    printed: str
    unit: str
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFigure:
    """What the paper prints for one network, as a claim's digits and what they count.

    ``kind`` is ``flops`` (multiply-adds of a forward pass) or ``params``; ``unit`` stands for
    ``scale`` of them.
    """

    id: str
    where: str
    kind: str
    printed: str
    unit: str
    scale: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What computing a claim again gave: ``ours`` in the claim's unit, None where nothing can be.

    ``explanation`` is one line: how ours arises, or why it cannot be computed.
    """

    ours: int | float | str | None
    verdict: Verdict
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedClaim:
    """A row of `resprof paper`; ``printed`` and ``unit`` are None where the claim has no figure."""

    id: str
    where: str
    statement: str
    printed: str | None
    unit: str | None
    ours: int | float | str | None
    verdict: Verdict
    explanation: str
