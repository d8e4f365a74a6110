"""The time of each stage and phase, from instrumented rounds, checked against clean ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median

from resprof.analysis.configurations import Configuration, Launch
from resprof.records.bench import PartsCheck, PartTime
from resprof.records.plan import Metric
from resprof.records.run import Tile, TiledRound
from resprof.statistics.intervals import order_interval

MOST_DEVIATION = 0.01
"""Instruments that change a call by more than this have changed what they measure."""

Macs = Mapping[Tile, int]
"""Multiply-adds for one image by stage of a phase, and by whole phase."""


def parts_of(
    configuration: Configuration, macs: Macs
) -> tuple[tuple[PartTime, ...], PartsCheck | None]:
    """Every part in the order of the call, and whether the instruments changed the call.

    Nothing where no instrumented round was taken.
    """
    per_launch = [launch.tiled for launch in configuration.launches if launch.tiled]
    if not per_launch:
        return (), None
    tiles = tuple(dict.fromkeys(per_launch[0][0].tiles))
    times = {tile: _values(tile, per_launch) for tile in tiles}
    whole = sum(median(values) for values in times.values())
    all_macs = sum(macs.get(tile, 0) for tile in tiles)
    parts = []
    for tile, values in times.items():
        time_s, interval = median(values), order_interval(values)
        ours = macs.get(tile)
        counted = None if ours is None else ours * configuration.images
        parts.append(
            PartTime(
                phase=tile.phase,
                stage=tile.stage,
                time_s=time_s,
                time_ci_s=(interval.low, interval.high) if interval else None,
                ci_coverage=interval.coverage if interval else None,
                share=time_s / whole,
                macs=counted,
                macs_share=None if ours is None else ours / all_macs,
                flops_per_s=None if counted is None else 2 * counted / time_s,
            )
        )
    return tuple(parts), _check(configuration.launches)


def _values(tile: Tile, per_launch: Sequence[Sequence[TiledRound]]) -> list[float]:
    """A value for each launch, or for each round where there is one launch only."""
    of_rounds = [[_in_round(each, tile) for each in rounds] for rounds in per_launch]
    return of_rounds[0] if len(of_rounds) == 1 else [median(values) for values in of_rounds]


def _in_round(tiled: TiledRound, tile: Tile) -> float:
    """The median over calls; in a call of several passes a tile is there several times."""
    return median(_by_tile(tiled, call)[tile] for call in tiled.samples_s)


def _by_tile(tiled: TiledRound, call: Sequence[float]) -> dict[Tile, float]:
    found: dict[Tile, float] = defaultdict(float)
    for tile, seconds in zip(tiled.tiles, call, strict=True):
        found[tile] += seconds
    return found


def _check(launches: Sequence[Launch]) -> PartsCheck | None:
    """Pairs each instrumented round with the clean one beside it."""
    pairs = [
        (median(clean.samples_s), median(sum(call) for call in tiled.samples_s))
        for launch in launches
        for tiled in launch.tiled
        for clean in launch.of(Metric.LATENCY)
        if clean.index == tiled.index
    ]
    if not pairs:
        return None
    deviation = median(instrumented / clean for clean, instrumented in pairs) - 1
    return PartsCheck(
        clean_s=median(clean for clean, _ in pairs),
        instrumented_s=median(instrumented for _, instrumented in pairs),
        deviation=deviation,
        perturbed=abs(deviation) > MOST_DEVIATION,
    )
