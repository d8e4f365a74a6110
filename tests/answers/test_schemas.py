"""The published schemas: made from the records, and true of whatever resprof writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from resprof.answers.doctor.findings import DoctorResult
from resprof.answers.gpu.validation import GpuValidationResult
from resprof.answers.schemas import ANSWERS, FOLDER, schemas, text_of
from resprof.codec import to_plain
from resprof.measure.host import machine_environment
from resprof.measure.run_file import to_line
from resprof.model.devices import devices
from resprof.render.answer import Answer, Rows
from tests.samples import KINDS, any_of

ROOT = Path(__file__).parents[2]
HERE = "HERE"
"""Stands in frozen answers for what is of the machine that ran."""
FROZEN = ROOT / "tests" / "frozen"


def published(name: str) -> Draft202012Validator:
    schema = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_what_is_published_is_what_the_records_say() -> None:
    """After a change: python -m resprof.answers.schemas"""
    found = {str(file.relative_to(FOLDER)): file.read_text() for file in FOLDER.glob("*/*.json")}
    assert found == {name: text_of(schema) for name, schema in schemas().items()}


def of_command(command: str) -> list[Path]:
    return [
        file
        for file in sorted((FROZEN / "answers").glob("*.json"))
        if json.loads(file.read_text())["command"] == command
    ]


def _of_this_machine(value: Any) -> Any:
    """With this machine's environment where that of the one that ran was left out."""
    if isinstance(value, dict):
        if value.get("date") == HERE:
            return to_plain(machine_environment())
        return {name: _of_this_machine(each) for name, each in value.items()}
    return [_of_this_machine(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("command", [each for each in ANSWERS if each not in {"bench", "doctor"}])
def test_every_frozen_answer_is_as_its_schema_says(command: str) -> None:
    validator = published(f"answers/{command}.json")
    files = of_command(command)
    assert files
    for file in files:
        validator.validate(_of_this_machine(json.loads(file.read_text())))


def test_every_frozen_answer_has_a_schema() -> None:
    known = sum(len(of_command(command)) for command in ANSWERS)
    assert known == len(list((FROZEN / "answers").glob("*.json")))


def lines(*files: Path) -> Iterator[Any]:
    for file in files:
        for line in file.read_text().splitlines(keepends=True):
            if line.endswith("\n"):  # the last one may be cut off
                yield json.loads(line)


@pytest.mark.parametrize(
    ("name", "records"),
    [
        (
            "run",
            [
                *lines(*(ROOT / "reports" / "runs").glob("*.jsonl")),
                *lines(*(FROZEN / "inputs").glob("a100*.jsonl")),
                *lines(*(FROZEN / "inputs").glob("c*.jsonl")),
                *lines(FROZEN / "inputs" / "h100.jsonl"),
                *lines(FROZEN / "inputs" / "two-environments.jsonl"),
            ],
        ),
        ("peaks", [*lines(FROZEN / "inputs" / "peaks.jsonl")]),
        ("history", [*lines(*(FROZEN / "inputs").glob("histories*/*.jsonl"))]),
        ("calibration", [json.loads((FROZEN / "inputs" / "a10.calibration").read_text())]),
        ("manifest", [json.loads((ROOT / "reports" / "manifest.json").read_text())]),
        (
            "table",
            [
                json.loads(file.read_text())
                for file in sorted((ROOT / "reports").rglob("*.json"))
                if file.name != "manifest.json"
            ],
        ),
    ],
)
def test_every_committed_file_is_as_its_schema_says(name: str, records: list[Any]) -> None:
    validator = published(f"files/{name}.json")
    assert records
    for record in records:
        validator.validate(record)


@pytest.mark.parametrize(
    ("command", "kind"),
    [("validate", GpuValidationResult), ("doctor", DoctorResult)],
)
@given(data=st.data())
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_a_record_holds_is_as_its_schema_says(
    data: st.DataObject, command: str, kind: type
) -> None:
    answer = Answer(command=command, results=(data.draw(any_of(kind)),))
    published(f"answers/{command}.json").validate(to_plain(answer))


def test_a_bench_answers_as_a_run_is_shown_again() -> None:
    validator = published("answers/bench.json")
    shown = [json.loads(file.read_text()) for file in of_command("compare")]
    of_one_run = [each for each in shown if all("outcome" in one for one in each["results"])]
    assert len(of_one_run) > 3
    for each in of_one_run:
        validator.validate(each | {"command": "bench"})


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_whatever_a_run_file_holds_is_as_its_schema_says(data: st.DataObject, kind: type) -> None:
    published("files/run.json").validate(json.loads(to_line(data.draw(any_of(kind)))))


def test_an_answer_with_more_or_less_than_its_schema_says_is_refused() -> None:
    validator = published("answers/list.json")
    answer = to_plain(Answer(command="list", results=(Rows(rows=devices()),)))
    assert validator.is_valid(answer)
    (result,) = answer["results"]
    for wrong in (
        {**result, "more": 1},
        {**result, "model": "resnet50"},
        {name: value for name, value in result.items() if name != "total"},
        {**result, "rows": [{**result["rows"][0], "memory_bytes": "many"}]},
    ):
        assert not validator.is_valid({**answer, "results": [wrong]})
    assert not validator.is_valid({**answer, "command": "show"})


def test_what_a_result_lacks_is_null_where_others_have_it() -> None:
    assert list(Answer.filled({"rows": (), "key": "k"})) == [
        "model",
        "recipe",
        "rows",
        "total",
        "key",
    ]
    whole = {"model": "m", "title": "t", "recipe": 1, "rows": (), "total": 2, "peak": 3}
    assert list(Answer.filled(whole).items()) == list(whole.items())
