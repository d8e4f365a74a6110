"""The terminal's table at every width, and columns added up again from the text itself."""

from __future__ import annotations

import json
import re

import pytest

from resprof.counting.cost import count
from resprof.model.networks import resolve
from resprof.render.formats import data
from resprof.render.table import Column, Form, Origin, Table, cell
from resprof.render.terminal import Screen, terminal

SCREENS = {
    "pipe": Screen(),
    "120": Screen(width=120),
    "80": Screen(width=80),
    "40": Screen(width=40),
    "ascii": Screen(width=80, ascii=True),
}


def sample() -> Table:
    cost = count(resolve("resnet50"))
    return Table(
        name="sample",
        title="resnet50: a table with a column of each form",
        subtitle="counted for one 224x224 image, forward, and some sentences beside the numbers",
        columns=(
            Column(key="stage", title="stage"),
            Column(key="output", title="output", form=Form.SHAPE, priority=2),
            Column(key="params", title="params", form=Form.COUNT, origin=Origin.COUNTED),
            Column(key="macs", title="MACs", form=Form.COUNT, origin=Origin.COUNTED),
            Column(key="flops", title="FLOPs", form=Form.SI, origin=Origin.COUNTED, priority=3),
            Column(key="share", title="share", form=Form.SHARE, origin=Origin.COUNTED, priority=1),
            Column(
                key="paper", title="paper", form=Form.NUMBER, origin=Origin.PUBLISHED, priority=4
            ),
            Column(key="how", title="how it arises", form=Form.PROSE, priority=5),
        ),
        rows=tuple(
            (
                stage.stage,
                stage.output,
                stage.cost.params,
                stage.cost.macs,
                stage.cost.flops,
                stage.cost.macs / cost.total.macs,
                None,
                "a sentence that is long enough to be wrapped on most screens, if not on all",
            )
            for stage in cost.stages()
        ),
        total=(
            "total",
            None,
            cost.total.params,
            cost.total.macs,
            cost.total.flops,
            1.0,
            3.8,
            None,
        ),
        notes=("A note that follows the table and says by which convention its numbers count.",),
    )


@pytest.mark.parametrize("screen", SCREENS)
def test_the_printed_columns_add_up_to_the_printed_total(screen: str) -> None:
    lines = terminal(sample(), SCREENS[screen]).splitlines()
    numbers = [
        [int(n.replace(",", "")) for n in re.findall(r"(?<![\dx.])\d[\d,]{3,}(?![\dx.])", line)]
        for line in lines
    ]
    rows = [found[-2:] for found in numbers if len(found) >= 2]
    *parts, total = rows
    assert len(parts) == len(sample().rows)
    assert [sum(column) for column in zip(*parts, strict=True)] == total


LONGEST_WORD = 16


@pytest.mark.parametrize("width", range(1, 200))
def test_no_width_cuts_a_number_or_overflows_what_can_fit(width: int) -> None:
    text = terminal(sample(), Screen(width=width))
    assert max(len(line) for line in text.splitlines()) <= max(width, LONGEST_WORD)
    for row in sample().rows:
        assert cell(row[2], Form.COUNT) in text
        assert cell(row[3], Form.COUNT) in text


def test_ascii_output_is_ascii() -> None:
    assert terminal(sample(), Screen(ascii=True)).isascii()


def test_colour_carries_no_meaning() -> None:
    coloured = terminal(sample(), Screen(width=120, color=True))
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == terminal(sample(), Screen(width=120))


def test_json_read_again_gives_the_values() -> None:
    table = sample()
    rows = json.loads(data(table))["rows"]
    assert [row["macs"] for row in rows] == [values[3] for values in table.rows]
    assert rows[0]["paper"] is None


def test_zero_is_zero_and_unknown_is_not() -> None:
    assert cell(0, Form.COUNT) == "0"
    assert cell(None, Form.COUNT) == "\N{EM DASH}"
    assert cell(0.0, Form.SHARE) == "0.0%"


def sentences() -> Table:
    return Table(
        name="sentences",
        title="a table whose sentences must be shown",
        columns=(
            Column(key="id", title="claim"),
            Column(key="macs", title="MACs", form=Form.COUNT),
            Column(key="how", title="how it arises", form=Form.PROSE),
            Column(key="why", title="why", form=Form.PROSE),
        ),
        rows=(
            ("a claim", 3_857_973_248, "a sentence of some length, long enough to wrap", "another"),
            ("one more", None, "short", "and a longer one that says what the short one did not"),
        ),
    )


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_sentences_that_must_be_shown_are_shown_at_every_width(width: int) -> None:
    text = terminal(sentences(), Screen(width=width))
    assert max(len(line) for line in text.splitlines()) <= width
    words = set(text.split())
    for row in sentences().rows:
        for value in row:
            if isinstance(value, str):
                assert set(value.split()) <= words
    assert "3,857,973,248" in words


def test_a_row_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="cells"):
        Table(name="x", title="x", columns=(Column(key="a", title="a"),), rows=((1, 2),))
