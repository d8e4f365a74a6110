"""Commands as a user types them: results on stdout, two lines of error on stderr, exit codes."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resprof.cli.commands import flops
from resprof.cli.main import COMMANDS as PROGRAM
from resprof.cli.main import main
from resprof.counting import witness, witness_fvcore
from resprof.counting.witness import WitnessCount, count_with_torch
from resprof.model.networks import variants

COMMANDS = ("list", "show", "flops", "paper")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, err = run(capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    parsed: dict[str, Any] = json.loads(out)
    assert list(parsed) == ["schema", "command", "results", "environment", "notes"]
    assert parsed["schema"] == 1
    assert parsed["command"] == arguments[0]
    assert isinstance(parsed["results"], list)
    return parsed


@pytest.mark.parametrize("per", ["stage", "block", "layer"])
@pytest.mark.parametrize("mode", ["infer", "train"])
def test_rows_add_up_to_the_total(capsys: pytest.CaptureFixture[str], per: str, mode: str) -> None:
    names = ["resnet50", "vgg16", "cifar-resnet20", "resnext50_32x4d"]
    parsed = answer(capsys, "flops", *names, "--per", per, "--mode", mode, "--batch", "3")
    assert [result["model"] for result in parsed["results"]] == names
    for result in parsed["results"]:
        for key in ("params", "macs", "flops", "forward_macs", "elements"):
            assert sum(row[key] for row in result["rows"]) == result["total"][key]
        assert sum(row["share"] for row in result["rows"]) == pytest.approx(1)
        assert result["total"]["flops"] == 2 * result["total"]["macs"]
        keys = {"stage", "output", "params", "macs"} | {per}
        assert keys <= set(result["rows"][0])


def test_the_papers_figure_stands_beside_ours(capsys: pytest.CaptureFixture[str]) -> None:
    results = answer(capsys, "flops", "resnet50", "resnet50-v1.5", "resnext50_32x4d")["results"]
    assert results[0]["paper"]["printed"] == "3.8"
    assert results[0]["paper"]["verdict"] == "matches by truncation"
    assert results[1]["paper"]["verdict"] == "differs"
    assert results[2]["paper"] is None
    assert answer(capsys, "flops", "resnet50", "--image", "160")["results"][0]["paper"] is None


@pytest.mark.parametrize("name", variants())
def test_every_variant_is_counted_and_shown(capsys: pytest.CaptureFixture[str], name: str) -> None:
    flops = answer(capsys, "flops", name)["results"][0]
    show = answer(capsys, "show", name)["results"][0]
    assert flops["total"]["macs"] == show["total"]["macs"]
    assert [row["stage"] for row in flops["rows"]] == [row["stage"] for row in show["rows"]]


def test_unique_shapes_add_up_to_the_network(capsys: pytest.CaptureFixture[str]) -> None:
    result = answer(capsys, "flops", "resnet152", "--unique")["results"][0]
    total = sum(shape["multiplicity"] * shape["macs_each"] for shape in result["unique"])
    assert total == result["total"]["macs"]
    assert len(result["unique"]) < 30


def test_reconcile_explains_every_figure_to_the_unit(capsys: pytest.CaptureFixture[str]) -> None:
    result = answer(capsys, "flops", "resnet50", "--reconcile")["results"][0]
    for figure in result["reconcile"]:
        terms = sum(term["amount"] for term in figure["terms"])
        assert figure["value"] == figure["per_mac"] * result["total"]["macs"] + terms
    _, out, _ = run(capsys, "flops", "resnet50", "--reconcile")
    assert "231,211,008" in out


def test_check_counts_again_and_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    parsed = answer(
        capsys, "flops", "resnext50_32x4d", "--image", "64", "--check", "--mode", "train"
    )
    checks = parsed["results"][0]["check"]
    assert [check["agrees"] for check in checks] == [True, True, None]
    assert all(check["macs"] for check in checks)


def test_paper_lists_claims_with_verdicts(capsys: pytest.CaptureFixture[str]) -> None:
    rows = answer(capsys, "paper")["results"][0]["rows"]
    assert all({"id", "printed", "ours", "verdict"} <= set(row) for row in rows)
    only = answer(capsys, "paper", "--only", "flops.table1")["results"][0]["rows"]
    assert [row["id"] for row in only] == [
        row["id"] for row in rows if row["id"].startswith("flops.table1.")
    ]
    assert len(only) == 5


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["flops", "resnet50", "--batch", "-1"], "1 to"),
        (["flops", "resnet50", "--batch", "9" * 5000], "1 to"),
        (["flops", "resnet50", "--image", "0"], "1 to"),
        (["flops", "resnet50", "--image", "-224"], "1 to"),
        (["flops", "resnet50", "--image", "a"], "1 to"),
        (["flops", "resnet50", "--image", "9" * 30], "1 to"),
        (["flops", "resnet50", "--width", "0.3"], "1/64"),
        (["flops", "resnet50", "--classes", "0"], "1 to"),
        (["flops", "resnet50", "--reconcile", "--per", "layer"], "leave it out"),
        (["flops", "resnet50", "--check", "--per", "stage"], "leave it out"),
        (["flops", "resnet50", "--unique", "--mode", "train"], "leave out --mode"),
        (["flops", "resnet50", "--width", "128"], "up to 64"),
        (["flops", "resnet50", "--image", "224x"], "480x640"),
        (["flops", "cifar-resnet99999"], "9998"),
        (["flops", "resnet50", "--check", "--reconcile", "--csv"], "ask for one"),
        (["report", "--out", "/proc/nothing"], "--out"),
    ],
)
def test_bad_input_gets_two_lines_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    error, hint = err.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    assert word in hint
    assert len(error) < 200


def test_a_huge_but_possible_question_is_answered_exactly(
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = answer(capsys, "flops", "resnet50")["results"][0]["total"]["macs"]
    large = answer(capsys, "flops", "resnet50", "--batch", "1000000000")["results"][0]["total"]
    assert large["macs"] == small * 10**9


@pytest.mark.parametrize("suffix", ["txt", "json", "csv", "md", "html"])
def test_a_file_is_written_whole_and_not_replaced_without_force(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"x.{suffix}"
    code, out, err = run(capsys, "flops", "resnet50", "-o", str(file))
    assert (code, out) == (0, "")
    assert str(file) in err
    first = file.read_text()
    assert "conv2_x" in first
    code, _, err = run(capsys, "flops", "resnet18", "-o", str(file))
    assert code == 2
    assert "--force" in err
    assert file.read_text() == first
    assert run(capsys, "flops", "resnet18", "-o", str(file), "--force")[0] == 0
    assert file.read_text() != first
    assert [entry.name for entry in tmp_path.iterdir()] == [file.name]


def test_a_page_without_what_fills_it_is_refused_before_any_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    code, out, err = run(capsys, "bench", "cifar-resnet8", "--format", "html")
    assert (code, out) == (3, "")
    error, hint = err.splitlines()
    assert "jinja2" in error
    assert "pip install jinja2" in hint


def test_a_folder_is_no_output_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    code, _, err = run(capsys, "flops", "resnet50", "-o", str(tmp_path / "x.json"), "--force")
    assert code == 2
    assert "regular file" in err


@pytest.mark.parametrize("name", ["x" * 300 + ".json", "no/such/target.json"])
def test_a_file_that_cannot_be_made_is_two_lines(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    if "/" in name:  # a link into nothing
        file = tmp_path / "link.json"
        file.symlink_to(tmp_path / name)
    code, out, err = run(capsys, "flops", "resnet50", "-o", str(file))
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 2


def test_naming_the_only_form_of_a_network_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--shortcut", "b", "--stride-in", "3x3"]
    (named,) = answer(capsys, "flops", "resnext50_32x4d", *arguments)["results"]
    (bare,) = answer(capsys, "flops", "resnext50_32x4d")["results"]
    assert named == bare


def test_what_does_not_fit_in_memory_is_not_counted_again_and_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> WitnessCount:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1")

    monkeypatch.setattr(witness_fvcore, "count_with_fvcore", too_large)
    code, out, _ = run(capsys, "flops", "resnet18", "--image", "64", "--check", "--json")
    fvcore, torch = json.loads(out)["results"][0]["check"]
    assert code == 0
    assert "not enough memory" in fvcore["explanation"]
    assert torch["agrees"] is True


def test_a_link_is_written_through(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "target.json"
    target.write_text("old")
    link = tmp_path / "link.json"
    link.symlink_to(target)
    assert run(capsys, "flops", "resnet50", "-o", str(link), "--force")[0] == 0
    assert link.is_symlink()
    assert json.loads(target.read_text())["command"] == "flops"


def program(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "resprof", *arguments]
    return subprocess.run(command, capture_output=True, check=False, **options)


def test_a_closed_pipe_ends_quietly() -> None:
    done = subprocess.run(
        f"{sys.executable} -m resprof flops cifar-resnet1202 --per layer | head -n 1",
        shell=True,
        capture_output=True,
        check=False,
    )
    assert done.stderr == b""
    assert done.stdout.startswith(b"cifar-resnet1202")


@pytest.mark.parametrize("arguments", [["flops", "resnet50"], ["flops", "--help"], ["--help"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_reads_nothing_is_no_failure(arguments: list[str], unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "resprof", *arguments],
            stdout=pipe,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_result_that_is_taken_in_part_only_is_two_lines(tmp_path: Path, unbuffered: str) -> None:
    """A limit on the size of a file is met as a disk that fills up is: by a part of a write."""
    most = 64 * 1024
    with (tmp_path / "out.json").open("wb") as out:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "resprof"),
                *("flops", "cifar-resnet1202", "--per", "layer", "--json"),
            ],
            stdout=out,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
            check=False,
        )
    assert (tmp_path / "out.json").stat().st_size == most
    assert done.returncode == 3
    error, hint = done.stderr.splitlines()
    assert error.startswith(b"error: the result could not be written: ")
    assert hint.startswith(b"hint: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_error_that_nobody_can_read_has_its_exit_code(unbuffered: str) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 # a device, not a path of ours
        done = subprocess.run(
            [sys.executable, "-m", "resprof", "flops", "nosuch"],
            stderr=full,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            check=False,
        )
    assert done.returncode == 2


@pytest.mark.parametrize("closed", ["<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_gives_its_number_to_no_file(tmp_path: Path, closed: str) -> None:
    script = (
        "import os, sys; from resprof.cli.streams import open_streams; open_streams(); "
        "from pathlib import Path; file = Path(sys.argv[1]).open('w'); "
        "print('said', flush=True); print('said', file=sys.stderr, flush=True); "
        "os.write(2, b'said'); file.write(str(file.fileno()))"
    )
    note = tmp_path / "note"
    done = subprocess.run(
        f'{sys.executable} -c "{script}" {note} {closed}', shell=True, check=False
    )
    assert done.returncode == 0
    assert int(note.read_text()) > 2


@pytest.mark.parametrize(
    "arguments", [["flops", "resnet50", "vgg16"], ["paper"], ["list"], ["show", "resnet50"]]
)
def test_an_ascii_stream_gets_ascii(arguments: list[str]) -> None:
    done = program(*arguments, env={**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    assert done.returncode == 0
    assert done.stderr == b""
    assert done.stdout.isascii()


def test_an_odd_name_cannot_crash_an_ascii_error_stream() -> None:
    done = program("flops", "résnet\x1b[31m", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 2
    assert b"\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["list"],
        ["show", "resnet50"],
        ["flops", "resnet50", "--reconcile", "--unique"],
        ["paper"],
    ],
)
def test_answers_that_need_no_torch_load_neither_torch_nor_pandas(arguments: list[str]) -> None:
    script = (
        "import sys; from resprof.cli.main import main; code = main(sys.argv[1:]); "
        "heavy = sorted({'torch', 'pandas', 'numpy', 'fvcore', 'msgspec'} & set(sys.modules)); "
        "print(heavy, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout != ""
    assert done.stderr == "[]\n"


def test_importing_the_library_loads_no_torch() -> None:
    script = "import sys, resprof; resprof.count('resnet50'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"False\n"


def test_a_disagreement_is_an_answer_and_exit_code_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_off(*arguments: Any) -> WitnessCount:
        honest = count_with_torch(*arguments)
        first, *rest = honest.modules
        wrong = replace(first, macs=first.macs + 1)
        return replace(honest, modules=(wrong, *rest))

    monkeypatch.setattr(witness, "count_with_torch", one_off)
    code, out, err = run(capsys, "flops", "resnet18", "--image", "64", "--check")
    assert (code, err) == (1, "")
    assert "1 layers differ: conv1" in out


def test_a_missing_fvcore_is_said_and_the_other_count_stands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fvcore.nn", None)
    code, out, _ = run(capsys, "flops", "resnet18", "--image", "64", "--check", "--json")
    fvcore, torch = json.loads(out)["results"][0]["check"]
    assert code == 0
    assert (fvcore["macs"], fvcore["agrees"]) == (None, None)
    assert torch["agrees"] is True


COUNTED = (
    "model title architecture recipe per rows total paper elsewhere unique check reconcile sibling"
)
OF_A_PART = "params macs flops share forward_macs backward_macs elements"
OF_A_LAYER = "params macs flops share forward_macs input_grad_macs weight_grad_macs elements"
GEOMETRY = "input output kernel stride padding dilation groups"
EVERY_MODEL = "model recipe rows total"
PUBLISHED = {
    "flops": (["resnet50"], COUNTED, f"stage block output {OF_A_PART}"),
    "flops per layer": (
        ["resnet50", "--per", "layer"],
        COUNTED,
        f"stage block layer kind {GEOMETRY} {OF_A_LAYER}",
    ),
    "show": (["resnet50"], "model title recipe rows total paper", "stage output layers"),
    "list": ([], EVERY_MODEL, "model label options layers image params macs flops"),
    "paper": ([], EVERY_MODEL, "id where statement printed unit ours verdict explanation"),
}


@pytest.mark.parametrize("case", PUBLISHED)
def test_the_printed_json_has_its_published_fields_in_order(
    capsys: pytest.CaptureFixture[str], case: str
) -> None:
    arguments, result, row = PUBLISHED[case]
    parsed = answer(capsys, case.split(maxsplit=1)[0], *arguments)
    printed = parsed["results"][0]
    assert list(printed) == result.split()
    assert all(list(each) == row.split() for each in printed["rows"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [["flops", "resnet50"], ["flops", "--help"], ["--help"]])
def test_a_full_disk_is_two_lines(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 # a device, not a path of ours
        done = subprocess.run(
            [sys.executable, "-m", "resprof", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 2


def test_a_bug_is_two_lines_and_70(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("something\nunexpected")

    monkeypatch.setattr(flops, "count_flops", broken)
    code, out, err = run(capsys, "flops", "resnet50")
    assert (code, out) == (70, "")
    assert len(err.splitlines()) == 2


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "html", "json"])
@pytest.mark.parametrize("command", [["list"], ["paper"], ["flops", "resnet50"]])
def test_an_ascii_stdout_takes_every_form(command: list[str], form: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "resprof", *command, "--format", form],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode("ascii" if form in {"table", "json"} else "utf-8")
    assert text


def test_an_interrupt_while_the_command_loads_is_no_traceback(tmp_path: Path) -> None:
    """A module that it needs sends it."""
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = subprocess.run(
        [sys.executable, "-m", "resprof", "list"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 130
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["error", "hint"]


@pytest.mark.parametrize("arguments", [["-h"], ["--help", "flops"], []])
def test_the_help_names_every_command_in_a_whole_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    commands = out.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in commands] == list(PROGRAM)
    assert all(line.endswith(".") and not line.endswith("...") for line in commands)
