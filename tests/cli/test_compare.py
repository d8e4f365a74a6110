"""`resprof compare` as a user types it, on run files that a script wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from resprof.cli.main import main
from tests.factories import ON_GPU, simple, with_gpu, with_torch, written


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, str]:
    scripts = {
        "before": simple(0.01),
        "same": simple(0.01001),
        "slow": simple(0.0105),
        "h100": simple(0.01, environment=ON_GPU),
        "a100": simple(0.02, environment=with_gpu("NVIDIA A100-SXM4-80GB")),
        "newer": simple(0.0102, environment=with_torch("9.9.9")),
    }
    return {name: str(written(tmp_path / f"{name}.jsonl", run)) for name, run in scripts.items()}


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["compare", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_gate_that_nothing_fails_says_so(
    runs: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, err = _run(capsys, runs["before"], runs["same"], "--fail-on", "slower:2%")
    assert err.splitlines()[-1] == "passed"
    _, _, err = _run(capsys, runs["before"], runs["same"], "--fail-on", "energy:5%")
    assert err.splitlines()[-1] == "passed; inconclusive or missing: 1"


@pytest.mark.parametrize(
    ("candidate", "options", "code"),
    [
        ("slow", [], 0),
        ("slow", ["--fail-on", "slower:2%"], 1),
        ("slow", ["--fail-on", "slower:20%"], 0),
        ("same", ["--fail-on", "slower:2%,memory:5%"], 0),
        ("same", ["--fail-on", "energy:5%"], 0),
        ("same", ["--fail-on", "energy:5%", "--strict"], 1),
    ],
)
def test_the_exit_code_answers_what_was_asked(
    runs: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    candidate: str,
    options: list[str],
    code: int,
) -> None:
    found, _, err = _run(capsys, runs["before"], runs[candidate], *options)
    assert found == code
    assert ("failed: " in err) is (code == 1)


def test_devices_stand_side_by_side_and_are_no_regression(
    runs: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = _run(capsys, runs["h100"], runs["a100"])
    assert code == 0
    assert not any(verdict in out for verdict in ("FASTER", "SLOWER", "SAME", "INCONCLUSIVE"))
    assert "A100" in out
    code, _, err = _run(capsys, runs["h100"], runs["a100"], "--fail-on", "slower:2%")
    assert code == 2
    assert "needs runs of one device" in err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["{before}", "{before}"], "once"),
        (["{before}", "{slow}", "--fail-on", "faster"], "slower"),
        (["{before}", "{slow}", "--fail-on", "slower"], "slower:2%"),
        (["{before}", "{slow}", "--fail-on", "slower:2"], "percentage"),
        (["{before}", "{slow}", "--strict"], "--fail-on"),
        (["{before}", "--fail-on", "slower:2%"], "another run"),
        (["{folder}"], "run file"),
        (["{folder}/none.jsonl"], "run file"),
        (["{folder}/notes.txt"], "run file"),
        (["{folder}/empty.jsonl"], "bench"),
        (["{folder}/old.jsonl"], "resprof that wrote it"),
        (["{before}", "-o", "{before}", "--format", "json", "--force"], "-o"),
    ],
)
def test_bad_input_gets_two_lines_and_exit_code_2(
    runs: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    word: str,
) -> None:
    (tmp_path / "notes.txt").write_text("buy milk\n")
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "old.jsonl").write_text('{"schema":1,"record":"result"}\n')
    before = Path(runs["before"]).read_text()
    filled = [each.format(folder=tmp_path, **runs) for each in arguments]
    code, out, err = _run(capsys, *filled)
    assert (code, out) == (2, "")
    error, hint = err.splitlines()
    assert error.startswith("error: ")
    assert word in hint
    assert Path(runs["before"]).read_text() == before


def test_no_torch_numpy_or_pandas_is_loaded(runs: dict[str, str]) -> None:
    script = (
        "import sys; from resprof.cli.main import main; code = main(sys.argv[1:]); "
        "print(sorted({'torch', 'pandas', 'numpy'} & set(sys.modules)), file=sys.stderr); "
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "compare", runs["before"], runs["slow"]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "[]\n"
