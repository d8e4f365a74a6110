"""`resprof doctor` as a user types it, on machines with much or nothing of what it looks for."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from resprof.answers.doctor.findings import DoctorResult, Finding, Severity
from resprof.answers.doctor.tables import doctor_tables, findings_table
from resprof.codec import from_plain
from resprof.model.environment import Environment, HostState
from resprof.render.page import tables_html
from resprof.render.terminal import Screen, terminal
from tests.factories import ON_CPU, UNKNOWN_HOST
from tests.measure.fake_torch import install

BLOCKED = ("pandas", "jinja2", "altair", "fvcore", "torchvision")
"""What a lab's GPU node lacks."""


def doctor(
    folder: Path, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs the command with the modules of the folder before all others."""
    for name in BLOCKED:
        (folder / f"{name}.py").write_text(f"raise ModuleNotFoundError({name!r})")
    return subprocess.run(
        [sys.executable, "-m", "resprof", "doctor", *arguments],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(folder), **(environment or {})},
        check=False,
    )


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert (done.returncode, done.stderr) == (0, "")
    parsed: dict[str, Any] = json.loads(done.stdout)
    assert list(parsed) == ["schema", "command", "results", "environment", "notes"]
    assert parsed["command"] == "doctor"
    (result,) = parsed["results"]
    assert list(result) == ["model", "recipe", "rows", "total", "host", "failure"]
    return parsed


def missing(folder: Path, *modules: str) -> None:
    for name in modules:
        (folder / f"{name}.py").write_text(f"raise ModuleNotFoundError({name!r})")


def test_a_machine_without_torch_or_pynvml_is_described(tmp_path: Path) -> None:
    missing(tmp_path, "torch", "pynvml")
    parsed = answer(doctor(tmp_path, "--json"))
    rows = parsed["results"][0]["rows"]
    assert rows[0]["code"] == "torch-missing"
    assert rows[0]["severity"] == "blocks"
    assert "ModuleNotFoundError" in parsed["results"][0]["failure"]
    assert parsed["environment"]["torch"] is None
    assert parsed["environment"]["machine"]["cores"]
    from_plain(Environment, parsed["environment"])
    from_plain(HostState, parsed["results"][0]["host"])


def test_a_machine_with_a_gpu_is_described(tmp_path: Path) -> None:
    install(tmp_path)
    parsed = answer(doctor(tmp_path, "--json"))
    environment = parsed["environment"]
    assert environment["gpu"]["name"] == "NVIDIA H100 80GB HBM3"
    assert environment["nvml"]["state"] == "available"
    assert environment["nvml"]["settings"]["name"] == environment["gpu"]["name"]
    severities = {row["code"]: row["severity"] for row in parsed["results"][0]["rows"]}
    assert severities["gpu-processes"] == "spoils"
    assert {"mig", "power-limit", "persistence", "compute-mode", "ecc"} <= set(severities)
    fixes = {row["code"]: row["fix"] for row in parsed["results"][0]["rows"]}
    assert fixes["power-limit"] == "sudo nvidia-smi -i 00000000:41:00.0 -pl 700"


def test_the_table_says_the_machine_then_what_spoils_then_what_to_type(tmp_path: Path) -> None:
    install(tmp_path)
    done = doctor(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    words = ("This machine", "NVIDIA H100", "What makes benchmarks noisy", "spoils", "-pl 700")
    places = [done.stdout.index(word) for word in words]
    assert places == sorted(places)


def test_csv_has_a_row_for_each_finding(tmp_path: Path) -> None:
    install(tmp_path)
    rows = list(csv.DictReader(io.StringIO(doctor(tmp_path, "--csv").stdout)))
    assert list(rows[0]) == [field.name for field in fields(Finding)]
    assert "gpu-processes" in {row["code"] for row in rows}


def test_a_file_is_written_whole_and_not_over_another(tmp_path: Path) -> None:
    install(tmp_path)
    file = tmp_path / "machine.md"
    done = doctor(tmp_path, "-o", str(file))
    assert (done.returncode, done.stdout) == (0, "")
    assert "NVIDIA H100" in file.read_text()
    assert doctor(tmp_path, "-o", str(file)).returncode == 2
    assert doctor(tmp_path, "-o", str(file), "--force").returncode == 0


def test_an_ascii_stream_and_an_empty_environment_are_enough(tmp_path: Path) -> None:
    install(tmp_path)
    done = doctor(tmp_path, environment={"PYTHONIOENCODING": "ascii", "PATH": "", "HOME": ""})
    assert done.returncode == 0
    assert done.stdout.isascii()


def test_the_parent_loads_neither_torch_nor_pynvml(tmp_path: Path) -> None:
    for name in ("torch", "pynvml"):
        text = "import sys; assert '--json' not in sys.argv, 'loaded by the command itself'"
        (tmp_path / f"{name}.py").write_text(text)
    assert doctor(tmp_path, "--json").returncode == 0


MANY = tuple(
    Finding(
        code=f"a-finding-{number}",
        severity=severity,
        message="What it is, in a sentence or two that are long enough to be wrapped anywhere.",
        fix="sudo nvidia-smi -i 00000000:41:00.0 -pl 700" if number % 2 else None,
    )
    for number, severity in enumerate(Severity)
)


def examined(rows: tuple[Finding, ...]) -> tuple[Environment, DoctorResult]:
    machine = replace(
        ON_CPU.machine, cpu_model=None, system="A system with a name of some length", load=None
    )
    environment = replace(ON_CPU, resprof=None, machine=machine, torch=None)
    return environment, DoctorResult(rows=rows, host=UNKNOWN_HOST, failure="torch cannot be loaded")


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_tables_fit_a_narrow_screen_and_cut_no_command(width: int, ascii_only: bool) -> None:
    screen = Screen(width=width, ascii=ascii_only)
    texts = [terminal(table, screen) for table in doctor_tables(*examined(MANY))]
    assert len(texts) == 3
    for text in texts[:2]:
        assert max(len(line) for line in text.splitlines()) <= width
    for finding in MANY:
        assert finding.code in texts[1]
        if finding.fix:
            assert f"{finding.fix}\n" in texts[2]
    if ascii_only:
        assert all(text.isascii() for text in texts)


def test_a_machine_without_findings_says_so() -> None:
    (table,) = doctor_tables(*examined(()))
    assert "Found nothing" in terminal(table, Screen())
    assert findings_table(examined(())[1]).rows == ()
    assert "Found nothing" in tables_html([table], title="resprof doctor")
