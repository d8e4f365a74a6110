"""Runs on an A100 that there need not be, and the command as a user types it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from resprof.cli.main import main
from resprof.measure.run import LaunchEnd, Tile, TiledRound
from resprof.measure.run_file import Record
from resprof.model.environment import DeviceKind
from resprof.model.recipe import Phase, Precision, Recipe, Workload, infer, train
from tests.factories import WORKLOAD, Launched, run_of, with_gpu

if TYPE_CHECKING:
    import pytest

CARD = "NVIDIA A100-SXM4-80GB"
SIDE = (224, 224)
STAGES = ("conv1", "conv2_x", "conv3_x", "conv4_x", "conv5_x", "fc")
TIMES = (0.002, 0.012, 0.009, 0.007, 0.003, 0.0001)
INFER = replace(infer(batch=256, image=SIDE), precision=Precision.AMP_BF16)
STEP = replace(train(batch=128, image=SIDE), precision=Precision.AMP_BF16)


def workload(recipe: Recipe) -> Workload:
    return replace(WORKLOAD, model="resnet50-v1.5", classes=1000, recipe=recipe)


def tiled(recipe: Recipe, parts: Sequence[tuple[Phase, str | None]], times: Sequence[float]) -> Any:
    return TiledRound(
        key=workload(recipe).text,
        launch=0,
        device=DeviceKind.CUDA,
        index=0,
        tiles=tuple(Tile(phase=phase, stage=stage) for phase, stage in parts),
        samples_s=(tuple(times),),
    )


STAGED = tiled(INFER, [(Phase.FORWARD, stage) for stage in STAGES], TIMES)
PHASED = tiled(
    STEP,
    [(Phase.OPTIMIZER, None), (Phase.FORWARD, None), (Phase.BACKWARD, None)],
    (0.001, 0.02, 0.04),
)


def records(
    *measured: tuple[Recipe, Launched], name: str = CARD, tiles: Sequence[TiledRound] = ()
) -> tuple[Record, ...]:
    """A run on an A100 as its driver reports it, or on one by another name."""
    environment = with_gpu(name)
    assert environment.gpu is not None
    assert environment.nvml is not None
    assert environment.nvml.settings is not None
    settings = replace(environment.nvml.settings, sm_clock_max_hz=1_410e6, mig=False)
    environment = replace(
        environment,
        gpu=replace(environment.gpu, memory_bytes=85_094_825_984),
        nvml=replace(environment.nvml, settings=settings),
    )
    run = run_of(
        *((workload(recipe), [launched]) for recipe, launched in measured),
        environment=environment,
    )
    found: list[Record] = []
    for record in run:
        if isinstance(record, LaunchEnd):
            found += [each for each in tiles if each.key == record.key]
        found.append(record)
    return tuple(found)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["roofline", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, err = run(capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    parsed: dict[str, Any] = json.loads(out)
    assert list(parsed) == ["schema", "command", "results", "environment", "notes"]
    return parsed


def notes(parsed: dict[str, Any]) -> set[str]:
    return {note["code"] for note in parsed["notes"]}
