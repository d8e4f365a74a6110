"""The report's page: in a real browser, by itself, with hostile names and with many rows."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from resprof.answers.report.content import ReportContent, counted, measured_device
from resprof.answers.report.page import speeds_table
from resprof.answers.report.report import written_files
from resprof.model.environment import Environment
from tests.answers.report.browser import CHROMIUM, Page, browser
from tests.factories import of, run_of, steady, with_gpu

_needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>'


def _content(rows: int, name: str = "NVIDIA H100 80GB HBM3") -> ReportContent:
    environment: Environment = with_gpu(name)
    models = ("resnet18", "resnet34", "resnet50", "resnet50-v1.5")
    configurations = [
        (of(batch, models[batch % len(models)]), [steady(0.001 * batch)])
        for batch in range(1, rows + 1)
    ]
    run = run_of(*configurations, environment=environment)
    return ReportContent(counted=counted(), predicted=None, measured=(measured_device(run),))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, Path]]:
    folder = tmp_path_factory.mktemp("site")
    file = folder / "index.html"
    content = written_files(_content(12, HOSTILE))["index.html"]
    assert isinstance(content, str)
    file.write_text(content, encoding="utf-8")
    with browser(folder / "profile") as opened:
        opened.open(file)
        yield opened, file


@_needs_browser
def test_it_loads_without_an_error_and_asks_nothing_of_the_network(page: tuple[Page, Path]) -> None:
    opened, file = page
    opened.run("1")  # lets late events in
    assert opened.errors == []
    outside = [url for url in opened.requests if not url.startswith(("data:", "about:"))]
    assert set(outside) <= {file.as_uri()}


@_needs_browser
def test_hostile_names_are_text(page: tuple[Page, Path]) -> None:
    opened, _ = page
    assert opened.run("document.querySelectorAll('img[src=x], [onerror]').length") == 0
    assert opened.run("document.scripts.length") == 1
    assert opened.run("document.body.textContent.includes('onerror=alert(1)')") is True


_COLUMN = """
(() => {
  const table = [...document.querySelectorAll("table")].find((t) => t.tBodies[0].rows.length > 20);
  const heads = [...table.tHead.rows[0].cells];
  const index = heads.findIndex((h) => h.textContent.startsWith("MACs"));
  CLICK
  return [...table.tBodies[0].rows].map((row) => Number(row.cells[index].dataset.v));
})()
"""


@_needs_browser
def test_numbers_sort_as_numbers_in_base_units(page: tuple[Page, Path]) -> None:
    opened, _ = page
    click = "heads[index].querySelector('button').click();"
    before = opened.run(_COLUMN.replace("CLICK", ""))
    rising = opened.run(_COLUMN.replace("CLICK", click))
    falling = opened.run(_COLUMN.replace("CLICK", click))
    again = opened.run(_COLUMN.replace("CLICK", click))
    assert rising == sorted(before)
    assert falling == sorted(before, reverse=True)
    assert again == before != rising


@_needs_browser
def test_no_table_is_wider_than_the_page_outside_of_a_box_that_scrolls(
    page: tuple[Page, Path],
) -> None:
    opened, _ = page
    assert opened.run("document.documentElement.scrollWidth <= window.innerWidth") is True


def test_the_page_refers_to_nothing_outside() -> None:
    text = written_files(_content(4))["index.html"]
    assert isinstance(text, str)
    loaded = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(https?:[^"')\s>]+)""", text)
    assert loaded == []
    assert "@import" not in text


@pytest.fixture(scope="module")
def large() -> tuple[dict[str, str | bytes], float]:
    """The files of a report over a thousand rows, and the seconds that they took."""
    content = _content(1000)
    start = time.perf_counter()
    return written_files(content), time.perf_counter() - start


_SORTED = """
(() => {
  const [table] = [...document.querySelectorAll("table")]
    .sort((one, other) => other.tBodies[0].rows.length - one.tBodies[0].rows.length);
  const heads = [...table.tHead.rows[0].cells];
  const index = heads.findIndex((h) => h.textContent.startsWith("latency"));
  const start = performance.now();
  heads[index].querySelector("button").click();
  table.offsetHeight;
  const milliseconds = performance.now() - start;
  const values = [...table.tBodies[0].rows].map((row) => Number(row.cells[index].dataset.v));
  return [values.length, values.every((v, i) => i === 0 || values[i - 1] <= v), milliseconds];
})()
"""


@_needs_browser
def test_a_page_of_a_thousand_measured_rows_is_quick_to_use(
    large: tuple[dict[str, str | bytes], float], tmp_path: Path
) -> None:
    file = tmp_path / "index.html"
    file.write_text(str(large[0]["index.html"]), encoding="utf-8")
    with browser(tmp_path / "profile") as opened:
        opened.open(file)
        loaded_ms = opened.run("performance.getEntriesByType('navigation')[0].duration")
        rows, in_order, sorted_ms = opened.run(_SORTED)
    assert rows >= 1000
    assert in_order
    assert loaded_ms < 10_000
    assert sorted_ms < 2_000


def test_a_report_over_a_thousand_measured_rows_is_built_in_time(
    large: tuple[dict[str, str | bytes], float],
) -> None:
    files, seconds = large
    assert seconds < 20
    page = files["index.html"]
    assert isinstance(page, str)
    assert len(page) < 12 * 2**20
    measured = next(files[name] for name in files if name.endswith("measured.csv"))
    assert isinstance(measured, str)
    assert len(measured.splitlines()) == 1 + 2 * 1000


def test_charts_are_the_same_file_each_time_and_carry_no_markup_of_others() -> None:
    first, second = (written_files(_content(6, HOSTILE)) for _ in range(2))
    drawn = [name for name in first if name.endswith(".svg")]
    assert drawn
    for name in drawn:
        assert first[name] == second[name]
        assert "<script" not in str(first[name])
        assert "<img" not in str(first[name])


def test_a_device_that_runs_faster_changes_the_page() -> None:
    """The page is made from the run and nothing else."""
    slow = run_of((of(1), [steady(0.5)]), environment=with_gpu("a GPU"))
    fast = run_of((of(1), [steady(0.25)]), environment=with_gpu("a GPU"))
    pages = []
    for run in (slow, fast):
        content = replace(_content(1), measured=(measured_device(run),))
        pages.append(str(written_files(content)["index.html"]))
    assert "500.0 ms" in pages[0]
    assert "250.0 ms" in pages[1]
    assert "500.0 ms" not in pages[1]


def test_the_front_table_gives_the_smallest_batch_and_the_best_of_each_device() -> None:
    runs = [
        run_of(
            *((of(batch), [steady(seconds * batch**0.5)]) for batch in (8, 1, 64)),
            environment=with_gpu(name),
        )
        for name, seconds in (("one", 0.002), ("another", 0.001))
    ]
    both = speeds_table([measured_device(run) for run in runs])
    alone = speeds_table([measured_device(runs[0])])
    model, recipe = "cifar-resnet8", "inference, fp32"
    expected = (
        ("one", model, recipe, 0.002, 1, 64 / 0.016, 64),
        ("another", model, recipe, 0.001, 1, 64 / 0.008, 64),
    )
    for row, known in zip(both.rows, expected, strict=True):
        assert row[:3] == known[:3]
        assert row[3:] == pytest.approx(known[3:], rel=1e-3)
    assert [row[1:] for row in both.rows[:1]] == list(alone.rows)
