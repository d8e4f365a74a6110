from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resprof.codec import from_plain, to_json, to_plain
from resprof.memory.allocator import Levels, with_context
from resprof.memory.overlay import (
    CONTEXT,
    Overlay,
    assumptions_of,
    default_overlay,
    extremes,
    overlaid,
)
from resprof.memory.prediction import MemoryResult, PhaseMemory, predict
from resprof.memory.replay import flatten, replay
from resprof.memory.rules import AllocatorKind
from resprof.memory.trace import Role, Trace
from resprof.model.recipe import Phase, train
from tests.memory.memory_traces import inference, training

TRAINING, INFERENCE = training(), inference()
OVERLAY = default_overlay((9, 0))


def predicted(
    trace: Trace,
    batch: int,
    overlay: Overlay = OVERLAY,
    kind: AllocatorKind = AllocatorKind.DEFAULT,
) -> MemoryResult:
    recipe = train(batch=batch, image=(224, 224))
    return predict(trace, recipe, overlay, kind, model="synthetic", title="A network")


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 2000), st.sampled_from(AllocatorKind), st.booleans())
def test_parts_add_up(batch: int, kind: AllocatorKind, trains: bool) -> None:
    trace = TRAINING if trains else INFERENCE
    prediction = predicted(trace, batch, kind=kind)
    peak = prediction.peak
    assert peak.requested_bytes <= peak.allocated_bytes <= peak.reserved_bytes
    assert peak.process_bytes == peak.reserved_bytes + CONTEXT
    assert sum(part.bytes for part in prediction.at_peak) == peak.allocated_bytes
    assert sum(row.at_peak_bytes for row in prediction.rows) == peak.allocated_bytes
    peaks = [phase.peak for phase in prediction.phases]
    assert max(each.requested_bytes for each in peaks) == peak.requested_bytes
    assert max(each.allocated_bytes for each in peaks) == peak.allocated_bytes
    assert max(each.reserved_bytes for each in peaks) == peak.reserved_bytes
    low, high = prediction.band.low, prediction.band.high
    assert low.process_bytes < peak.process_bytes < high.process_bytes
    assert low.requested_bytes <= peak.requested_bytes <= high.requested_bytes
    assert low.allocated_bytes <= peak.allocated_bytes <= high.allocated_bytes
    assert low.reserved_bytes <= peak.reserved_bytes <= high.reserved_bytes
    stream = flatten(overlaid(trace, OVERLAY))
    assert with_context(replay(stream, batch, kind).peak, CONTEXT) == peak


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_activations_of_training_are_what_is_kept_at_the_end_of_forward(batch: int) -> None:
    """Two maps and a mean for each layer, two layers a stage, half the map in each stage."""
    prediction = predicted(TRAINING, batch)
    per_stage = [2 * (2 * batch * 802_816 // 2**place + 1024) for place in range(4)]
    assert [row.stage for row in prediction.rows] == [
        "conv2_x",
        "conv3_x",
        "conv4_x",
        "conv5_x",
        "fc",
        "other",
    ]
    assert [row.activation_bytes for row in prediction.rows] == [*per_stage, batch * 4000, 0]
    assert prediction.activation_bytes == sum(per_stage) + batch * 4000
    layers = {layer.layer: layer.activation_bytes for layer in prediction.layers}
    assert layers["layer3.1"] == per_stage[1] // 2
    assert sum(layers.values()) == prediction.activation_bytes


def test_activations_of_inference_are_the_largest_live_sets() -> None:
    """A layer's result with the one before it; the image is no part of it."""
    prediction = predicted(INFERENCE, 8)
    maps = [8 * 802_816 // 2**place for place in range(4)]
    expected = [2 * maps[0], maps[0] + maps[1], maps[1] + maps[2], maps[2] + maps[3]]
    assert [row.activation_bytes for row in prediction.rows] == [*expected, 0]
    assert prediction.activation_bytes == 2 * maps[0]


def test_what_is_live_at_the_peak_of_a_large_batch() -> None:
    """At the start of backward in step 2: momentum is there, gradients are not."""
    prediction = predicted(TRAINING, 256)
    at_peak = {part.kind: part.bytes for part in prediction.at_peak}
    assert at_peak[Role.ACTIVATION] >= prediction.activation_bytes
    assert at_peak[Role.WORKSPACE] == 2 * 32 * 2**20
    assert Role.OPTIMIZER in at_peak
    assert Role.GRADIENT not in at_peak
    highest = max(prediction.phases, key=lambda each: each.peak.allocated_bytes)
    assert (highest.step, highest.phase) == (2, Phase.BACKWARD)


def test_phases_go_from_boundary_to_boundary() -> None:
    prediction = predicted(TRAINING, 16)
    phases = [(each.step, each.phase) for each in prediction.phases]
    steps = [(step, phase) for step in (1, 2) for phase in list(Phase)[1:]]
    assert phases == [(0, Phase.SETUP), *steps]
    ends = [each.end.requested_bytes for each in prediction.phases]
    assert ends[3] == ends[6]  # after either step: parameters, buffers, momentum, workspaces
    assert ends[3] > ends[0]
    for before, after in pairwise(prediction.phases):
        assert after.peak.allocated_bytes >= before.end.allocated_bytes


@pytest.mark.parametrize("kind", AllocatorKind)
def test_what_is_assumed_is_said(kind: AllocatorKind) -> None:
    assert predicted(TRAINING, 4).calibrated_on is None
    codes = [assumption.code for assumption in assumptions_of(OVERLAY, kind)]
    assert "uncalibrated" in codes
    assert len(set(codes)) == len(codes)
    overlay = replace(OVERLAY, calibrated_on="NVIDIA Test")
    messages = [assumption.message for assumption in assumptions_of(overlay, kind)]
    assert "calibrated on NVIDIA Test" in messages
    calibrated = predicted(TRAINING, 4, overlay)
    assert calibrated.band.low == calibrated.peak


@pytest.mark.parametrize("batch", [1, 32, 314])
def test_the_band_spans_both_extremes_and_the_prediction(batch: int) -> None:
    prediction = predicted(TRAINING, batch)
    low, high = extremes(OVERLAY)
    reserved = [prediction.peak.reserved_bytes]
    for extreme in (low, high):
        stream = flatten(overlaid(TRAINING, extreme))
        reserved.append(replay(stream, batch).peak.reserved_bytes)
    band = prediction.band
    assert (band.low.reserved_bytes, band.high.reserved_bytes) == (min(reserved), max(reserved))
    assert band.low.process_bytes == min(reserved) + low.context_bytes
    assert band.high.process_bytes == max(reserved) + high.context_bytes
    assert band.low.reserved_bytes < band.high.reserved_bytes


def test_the_json_of_a_prediction_has_all_that_it_says() -> None:
    prediction = predicted(TRAINING, 4)
    plain = json.loads(to_json(prediction))
    phases = [
        PhaseMemory(
            step=point["step"],
            phase=Phase(point["phase"]),
            peak=_levels(point, "peak"),
            end=_levels(point, "end"),
        )
        for point in plain.pop("timeline")
    ]
    assert tuple(phases) == prediction.phases
    assert plain["allocator"].pop("kind") == prediction.allocator
    assert plain.pop("allocator") == {"roundup_power2_divisions": 0, "max_split_bytes": None}
    assert plain.pop("total") == {
        "activation_bytes": prediction.activation_bytes,
        "at_peak_bytes": prediction.peak.allocated_bytes,
    }
    same: dict[str, Any] = {"allocator": prediction.allocator.value, "phases": []}
    assert from_plain(MemoryResult, plain | same) == replace(prediction, phases=())
    assert list(to_plain(prediction)) == [
        "model",
        "title",
        "recipe",
        "rows",
        "total",
        "peak",
        "band",
        "at_peak",
        "activation_bytes",
        "layers",
        "timeline",
        "allocator",
        "calibrated_on",
        "torch",
    ]


def _levels(point: Mapping[str, Any], which: str) -> Levels:
    names = Levels.__dataclass_fields__
    return Levels(**{name: point[f"{which}_{name}"] for name in names})
