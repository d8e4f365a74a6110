"""The main job: what is committed is what it writes, and nothing of anybody else is replaced."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

from resprof.answers.bench import launches
from resprof.answers.report import report
from resprof.answers.report.content import (
    Predicted,
    counted,
    measured_device,
    predicted,
    workloads,
)
from resprof.answers.report.exhibits import (
    counted_exhibits,
    measured_exhibits,
    predicted_exhibits,
)
from resprof.answers.report.folder import MANIFEST, ReportFolder, manifest_text
from resprof.answers.report.report import write_report
from resprof.counting.cost import count
from resprof.errors import EnvironmentMissing, UsageError
from resprof.measure.run import Outcome
from resprof.measure.run_file import read_run
from resprof.model.environment import Environment
from resprof.model.networks import resolve, variants
from resprof.render.document import Exhibit
from resprof.render.formats import forms
from tests.answers.bench.stand_in import ScriptedChild, quiet
from tests.factories import environment_of

REPORTS = Path(__file__).parents[3] / "reports"
TEXTS = (".csv", ".json", ".md")
"""Pictures depend on the renderer's version, and are made of what these hold."""
PREDICTED_WITH = "2.13."


@cache
def _of_one_network() -> Predicted:
    return predicted(["resnet18"])


@pytest.fixture(autouse=True)
def _small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictions of one network, made once, and no pictures; but for what is committed."""
    if "committed" not in request.node.name:
        monkeypatch.setattr(report, "predicted", lambda *_, **__: _of_one_network())
        monkeypatch.setattr(report, "is_available", lambda: False)


def _texts(exhibits: Iterable[Exhibit]) -> dict[str, str]:
    """What the exhibits' files hold, but for pictures."""
    return {name: text for each in exhibits for name, text in forms(each, drawn=True).items()}


@cache
def counted_files() -> dict[str, str]:
    return _texts(counted_exhibits(counted()))


@pytest.mark.parametrize("name", counted_files())
def test_the_committed_counts_are_what_the_tool_writes(name: str) -> None:
    assert (REPORTS / name).read_text(encoding="utf-8") == counted_files()[name]


def test_the_committed_measurements_are_made_from_the_committed_runs() -> None:
    listed = json.loads((REPORTS / MANIFEST).read_text())["files"]
    measured = [name for name in listed if name.startswith("measured/") and name.endswith(TEXTS)]
    assert measured
    texts: dict[str, str] = {}
    for run_file in sorted((REPORTS / "runs").glob("*.jsonl")):
        texts |= _texts(measured_exhibits(measured_device(read_run(run_file))))
    for name in measured:
        assert (REPORTS / name).read_text(encoding="utf-8") == texts[name]


@pytest.mark.slow
def test_the_committed_predictions_are_what_the_tool_writes() -> None:
    if not metadata.version("torch").startswith(PREDICTED_WITH):
        pytest.skip(
            f"a prediction is of the torch that is installed, these are of {PREDICTED_WITH}"
        )
    for name, text in _texts(predicted_exhibits(predicted())).items():
        assert (REPORTS / name).read_text(encoding="utf-8") == text


def test_every_file_of_the_manifest_is_committed_and_nothing_else() -> None:
    listed = set(json.loads((REPORTS / MANIFEST).read_text())["files"])
    files = (file for file in REPORTS.rglob("*") if file.is_file())
    names = {file.relative_to(REPORTS).as_posix() for file in files}
    assert {name for name in names if not name.startswith("runs/")} == listed


def test_the_stage_table_adds_up_to_the_networks() -> None:
    rows = list(csv.DictReader(io.StringIO(counted_files()["stages.csv"])))
    for name in variants():
        macs = sum(int(row["macs"]) for row in rows if row["model"] == name)
        assert macs == count(resolve(name)).total.macs


def test_no_cell_is_cut() -> None:
    for text in counted_files().values():
        assert "\N{HORIZONTAL ELLIPSIS}" not in text


def odd_environment(*_: object) -> Environment:
    """A machine whose name is no name for a folder, nor for a page."""
    here = environment_of()
    name = "A <script> CPU / with ../ in its name"
    return replace(here, machine=replace(here.machine, cpu_model=name))


@pytest.fixture
def _no_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every configuration fails, which is a result too."""
    child = ScriptedChild(becomes=lambda _: Outcome.FAILED, environment=odd_environment)
    monkeypatch.setattr(launches, "run_child", child)
    monkeypatch.setattr(launches, "probe_environment", odd_environment)
    monkeypatch.setattr(launches, "host_state", quiet)


@pytest.mark.usefixtures("_no_measuring")
def test_a_second_report_replaces_its_own_files_only(tmp_path: Path) -> None:
    first = write_report(tmp_path)
    (tmp_path / "networks.md").write_text("touched")
    foreign = tmp_path / "mine.txt"
    foreign.write_text("mine")
    write_report(tmp_path)
    assert (tmp_path / "networks.md").read_text() == counted_files()["networks.md"]
    assert foreign.read_text() == "mine"
    on_disk = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert set(first.files) <= on_disk
    assert set(json.loads((tmp_path / MANIFEST).read_text())["files"]) == set(first.files)


@pytest.fixture
def _whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is missing from the report: it can be drawn, though it is not."""
    monkeypatch.setattr(report, "is_available", lambda: True)
    monkeypatch.setattr(report, "svg", lambda _: "<svg></svg>")
    monkeypatch.setattr(report, "png", lambda _: b"png")


def _outdated(folder: Path) -> Path:
    """A file that only an earlier report wrote."""
    old = folder / "measured" / "an-older-gpu" / "measured.csv"
    old.parent.mkdir()
    old.write_text("old")
    ReportFolder.opened(folder, force=False).claimed(["measured/an-older-gpu/measured.csv"])
    return old


@pytest.mark.usefixtures("_no_measuring", "_whole")
def test_what_only_an_earlier_report_wrote_is_removed(tmp_path: Path) -> None:
    write_report(tmp_path)
    old = _outdated(tmp_path)
    run_files = set((tmp_path / "runs").iterdir())
    assert run_files
    again = write_report(tmp_path, measure=False)
    assert not old.parent.exists()
    assert "removed files of an earlier report: 1 file" in again.notes
    assert set((tmp_path / "runs").iterdir()) == run_files
    assert set(json.loads((tmp_path / MANIFEST).read_text())["files"]) == set(again.files)


@pytest.mark.usefixtures("_no_measuring", "_whole")
@pytest.mark.parametrize("lacking", ["predictions", "charts", "a run"])
def test_a_report_that_is_not_whole_removes_nothing(
    tmp_path: Path, lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(tmp_path)
    old = _outdated(tmp_path)

    def no_torch(*_: object, **__: object) -> Predicted:
        raise EnvironmentMissing("torch is not installed", hint="install it")

    if lacking == "predictions":
        monkeypatch.setattr(report, "predicted", no_torch)
    elif lacking == "charts":
        monkeypatch.setattr(report, "is_available", lambda: False)
    else:
        (tmp_path / "runs" / "20200101T000000Z.jsonl").write_text("cut")
    again = write_report(tmp_path, measure=False)
    assert again.notes
    assert old.read_text() == "old"
    known = json.loads((tmp_path / MANIFEST).read_text())["files"]
    assert {"measured/an-older-gpu/measured.csv", *again.files} <= set(known)


@pytest.mark.usefixtures("_no_measuring")
def test_a_foreign_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "networks.md").write_text("mine")
    with pytest.raises(UsageError, match=r"networks\.md"):
        write_report(tmp_path)
    assert (tmp_path / "networks.md").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["networks.md"]
    write_report(tmp_path, force=True)
    assert (tmp_path / "networks.md").read_text() != "mine"


@pytest.mark.usefixtures("_no_measuring")
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("link", ["paper.csv", "charts", "measured", "runs", MANIFEST])
def test_a_link_is_refused_before_anything_is_written(
    tmp_path: Path, link: str, force: bool
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / link).symlink_to(elsewhere)
    if link != MANIFEST:
        (folder / MANIFEST).write_text(manifest_text([link, MANIFEST]))
    with pytest.raises(UsageError, match="is a link"):
        write_report(folder, force=force)
    assert list(elsewhere.iterdir()) == []
    assert {path.name for path in folder.iterdir()} == {link, MANIFEST}


@pytest.mark.usefixtures("_no_measuring")
def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(UsageError, match="not a folder"):
        write_report(file)
    assert file.read_text() == "mine"


@pytest.mark.usefixtures("_no_measuring")
def test_what_failed_is_reported_as_such(tmp_path: Path) -> None:
    report = write_report(tmp_path)
    (table,) = tmp_path.glob("measured/*/measured.csv")
    asked = [workload.text for workload in workloads(quick=False)]
    assert [result.key for result in report.failed] == asked
    assert {row["outcome"] for row in csv.DictReader(table.open())} == {"failed"}


@pytest.mark.usefixtures("_no_measuring")
def test_a_report_that_cannot_measure_leaves_no_empty_run_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_torch(_: str | None) -> Environment:
        raise EnvironmentMissing("no torch", hint="install it")

    monkeypatch.setattr(launches, "probe_environment", no_torch)
    with pytest.raises(EnvironmentMissing):
        write_report(tmp_path)
    assert not list(tmp_path.glob("runs/*"))
    assert (tmp_path / "networks.md").exists()


@pytest.mark.usefixtures("_no_measuring")
def test_a_folder_for_runs_that_takes_none_is_found_out_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(UsageError) as caught:
        write_report(tmp_path)
    assert "--out" in caught.value.hint
    assert [entry.name for entry in tmp_path.iterdir()] == ["runs"]


@pytest.mark.usefixtures("_no_measuring")
def test_two_reports_of_one_second_have_a_run_file_each(tmp_path: Path) -> None:
    files = {write_report(tmp_path).run_file for _ in range(3)}
    assert len(files) == 3


@pytest.mark.usefixtures("_no_measuring")
def test_a_devices_name_stays_inside_the_folder(tmp_path: Path) -> None:
    write_report(tmp_path)
    (folder,) = (tmp_path / "measured").iterdir()
    assert folder.name == "a-script-cpu-with-in-its-name"
    assert "<script>" not in (tmp_path / "index.md").read_text().replace("\\<", "")


def start(folder: Path) -> subprocess.Popen[str]:
    """A real report, once its first round has been measured."""
    process = subprocess.Popen(
        [sys.executable, "-m", "resprof", "report", "--quick", "--out", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any('"record":"round"' in f.read_text() for f in folder.glob("runs/*.jsonl")):
            return process
        time.sleep(0.05)
    process.kill()
    raise AssertionError("no round within a minute")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_keeps_what_was_measured(
    tmp_path: Path, number: signal.Signals, code: int, request: pytest.FixtureRequest
) -> None:
    process = start(tmp_path)
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert out == ""
    assert len(err.splitlines()) == 2
    (run_file,) = tmp_path.glob("runs/*.jsonl")
    assert '"record":"round"' in run_file.read_text()
    assert (tmp_path / "networks.csv").exists()
    assert not list(tmp_path.rglob(".*"))
    request.getfixturevalue("_no_measuring")
    write_report(tmp_path)  # what was written before the interrupt does not stand in the way
    assert len(list(tmp_path.glob("runs/*.jsonl"))) == 2


@pytest.mark.slow
def test_a_real_report_measures_and_says_what_it_wrote(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "resprof", "report", "--quick", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert str(tmp_path / "index.md") in done.stdout.splitlines()[-1]
    (table,) = tmp_path.glob("measured/*/measured.csv")
    rows = list(csv.DictReader(table.open()))
    assert [row["metric"] for row in rows] == ["latency", "throughput"] * 3
    assert {row["outcome"] for row in rows} == {"measured"}
    for row in rows:
        figure = {"latency": "latency_median_s", "throughput": "throughput_images_per_s"}
        assert float(row[figure[row["metric"]]]) > 0
    one, eight, training = (int(row["activation_bytes"]) for row in rows[::2])
    assert eight == 8 * one
    assert training > eight  # four images, all of whose maps are kept


@pytest.mark.usefixtures("_no_measuring")
def test_a_run_that_cannot_be_trusted_is_left_out_and_named(tmp_path: Path) -> None:
    committed = sorted((REPORTS / "runs").glob("*.jsonl"))[0].read_text()
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / "20200101T000000Z.jsonl").write_text(committed)
    (runs / "20210101T000000Z-twice.jsonl").write_text(committed * 2)
    (runs / "20220101T000000Z-bare.jsonl").write_text(committed.partition("\n")[2])
    (runs / "20230101T000000Z-empty.jsonl").write_text("")
    report = write_report(tmp_path, measure=False)
    for name, why in (("twice", "twice"), ("bare", "environment"), ("empty", "nothing")):
        (note,) = [each for each in report.notes if f"{name}.jsonl" in each]
        assert why in note
    assert report.measured is not None
    assert (runs / "20210101T000000Z-twice.jsonl").read_text() == committed * 2
