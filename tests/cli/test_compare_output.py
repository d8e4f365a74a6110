"""What `resprof compare` writes: every form, every width, several runs, and hostile names."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from resprof import api
from resprof.answers.bench.runs import RunLabel
from resprof.answers.compare.comparison import (
    ComparedRow,
    compare_runs,
    read,
)
from resprof.answers.compare.published import near_published
from resprof.answers.compare.tables import compare_tables
from resprof.cli.main import main
from resprof.codec import to_plain
from resprof.errors import UsageError
from resprof.measure.run import Outcome
from resprof.measure.run_file import Record
from resprof.model.environment import Environment
from resprof.model.recipe import Precision, infer
from resprof.render.terminal import Screen, terminal
from tests.factories import (
    ON_GPU,
    WORKLOAD,
    Launched,
    as_read,
    of,
    run_of,
    simple,
    steady,
    with_gpu,
    with_torch,
    written,
)

A100 = with_gpu("NVIDIA A100-SXM4-80GB")
OUT_OF_MEMORY = Launched(latencies_s=(), peak_bytes=None, outcome=Outcome.OUT_OF_MEMORY)
VERDICTS = ("FASTER", "SLOWER", "SAME", "INCONCLUSIVE")


def _compare(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["compare", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def _six(call_s: float, *, between: float = 0.001) -> list[Launched]:
    return [steady(call_s * (1 + between * (number - 2.5))) for number in range(6)]


def _two(factor: float, environment: Environment = ON_GPU) -> tuple[Record, ...]:
    return run_of(
        (of(1), _six(0.001 * factor)), (of(32), _six(0.008 * factor)), environment=environment
    )


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return (
        written(tmp_path / "before.jsonl", _two(1.0)),
        written(tmp_path / "after.jsonl", _two(1.03, with_torch("2.100", ON_GPU))),
    )


def _names(record: type) -> list[str]:
    return [field.name for field in fields(record)]


def test_the_printed_json_is_the_records(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = _compare(capsys, *pair, "--json", "--fail-on", "slower:2%")
    parsed = json.loads(out)
    assert code == 1
    assert list(parsed) == ["schema", "command", "results", "environment", "notes"]
    assert len(parsed["results"]) == 2
    for result in parsed["results"]:
        assert list(result["baseline"]) == _names(RunLabel)
        assert all(list(row) == _names(ComparedRow) for row in result["rows"])
    records = compare_runs(read(pair[0]), [read(pair[1])], margin=0.02)
    flat = [to_plain(each) for each in records]
    assert parsed["results"] == flat
    assert [list(each) for each in parsed["results"]] == [list(each) for each in flat]
    assert [note["code"] for note in parsed["notes"]] == ["slower"] * 4


def test_one_run_is_the_records_of_bench_and_published_ones_follow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = replace(infer(batch=256, image=(224, 224)), precision=Precision.AMP_FP16)
    workload = replace(WORKLOAD, model="resnet50-v1.5", classes=1000, recipe=recipe)
    file = written(tmp_path / "run.jsonl", run_of((workload, [steady(0.1)]), environment=ON_GPU))
    _, out, _ = _compare(capsys, file, "--published", "--json")
    measured, published = json.loads(out)["results"]
    run = read(file)
    assert [measured] == [to_plain(each) for each in run.results]
    assert [published] == [to_plain(each) for each in near_published([run])]
    assert published["throughput_images_per_s"] == pytest.approx(2560, rel=1e-2)


def test_the_baseline_is_the_one_that_is_named(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = pair
    expected = _compare(capsys, before, after, "--csv")
    assert _compare(capsys, after, "--baseline", before, "--csv") == expected
    assert _compare(capsys, after, before, "--baseline", before, "--csv") == expected
    assert _compare(capsys, before, after, "--baseline", after, "--csv") != expected


def test_several_candidates_are_rows_of_one_table(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    third = written(tmp_path / "third.jsonl", _two(0.9))
    _, out, _ = _compare(capsys, *pair, third, "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(Path(row["candidate"]).stem, row["latency_verdict"]) for row in rows] == [
        ("after", "slower"),
        ("after", "slower"),
        ("third", "faster"),
        ("third", "faster"),
    ]
    _, out, _ = _compare(capsys, *pair, third)
    assert out.count("Latency: ") == 1


def test_the_csv_read_again_is_the_json(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, text, _ = _compare(capsys, *pair, "--csv")
    _, out, _ = _compare(capsys, *pair, "--json")
    for line, result in zip(
        csv.DictReader(io.StringIO(text)), json.loads(out)["results"], strict=True
    ):
        by_quantity: dict[str, dict[str, Any]] = {row["quantity"]: row for row in result["rows"]}
        for quantity, short in (
            ("latency_median_s", "latency"),
            ("throughput_images_per_s", "throughput"),
        ):
            row = by_quantity[quantity]
            assert float(line[f"baseline_{quantity}"]) == row["baseline"]["value"]
            assert float(line[f"candidate_{quantity}"]) == row["candidate"]["value"]
            ends = [float(line[f"{short}_ratio_ci_{end}"]) for end in ("low", "high")]
            assert ends == row["ci"]
            assert line[f"{short}_verdict"] == row["verdict"]
            assert line[f"{short}_over"] == row["over"] == "launches"
        assert int(line["batch"]) == result["recipe"]["batch"]
        assert line["energy_ratio"] == ""


def test_devices_have_a_column_each_in_csv_as_on_screen(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of((of(1), _six(0.002)), (of(32), [OUT_OF_MEMORY]), environment=A100)
    other = written(tmp_path / "a100.jsonl", run)
    _, out, _ = _compare(capsys, pair[0], other, "--csv")
    small, large = csv.DictReader(io.StringIO(out))
    (column,) = (key for key in small if key.startswith("latency_median_s NVIDIA A100"))
    assert float(small[column]) == pytest.approx(0.002, rel=1e-3)
    assert large[column] == ""
    assert not any("ratio" in key or "verdict" in key for key in small)
    _, out, _ = _compare(capsys, pair[0], other)
    assert "out of memory: NVIDIA A100-SXM4-80GB" in out


@pytest.mark.parametrize("width", [120, 80, 40])
def test_tables_fit_screens_and_keep_their_verdicts(pair: tuple[Path, Path], width: int) -> None:
    read = [as_read(_two(1.0)), as_read(_two(1.03), "b")]
    results = compare_runs(read[0], read[1:])
    for table in compare_tables([each.label for each in read], results):
        text = terminal(table, Screen(width=width, ascii=True))
        assert text.isascii()
        assert max(map(len, text.splitlines())) <= width
        if table.name in {"latency_median_s", "throughput_images_per_s"}:
            assert text.count("SLOWER") >= 2


def test_a_name_that_ascii_lacks_does_not_break_an_ascii_screen() -> None:
    evil = with_gpu("n\N{LATIN SMALL LETTER A WITH DIAERESIS}me")
    read = [as_read(simple(0.01, environment=evil), name) for name in ("a", "b")]
    for table in compare_tables([each.label for each in read], compare_runs(read[0], read[1:])):
        assert terminal(table, Screen(ascii=True)).isascii()


def test_ends_of_intervals_and_figures_are_those_of_the_record() -> None:
    read = [as_read(_two(1.0)), as_read(_two(1.03), "b")]
    results = compare_runs(read[0], read[1:])
    latency = compare_tables([each.label for each in read], results)[1]
    keys = [column.key for column in latency.columns]
    for cells, result in zip(latency.rows, results, strict=True):
        row = result.rows[0]
        assert row.baseline is not None
        assert cells[keys.index("baseline")] == row.baseline.value
        assert (cells[keys.index("ratio_ci_low")], cells[keys.index("ratio_ci_high")]) == row.ci


HOSTILE = (
    "<img src=x onerror=alert(1)>|=cmd",
    "=HYPERLINK(1)",
    "\x1b[31mred\x1b[0m\nname",
    "n\N{LATIN SMALL LETTER A WITH DIAERESIS}me",
)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown", "html"])
def test_a_hostile_file_and_device_name_is_only_read(
    name: str,
    form: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    evil = with_gpu(name)
    written(Path(name), simple(0.01, environment=evil))
    written(Path("b.jsonl"), simple(0.02, environment=evil))
    written(Path("c.jsonl"), simple(0.02, environment=A100))
    for candidate in ("b.jsonl", "c.jsonl"):
        code, out, err = _compare(capsys, name, candidate, "--format", form)
        assert (code, err) == (0, "")
        assert "\x1b" not in out
        assert not re.search(r"(?<!\\)<img", out) or form in {"table", "json", "csv"}
        if form == "json":
            assert json.loads(out)["results"][0]["baseline"]["name"] == name
        if form == "csv":
            cells = [cell for row in csv.reader(io.StringIO(out)) for cell in row]
            assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)


def test_a_bad_name_in_an_error_stays_in_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = _compare(capsys, tmp_path / "\x1b[31m\nerror: no")
    assert (code, out, len(err.splitlines())) == (2, "", 2)
    assert "\x1b" not in err


def test_a_link_to_a_run_is_that_run(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    link = pair[0].with_name("link.json")
    link.symlink_to(pair[0])
    code, _, err = _compare(capsys, pair[0], link)
    assert (code, "same file" in err) == (2, True)
    kept = pair[0].read_bytes()
    code, _, err = _compare(capsys, *pair, "-o", link, "--force")
    assert (code, "destroy its samples" in err) == (2, True)
    assert pair[0].read_bytes() == kept


def test_a_gate_that_has_nothing_to_ask_is_no_success(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of((of(64), _six(0.01)), environment=ON_GPU)
    other = written(tmp_path / "other.jsonl", run)
    code, _, err = _compare(capsys, pair[0], other, "--fail-on", "slower:2%")
    assert (code, "in common" in err) == (2, True)
    code, _, err = _compare(capsys, pair[0], other, "--fail-on", "slower:2%", "--strict")
    assert (code, err.count("failed: missing")) == (1, 2)


def test_a_run_of_several_environments_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = (
        *run_of((of(1), _six(0.01))),
        *run_of((of(2), _six(0.01)), environment=with_torch("9.9.9")),
    )
    code, _, err = _compare(capsys, written(tmp_path / "run.jsonl", run))
    assert code == 0
    assert "torch.version was 2.99, later 9.9.9" in err
    mixed = (*run_of((of(1), _six(0.01))), *run_of((of(2), _six(0.01)), environment=A100))
    code, _, err = _compare(capsys, written(tmp_path / "mixed.jsonl", mixed))
    assert (code, "two devices" in err) == (2, True)


def test_the_library_gives_the_records(pair: tuple[Path, Path]) -> None:
    results = api.compare(*pair)
    assert [result.recipe.batch for result in results] == [1, 32]
    assert all(result.margin == 0.01 for result in results)
    with pytest.raises(UsageError, match="given twice"):
        api.compare(pair[0], pair[0])


@pytest.mark.parametrize("verdict", VERDICTS)
def test_no_verdict_stands_between_devices(verdict: str, pair: tuple[Path, Path]) -> None:
    read = [as_read(_two(1.0)), as_read(_two(2.0, A100), "b")]
    for table in compare_tables([each.label for each in read], compare_runs(read[0], read[1:])):
        assert verdict not in terminal(table, Screen())
