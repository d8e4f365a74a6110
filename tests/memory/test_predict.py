from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resprof.codec import from_plain, to_json
from resprof.errors import Note
from resprof.memory.overlay import CONTEXT, default_overlay, extremes, overlaid
from resprof.memory.prediction import MemoryPrediction, peak_memory, predict
from resprof.memory.replay import flatten
from resprof.memory.rules import AllocatorKind, AllocatorSettings
from resprof.memory.trace import Role
from resprof.model.recipe import Phase
from tests.memory.memory_traces import inference, training

TRAINING, INFERENCE = training(), inference()
OVERLAY = default_overlay((9, 0))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 2000), st.sampled_from(AllocatorKind), st.booleans())
def test_parts_add_up(batch: int, kind: AllocatorKind, trains: bool) -> None:
    trace = TRAINING if trains else INFERENCE
    prediction = predict(trace, batch, OVERLAY, AllocatorSettings(kind=kind))
    peak = prediction.peak
    assert peak.requested_bytes <= peak.allocated_bytes <= peak.reserved_bytes
    assert peak.process_bytes == peak.reserved_bytes + CONTEXT
    assert sum(part.bytes for part in prediction.at_peak) == peak.allocated_bytes
    assert sum(row.at_peak_bytes for row in prediction.rows) == peak.allocated_bytes
    points = prediction.timeline
    assert max(point.peak_requested_bytes for point in points) == peak.requested_bytes
    assert max(point.peak_allocated_bytes for point in points) == peak.allocated_bytes
    assert max(point.peak_reserved_bytes for point in points) == peak.reserved_bytes
    low, high = prediction.band.low, prediction.band.high
    assert low.process_bytes < peak.process_bytes < high.process_bytes
    assert low.requested_bytes <= peak.requested_bytes <= high.requested_bytes
    assert low.allocated_bytes <= peak.allocated_bytes <= high.allocated_bytes
    assert low.reserved_bytes <= peak.reserved_bytes <= high.reserved_bytes
    stream = flatten(overlaid(trace, OVERLAY))
    quick = peak_memory(stream, batch, AllocatorSettings(kind=kind), context_bytes=CONTEXT)
    assert quick == peak


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_activations_of_training_are_what_is_kept_at_the_end_of_forward(batch: int) -> None:
    """Two maps and a mean for each layer, two layers a stage, half the map in each stage."""
    prediction = predict(TRAINING, batch, OVERLAY)
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
    prediction = predict(INFERENCE, 8, OVERLAY)
    maps = [8 * 802_816 // 2**place for place in range(4)]
    expected = [2 * maps[0], maps[0] + maps[1], maps[1] + maps[2], maps[2] + maps[3]]
    assert [row.activation_bytes for row in prediction.rows] == [*expected, 0]
    assert prediction.activation_bytes == 2 * maps[0]


def test_what_is_live_at_the_peak_of_a_large_batch() -> None:
    """At the start of backward in step 2: momentum is there, gradients are not."""
    prediction = predict(TRAINING, 256, OVERLAY)
    at_peak = {part.kind: part.bytes for part in prediction.at_peak}
    assert at_peak[Role.ACTIVATION] >= prediction.activation_bytes
    assert at_peak[Role.WORKSPACE] == 2 * 32 * 2**20
    assert Role.OPTIMIZER in at_peak
    assert Role.GRADIENT not in at_peak
    highest = max(prediction.timeline, key=lambda point: point.peak_allocated_bytes)
    assert (highest.step, highest.phase) == (2, Phase.BACKWARD)


def test_the_timeline_goes_from_boundary_to_boundary() -> None:
    prediction = predict(TRAINING, 16, OVERLAY)
    phases = [(point.step, point.phase) for point in prediction.timeline]
    steps = [(step, phase) for step in (1, 2) for phase in list(Phase)[1:]]
    assert phases == [(0, Phase.SETUP), *steps]
    ends = [point.end_requested_bytes for point in prediction.timeline]
    assert ends[3] == ends[6]  # after either step: parameters, buffers, momentum, workspaces
    assert ends[3] > ends[0]
    for before, point in pairwise(prediction.timeline):
        assert point.peak_allocated_bytes >= before.end_allocated_bytes


def test_what_is_assumed_is_said() -> None:
    note = Note(code="loss", message="cross entropy")
    prediction = predict(TRAINING, 4, OVERLAY, assumptions=(note,))
    assert prediction.calibrated_on is None
    assert prediction.assumptions[0] == note
    codes = [assumption.code for assumption in prediction.assumptions]
    assert "uncalibrated" in codes
    assert len(set(codes)) == len(codes)
    calibrated = predict(TRAINING, 4, replace(OVERLAY, calibrated_on="NVIDIA Test"))
    messages = [assumption.message for assumption in calibrated.assumptions]
    assert "calibrated on NVIDIA Test" in messages
    assert calibrated.band.low == calibrated.peak


@pytest.mark.parametrize("batch", [1, 32, 314])
def test_the_band_spans_both_extremes_and_the_prediction(batch: int) -> None:
    prediction = predict(TRAINING, batch, OVERLAY)
    low, high = extremes(OVERLAY)
    reserved = [prediction.peak.reserved_bytes]
    for extreme in (low, high):
        stream = flatten(overlaid(TRAINING, extreme))
        reserved.append(peak_memory(stream, batch, context_bytes=0).reserved_bytes)
    band = prediction.band
    assert (band.low.reserved_bytes, band.high.reserved_bytes) == (min(reserved), max(reserved))
    assert band.low.process_bytes == min(reserved) + low.context_bytes
    assert band.high.process_bytes == max(reserved) + high.context_bytes
    assert band.low.reserved_bytes < band.high.reserved_bytes


def test_a_prediction_survives_json() -> None:
    prediction = predict(TRAINING, 4, OVERLAY)
    assert from_plain(MemoryPrediction, json.loads(to_json(prediction))) == prediction
