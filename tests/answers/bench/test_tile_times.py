"""Where the time of a call goes: shares, and whether the instruments changed the call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resprof.answers.bench.results import (
    MOST_DEVIATION,
    Perturbation,
    TileTime,
    macs_by_tile,
    tile_times,
)
from resprof.measure.run import Tile, TiledRound
from resprof.measure.run_file import Record
from resprof.model.architecture import LOSS
from resprof.model.environment import DeviceKind
from resprof.model.networks import resolve
from resprof.model.recipe import Mode, Phase, Workload, train
from tests.factories import BATCH, WORKLOAD, configuration, end, latency, launch_of, start

FORWARD, BACKWARD, OPTIMIZER = (
    Tile(phase=Phase.FORWARD),
    Tile(phase=Phase.BACKWARD),
    Tile(phase=Phase.OPTIMIZER),
)
MACS = {FORWARD: 100, BACKWARD: 200}
ARCHITECTURE = resolve("cifar-resnet8")
STAGES = ("conv1", "conv2_x", "conv3_x", "conv4_x", "fc")


def tiled(
    index: int,
    calls: Sequence[Sequence[float]],
    tiles: Sequence[Tile] = (FORWARD, BACKWARD, OPTIMIZER),
    *,
    workload: Workload = WORKLOAD,
    launch: int = 0,
) -> TiledRound:
    return TiledRound(
        key=workload.text,
        launch=launch,
        device=DeviceKind.CPU,
        index=index,
        tiles=tuple(tiles),
        samples_s=tuple(map(tuple, calls)),
    )


def check_of(*records: Record) -> Perturbation:
    _, check = tile_times(configuration(start(), *records, end()), MACS)
    assert check is not None
    return check


def test_a_part_is_the_median_of_the_rounds_medians() -> None:
    found = launch_of(
        tiled(0, [(1.0, 4.0, 0.5), (2.0, 4.0, 0.5), (9.0, 4.0, 0.5)]),
        tiled(1, [(4.0, 8.0, 0.5)]),
        tiled(2, [(3.0, 6.0, 0.5)]),
    )
    forward, backward, optimizer = tile_times(found, MACS)[0]
    assert [forward.time_s, backward.time_s, optimizer.time_s] == [3.0, 6.0, 0.5]
    assert (forward.time_ci_s, optimizer.time_ci_s) == ((2.0, 4.0), (0.5, 0.5))
    assert forward.share == 3.0 / 9.5
    assert (forward.macs, backward.macs) == (100 * BATCH, 200 * BATCH)
    assert forward.flops_per_s == 2 * 100 * BATCH / 3.0
    assert (optimizer.macs, optimizer.macs_share, optimizer.flops_per_s) == (None, None, None)


def test_a_part_of_one_round_has_no_interval() -> None:
    parts, _ = tile_times(launch_of(tiled(0, [(1.0, 2.0, 3.0)])), MACS)
    assert [part.time_ci_s for part in parts] == [None] * 3


def test_of_several_launches_each_gives_one_value() -> None:
    records: list[Record] = []
    for launch, times in enumerate(([1.0, 1.0, 1.0, 7.0], [2.0], [6.0])):
        records += [start(launch=launch)]
        records += [
            tiled(index, [(value, 1.0, 1.0)], launch=launch) for index, value in enumerate(times)
        ]
        records += [end(launch=launch)]
    (forward, *_), _ = tile_times(configuration(*records), MACS)
    assert forward.time_s == 2.0
    assert forward.time_ci_s == (1.0, 6.0)


def test_passes_of_an_accumulated_step_are_added_up() -> None:
    workload = replace(WORKLOAD, recipe=replace(train(batch=BATCH, image=(32, 32)), accumulate=2))
    tiles = (OPTIMIZER, FORWARD, BACKWARD, FORWARD, BACKWARD, OPTIMIZER)
    call = (0.25, 1.0, 2.0, 3.0, 4.0, 0.5)
    found = configuration(
        start(workload), tiled(0, [call], tiles, workload=workload), end(workload)
    )
    parts, _ = tile_times(found, MACS)
    assert [(part.phase, part.time_s) for part in parts] == [
        (Phase.OPTIMIZER, 0.75),
        (Phase.FORWARD, 4.0),
        (Phase.BACKWARD, 6.0),
    ]
    assert parts[1].macs == 100 * BATCH * 2


def stage_tiles() -> list[Tile]:
    forward = [Tile(phase=Phase.FORWARD, stage=stage) for stage in (*STAGES, LOSS)]
    backward = [Tile(phase=Phase.BACKWARD, stage=stage) for stage in (LOSS, *reversed(STAGES))]
    return [OPTIMIZER, *forward, *backward]


TIMES = st.floats(1e-6, 1e3)


@given(st.data(), st.sampled_from([[FORWARD, BACKWARD, OPTIMIZER], stage_tiles()]))
def test_shares_of_time_and_of_macs_add_up_to_one(data: st.DataObject, tiles: list[Tile]) -> None:
    call = st.tuples(*[TIMES] * len(tiles))
    rounds = data.draw(st.lists(st.lists(call, min_size=1, max_size=3), min_size=1, max_size=4))
    found = launch_of(*(tiled(index, calls, tiles) for index, calls in enumerate(rounds)))
    parts, _ = tile_times(found, macs_by_tile(ARCHITECTURE, Mode.TRAIN))
    assert [Tile(phase=part.phase, stage=part.stage) for part in parts] == tiles
    assert sum(part.share for part in parts) == pytest.approx(1)
    assert sum(part.macs_share or 0 for part in parts) == pytest.approx(1)
    assert all((part.macs is None) is _is_bare(part) for part in parts)


def _is_bare(part: TileTime) -> bool:
    """Loss and optimiser have no multiply-adds that are counted."""
    return part.stage == LOSS or part.phase is Phase.OPTIMIZER


def test_stages_have_the_macs_of_their_phases() -> None:
    macs = macs_by_tile(ARCHITECTURE, Mode.TRAIN)
    for phase in (Phase.FORWARD, Phase.BACKWARD):
        of_stages = [count for tile, count in macs.items() if tile.phase is phase and tile.stage]
        assert len(of_stages) == len(STAGES)
        assert sum(of_stages) == macs[Tile(phase=phase)]
    assert all(tile.phase is Phase.FORWARD for tile in macs_by_tile(ARCHITECTURE, Mode.INFER))


def test_without_instrumented_rounds_there_are_no_parts() -> None:
    assert tile_times(launch_of(latency(0, (1.0,))), MACS) == ((), None)


def test_without_clean_rounds_nothing_is_held_against_them() -> None:
    parts, check = tile_times(launch_of(tiled(0, [(1.0, 2.0, 3.0)])), MACS)
    assert parts
    assert check is None


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_a_call_counts_as_perturbed_from_one_percent_on(factor: float, sign: int) -> None:
    deviation = sign * factor * MOST_DEVIATION
    instrumented = 4.0 * (1 + deviation)
    check = check_of(latency(0, (4.0, 3.0, 9.0)), tiled(0, [(instrumented - 2.0, 1.5, 0.5)]))
    assert check.clean_s == 4.0
    assert check.instrumented_s == pytest.approx(instrumented)
    assert check.deviation == pytest.approx(deviation)
    assert check.perturbed is (factor > 1)


def test_rounds_are_held_against_those_beside_them() -> None:
    """While everything drifts far, neighbours still agree."""
    level = [1.0, 2.0, 4.0, 8.0]
    clean = [latency(index, (value,)) for index, value in enumerate(level)]
    seen = [tiled(index, [(value / 2, value / 4, value / 4)]) for index, value in enumerate(level)]
    check = check_of(*reversed(clean), *seen, latency(9, (1000.0,)))
    assert check.deviation == 0
    assert not check.perturbed


def test_rounds_are_held_against_those_of_their_own_launch() -> None:
    records: list[Record] = []
    for launch, value in enumerate((1.0, 3.0)):
        records += [
            start(launch=launch),
            latency(0, (value,), launch=launch),
            tiled(0, [(value / 2, value / 4, value / 4)], launch=launch),
            end(launch=launch),
        ]
    _, check = tile_times(configuration(*records), MACS)
    assert check is not None
    assert (check.clean_s, check.instrumented_s, check.deviation) == (2.0, 2.0, 0.0)


@pytest.mark.parametrize(("rounds", "covers"), [(1, None), (2, 0.5), (6, 0.96875)])
def test_an_interval_says_what_it_covers(rounds: int, covers: float | None) -> None:
    taken = [tiled(index, [(1.0, 4.0, 0.5 + index)]) for index in range(rounds)]
    parts, _ = tile_times(configuration(start(), *taken, end()), MACS)
    assert {part.ci_coverage for part in parts} == {covers}
    assert all((part.time_ci_s is None) is (covers is None) for part in parts)
