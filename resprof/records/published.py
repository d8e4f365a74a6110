"""Figures that others have printed, with the digits and the place they were printed at."""

from __future__ import annotations

from dataclasses import dataclass

from resprof.records.recipe import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Table1Row:
    """A row of Table 1: what the nets of 18, 34, 50, 101 and 152 layers hold in a stage.

    ``output`` is the side of the stage's maps (px), None in the FLOPs row. ``cells`` are in the
    order of the depths, layers separated by commas and repeated blocks in brackets.
    """

    stage: str
    output: int | None
    cells: tuple[str, ...]


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
