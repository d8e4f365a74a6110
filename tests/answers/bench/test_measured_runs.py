"""Records that no measurement can have written are refused, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from resprof.answers.bench.runs import measured_run
from resprof.errors import UsageError
from resprof.measure.run import EnergyWindow, LaunchStart, Round, Tile, TiledRound
from resprof.measure.run_file import Record
from resprof.model.environment import DeviceKind, Environment
from resprof.model.recipe import Phase
from tests.factories import ON_CPU, WORKLOAD, run_of, simple, steady, with_torch

Run = tuple[Record, ...]
KEY = WORKLOAD.text


def _rounds(run: Run, **change: object) -> Run:
    return tuple(
        replace(each, **change) if isinstance(each, Round) else each  # type: ignore[arg-type]
        for each in run
    )


def _renamed(run: Run) -> Run:
    """The same workload once more, under another key."""
    return tuple(
        replace(each, key="another") for each in run[1:] if not isinstance(each, Environment)
    )


def _tiled(*seconds: float) -> TiledRound:
    return TiledRound(
        key=KEY,
        launch=0,
        device=DeviceKind.CPU,
        index=0,
        tiles=(Tile(phase=Phase.FORWARD, stage="conv1"), Tile(phase=Phase.FORWARD, stage="fc")),
        samples_s=(seconds,),
    )


def _window(seconds: float, energy_j: float) -> EnergyWindow:
    return EnergyWindow(key=KEY, launch=0, calls=1, seconds=seconds, energy_j=energy_j)


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda run: (*run, *_renamed(run)), "two names"),
        (lambda run: _rounds(run, samples_s=()), "a time"),
        (lambda run: _rounds(run, samples_s=(math.nan,)), "a time"),
        (lambda run: _rounds(run, samples_s=(math.inf,)), "a time"),
        (lambda run: _rounds(run, samples_s=(0.0,)), "a time"),
        (lambda run: _rounds(run, samples_s=(1e-320,)), "a time"),
        (lambda run: _rounds(run, samples_s=(1e308,)), "a time"),
        (lambda run: _rounds(run, calls=0), "a time"),
        (lambda run: _rounds(run, calls=10**400), "a time"),
        (lambda run: _rounds(run, device=DeviceKind.CUDA), "its environment describes cpu"),
        (lambda run: _rounds(run, launch=7), "never started"),
        (lambda run: _rounds(run, index=0), "twice"),
        (lambda run: (*run, run[-1]), "twice"),
        (lambda run: (*run, _tiled(0.1)), "a time"),
        (lambda run: (*run, _tiled(0.1, -0.1)), "a time"),
        (lambda run: (*run, _window(0.0, 1.0)), "a time"),
        (lambda run: (*run, _window(1.0, math.nan)), "a time"),
    ],
)
def test_what_cannot_be_is_refused(spoil: Callable[[Run], Run], word: str) -> None:
    run = simple(0.01)
    assert measured_run(run).configurations
    with pytest.raises(UsageError, match=word) as caught:
        measured_run(spoil(run))
    assert caught.value.hint


def test_several_launches_are_no_duplicates() -> None:
    (found,) = measured_run(simple(0.01, 0.01, 0.01)).configurations
    assert len(found.launches) == 3


def test_a_configuration_has_the_environment_it_was_measured_in() -> None:
    newer = with_torch("9.9.9")
    start = next(each for each in simple(0.01) if isinstance(each, LaunchStart))
    rest = run_of((WORKLOAD, [steady(0.01)]))[2:]
    # The process that measures knows more than the one that starts it, and says so afterwards.
    run = measured_run((replace(ON_CPU, torch=None), start, newer, *rest))
    (found,) = run.configurations
    assert found.environment == newer
    assert run.environments == (newer,)
    assert run.label("x").torch == "9.9.9"
