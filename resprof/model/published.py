"""Figures that others have printed, and a computed value judged against their digits."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from resprof.model.architecture import Architecture
from resprof.model.networks import family_of
from resprof.model.recipe import Mode

if TYPE_CHECKING:
    from fractions import Fraction


_FOLDER = Path(__file__).parent / "data"

SheetRow = dict[str, str]
"""A row's cells by their column; an empty cell is unknown."""


def rows(name: str) -> Iterator[SheetRow]:
    """The rows of ``name``.csv in their order."""
    with (_FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def text(cell: str) -> str | None:
    """The cell, or None where it is empty."""
    return cell or None


def whole(cell: str) -> int | None:
    """The cell as a whole number, or None where it is empty."""
    return int(cell) if cell else None


def scaled(cell: str, exponent: int = 0) -> float | None:
    """The cell times 10^``exponent``, as the float nearest to that decimal; None where empty."""
    return float(f"{cell}e{exponent}") if cell else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table6Row:
    """A row of Table 6: test error on CIFAR-10 (%), and parameters (M) where they are printed.

    ``model`` is our name of the network, None for those of other papers.
    """

    method: str
    model: str | None
    layers: int | None
    params_printed: str | None
    error_printed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedAccuracy:
    """An error rate or a precision (%) that the paper prints; resprof trains nothing."""

    id: str
    where: str
    what: str
    printed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedResult:
    """A throughput or latency that somebody else has measured and published.

    ``batch`` and ``throughput_images_per_s`` are those of all ``devices`` together; ``peaks_of`` is
    the id of the device whose peaks apply, None where the device table has none. ``precision``,
    ``layout`` and ``engine`` are in the words of the source.
    """

    source: str
    locator: str
    mode: Mode
    scenario: str | None
    device: str
    peaks_of: str | None
    devices: int
    precision: str
    layout: str | None
    engine: str
    model: str
    batch: int | None
    throughput_images_per_s: float | None
    latency_s: float | None
    latency_statistic: str | None
    note: str | None


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


_PLURAL = {"matches": "match", "holds": "hold", "differs": "differ"}


def count_verdicts(verdicts: Iterable[Verdict]) -> str:
    """How often each verdict was given: ``15 match exactly, 4 differ``."""
    numbers = Counter(verdicts)
    return ", ".join(
        f"{number} {verdict if number == 1 else _plural(verdict)}"
        for verdict in Verdict
        if (number := numbers[verdict])
    )


def _plural(verdict: Verdict) -> str:
    verb, _, rest = verdict.partition(" ")
    return f"{_PLURAL.get(verb, verb)} {rest}".rstrip()


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


_DIGITS = re.compile(r"([0-9]+)(?:\.([0-9]+))?", re.ASCII)


def judge(printed: str, ours: int | Fraction) -> Verdict:
    """How the printed digits arise from our value, which is given in the printed unit.

    Both are at least zero. A value halfway between two printed ones is rounded up. Raises
    ``ValueError`` for a figure that is no plain decimal number.
    """
    digits, places = _parse(printed)
    if ours.numerator * _power(places) == digits * ours.denominator:
        return Verdict.EXACTLY
    by_rounding = _rounded(ours, places) == digits
    by_truncation = _truncated(ours, places) == digits
    if by_rounding and by_truncation:
        return Verdict.BOTH
    if by_rounding:
        return Verdict.ROUNDING
    return Verdict.TRUNCATION if by_truncation else Verdict.DIFFERS


def deviation(printed: str, ours: int | Fraction) -> float:
    """How far ours lies above the printed value, as a share of it; ``ValueError`` for a zero."""
    digits, places = _parse(printed)
    if digits == 0:
        raise ValueError(f"nothing can be a share of {printed}")
    base = digits * ours.denominator
    return (ours.numerator * _power(places) - base) / base


def rounded_and_truncated(printed: str, ours: int | Fraction) -> tuple[str, str]:
    """Our value with as many decimals as ``printed`` has, rounded and cut off."""
    _, places = _parse(printed)
    return _text(_rounded(ours, places), places), _text(_truncated(ours, places), places)


def digits_of(printed: str, ours: int | Fraction) -> str:
    """What our value would be printed as: ``rounding gives 3.9, truncation 3.8``."""
    rounded, truncated = rounded_and_truncated(printed, ours)
    if rounded == truncated:
        return f"rounding and truncation give {rounded}"
    return f"rounding gives {rounded}, truncation {truncated}"


def _parse(printed: str) -> tuple[int, int]:
    """A decimal number as an integer and how many of its digits stand after the point."""
    match = _DIGITS.fullmatch(printed)
    if match is None:
        raise ValueError(f"{printed!r} is not a plain decimal number")
    whole, fraction = match[1], match[2] or ""
    return int(whole + fraction), len(fraction)


def _truncated(ours: int | Fraction, places: int) -> int:
    return ours.numerator * _power(places) // ours.denominator


def _rounded(ours: int | Fraction, places: int) -> int:
    return (2 * ours.numerator * _power(places) + ours.denominator) // (2 * ours.denominator)


def _power(places: int) -> int:
    return int(10**places)  # to mypy an int's power may be a float


def _text(digits: int, places: int) -> str:
    if not places:
        return str(digits)
    padded = str(digits).rjust(places + 1, "0")
    return f"{padded[:-places]}.{padded[-places:]}"


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


def paper_claim(architecture: Architecture) -> Claim | None:
    """The FLOPs (Table 1, Secs. 3.3 and 4.1) or parameters (Table 6) printed for a network.

    A network's options all answer to the same figure, since the tables name none: how far off
    each is, the caller shows. None where the paper prints nothing, and for another image size,
    other classes or other widths than the paper's.
    """
    pattern = _FIGURES.get(architecture.family)
    if pattern is None or not _as_published(architecture):
        return None
    return _claims_by_id().get(pattern.format(depth=architecture.depth))


def unit_scale(claim: Claim) -> int:
    """How many multiply-adds or parameters the unit of a claim stands for."""
    return _SCALES[claim.unit]


def _claims(name: str) -> tuple[Claim, ...]:
    return tuple(Claim(**row) for row in rows(name))


@cache
def _claims_by_id() -> dict[str, Claim]:
    return {claim.id: claim for claim in claims()}


def _as_published(architecture: Architecture) -> bool:
    member = next(
        (
            member
            for member in family_of(architecture).members
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


@cache
def table6() -> tuple[Table6Row, ...]:
    """Table 6: CIFAR-10, ours and those of other papers that it quotes."""
    return tuple(
        Table6Row(
            method=row["method"],
            model=text(row["model"]),
            layers=whole(row["layers"]),
            params_printed=text(row["params_millions"]),
            error_printed=row["error_percent"],
        )
        for row in rows("table6")
    )


@cache
def accuracies() -> tuple[PublishedAccuracy, ...]:
    """The error rates and precisions from which the paper draws differences."""
    return tuple(
        PublishedAccuracy(
            id=row["id"], where=row["where"], what=row["what"], printed=row["percent"]
        )
        for row in rows("accuracies")
    )


@cache
def results() -> tuple[PublishedResult, ...]:
    """Throughputs and latencies of ResNets that others have measured and published."""
    return tuple(
        PublishedResult(
            source=row["source"],
            locator=row["locator"],
            mode=Mode(row["mode"]),
            scenario=text(row["scenario"]),
            device=row["device"],
            peaks_of=text(row["peaks_of"]),
            devices=int(row["n_devices"]),
            precision=row["precision"],
            layout=text(row["layout"]),
            engine=row["engine"],
            model=row["model"],
            batch=whole(row["batch"]),
            throughput_images_per_s=scaled(row["images_per_s"]),
            latency_s=scaled(row["latency_ms"], -3),
            latency_statistic=text(row["latency_stat"]),
            note=text(row["note"]),
        )
        for row in rows("results")
    )
