"""Measuring on the device: what is in the records, never what a time is worth."""

from __future__ import annotations

import json
import sysconfig
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from resprof import __version__
from tests.simulated_gpu.program import LIMIT_S, SimulatedDevice, kill

MIB, GIB = 2**20, 2**30
NAME = "Simulated CUDA device"
WATTS, SM_HZ, CAPPED_SHARE = 342.123, 1.755e9, 0.25
"""See device/nvml.cpp."""
KERNEL_S = 20e-6
CONTEXT = 528 * MIB
TRAINING = ("resnet18", "--mode", "train")


class Bench:
    """The answer of `resprof bench` and its run file; the first result, and its latency row."""

    def __init__(
        self,
        device: SimulatedDevice,
        run: Path,
        *options: str,
        codes: tuple[int, ...] = (0,),
        **settings: Any,
    ) -> None:
        command: tuple[str | Path, ...] = ("bench", *options, "--time-limit", "1s", "--run", run)
        self.answer = device.answer(*command, codes=codes, **settings)
        self.results: list[Any] = self.answer["results"]
        self.records = [json.loads(line) for line in run.read_text().splitlines()]
        self.first = self.results[0]
        self.latency, self.rate = self.first["rows"][:2]

    def of(self, kind: str) -> list[Any]:
        """The run file's records of that kind."""
        return [record for record in self.records if record["record"] == kind]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def eager(device: SimulatedDevice, folder: Path) -> Bench:
    options = ("cifar-resnet20", "--batch", "2", "--stages")
    return Bench(device, folder / "eager.jsonl", *options)


@pytest.fixture(scope="module")
def graph(device: SimulatedDevice, folder: Path) -> Bench:
    options = ("cifar-resnet20", "--batch", "2", "--engine", "graph", "--no-energy")
    return Bench(device, folder / "graph.jsonl", *options)


@pytest.fixture(scope="module")
def training(device: SimulatedDevice, folder: Path) -> Bench:
    options = ("--batch", "2", "--precision", "amp-fp16", "--stages", "--no-energy")
    return Bench(device, folder / "training.jsonl", *TRAINING, *options)


def test_eager_inference_is_measured(eager: Bench) -> None:
    assert eager.first["outcome"] == "measured"
    assert eager.first["device"] == "cuda"
    assert eager.latency["launches"] == 1
    assert eager.latency["latency_median_s"] > 50 * KERNEL_S
    assert eager.latency["process_peak_bytes"] == CONTEXT + eager.latency["peak_reserved_bytes"]
    assert len(eager.of("launch end")) == 1
    assert eager.rate["throughput_images_per_s"] > 0


def test_the_record_says_that_the_device_is_simulated(eager: Bench) -> None:
    environments = [eager.answer["environment"], *eager.of("environment")]
    assert {each["gpu"]["name"] for each in environments} == {NAME}
    assert {each["nvml"]["settings"]["name"] for each in environments} == {NAME}
    assert {each["torch"]["version"].partition("+")[2] for each in environments} == {"cu130"}


@pytest.mark.xfail(strict=True, reason="a record has no version where resprof is not installed")
def test_the_record_says_which_resprof(eager: Bench) -> None:
    assert __version__ in str(eager.of("environment")[0]["resprof"])


def test_stages_add_up_to_the_call(eager: Bench) -> None:
    parts = [part for part in eager.first["parts"] if part["stage"] is not None]
    assert [part["stage"] for part in parts] == ["conv1", "conv2_x", "conv3_x", "conv4_x", "fc"]
    assert sum(part["share"] for part in parts) == pytest.approx(1)
    assert all(part["time_s"] > KERNEL_S for part in parts)


def test_activations_are_the_predicted_ones(eager: Bench) -> None:
    assert eager.first["activations"]
    for stage in eager.first["activations"]:
        assert stage["measured_bytes"] == stage["predicted_bytes"], stage


def test_telemetry_is_the_cards(eager: Bench) -> None:
    assert eager.latency["sm_clock_hz"] == SM_HZ
    shares = {each["policy"]: each["share"] for each in eager.latency["throttled"]}
    # The counter moves every 0.1 s, of which a round that it divides may see one step more or less.
    rounds = [each for each in eager.of("round") if each["metric"] == "latency"]
    steps = sum(sum(each["wall_s"]) for each in rounds) / len(rounds) / 0.1
    assert shares.pop("power") == pytest.approx(CAPPED_SHARE, abs=1 / steps)
    assert set(shares.values()) == {0}
    assert "throttled" in eager.latency["flags"]
    for window in eager.of("energy window"):
        assert window["energy_j"] / window["seconds"] == pytest.approx(WATTS, rel=0.05)


def test_a_graph_is_one_launch(graph: Bench, eager: Bench) -> None:
    assert graph.first["outcome"] == "measured"
    # Its nodes take half as long as kernels do, and there is no other work.
    nodes = graph.latency["latency_median_s"] / (KERNEL_S / 2)
    assert nodes == pytest.approx(round(nodes), abs=2)
    assert nodes > 50
    assert graph.latency["latency_median_s"] < eager.latency["latency_median_s"]
    assert graph.latency["issue_share"] < 0.5


def test_a_training_step_is_measured(training: Bench) -> None:
    assert training.first["outcome"] == "measured"
    phases = [part["phase"] for part in training.first["parts"]]
    assert {"forward", "backward", "optimizer"} <= set(phases)
    measured = {each["stage"]: each["measured_bytes"] for each in training.first["activations"]}
    predicted = {each["stage"]: each["predicted_bytes"] for each in training.first["activations"]}
    del measured["loss"], predicted["loss"]
    assert measured == predicted
    assert len(measured) == 6


@pytest.mark.xfail(strict=True, reason="the loss under CUDA autocast is traced as on the CPU")
def test_the_loss_under_autocast(training: Bench) -> None:
    (loss,) = (each for each in training.first["activations"] if each["stage"] == "loss")
    assert loss["measured_bytes"] == loss["predicted_bytes"]


@pytest.mark.xfail(strict=True, reason="GradScaler synchronises, and the step is launch-bound")
def test_a_step_that_synchronises_has_no_issue_share(training: Bench) -> None:
    assert training.latency["issue_share"] is None


@pytest.mark.slow
@pytest.mark.skipif(
    not (Path(sysconfig.get_path("include")) / "Python.h").exists(),
    reason="inductor and Triton compile against Python.h, which is not installed",
)
def test_compiled_inference(device: SimulatedDevice, tmp_path: Path) -> None:
    options = ("cifar-resnet8", "--batch", "2", "--engine", "compile", "--no-energy")
    found = Bench(device, tmp_path / "compile.jsonl", *options)
    assert found.first["outcome"] == "measured"
    assert found.first["first_call_s"] > 100 * found.latency["latency_median_s"]


def test_out_of_memory_is_recorded_and_halved(device: SimulatedDevice, tmp_path: Path) -> None:
    options = ("--batch", "256", "--on-oom", "halve", "--no-energy")
    found = Bench(
        device, tmp_path / "halved.jsonl", *TRAINING, *options, memory_bytes=4 * GIB, kernel_ns=1000
    )
    outcomes = [(each["recipe"]["batch"], each["outcome"]) for each in found.results]
    assert outcomes == [(256, "out of memory"), (128, "measured")]
    assert found.results[1]["halved_from"] == 256
    assert "4.00 GiB" in found.first["message"]


def test_out_of_memory_in_a_capture(device: SimulatedDevice, tmp_path: Path) -> None:
    options = ("resnet18", "--batch", "2", "--engine", "graph", "--no-energy")
    found = Bench(
        device,
        tmp_path / "capture.jsonl",
        *options,
        memory_bytes=CONTEXT + 172 * MIB,
        cudnn_workspace=0,
    )
    assert found.first["outcome"] == "out of memory"
    assert "in private pools" in found.first["message"]


@pytest.mark.xfail(strict=True, reason="an engine that is not found is a failure, not memory's end")
def test_out_of_memory_in_a_workspace(device: SimulatedDevice, tmp_path: Path) -> None:
    options = ("resnet18", "--batch", "2", "--no-energy")
    found = Bench(
        device, tmp_path / "workspace.jsonl", *options, codes=(0, 4), cudnn_workspace=100 * GIB
    )
    assert "unable to find an engine" in found.first["message"]
    assert found.first["outcome"] == "out of memory"


def test_a_run_goes_on_after_a_kill(device: SimulatedDevice, tmp_path: Path) -> None:
    run = tmp_path / "killed.jsonl"
    command = ("bench", "cifar-resnet8", "--batch", "2", "--launches", "2", "--no-energy")
    timed = (*command, "--time-limit", "1s", "--run", run)
    process = device.start(*timed)
    deadline = time.monotonic() + LIMIT_S
    while not (run.exists() and '"record":"launch end"' in run.read_text()):
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    kill(process)
    left = run.read_bytes()
    (found,) = device.answer(*timed, "--resume")["results"]
    assert found["outcome"] == "measured"
    assert found["rows"][0]["launches"] == 2
    whole = left[: left.rindex(b"\n") + 1]
    assert run.read_bytes().startswith(whole)
    records = [json.loads(line) for line in run.read_text().splitlines()]
    ended = [record["launch"] for record in records if record["record"] == "launch end"]
    assert len(ended) == 2
    assert all(first < second for first, second in pairwise(ended))


@pytest.mark.xfail(strict=True, reason="what NVML does not answer once is taken for another device")
def test_a_field_that_is_unknown_once_does_not_stop_a_run(
    device: SimulatedDevice, tmp_path: Path
) -> None:
    command = ("bench", "cifar-resnet8", "--batch", "2", "--metric", "latency", "--no-energy")
    timed = (*command, "--time-limit", "1s", "--run", tmp_path / "run.jsonl")
    device.resprof(*timed, nvml_unsupported="EccMode")
    device.resprof(*timed, "--launches", "2", "--resume")
