"""The main job: every network counted, held against the paper, predicted and measured; written.

What is counted and predicted is text by file name, a pure function, so a test compares it with
what is committed; what is measured lies in a folder per device and is made from run files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from resprof.answers.bench.launches import LaunchOptions, bench, new_run_file
from resprof.answers.bench.results import NOT_MEASURED, BenchResult
from resprof.answers.bench.tables import measured_table
from resprof.answers.report.content import (
    PLAN,
    PREDICTED,
    QUICK_PLAN,
    MeasuredDevice,
    Predicted,
    ReportContent,
    Tell,
    counted,
    latest_runs,
    predicted,
    silent,
    workloads,
)
from resprof.answers.report.exhibits import (
    counted_exhibits,
    exhibits,
    predicted_stems,
)
from resprof.answers.report.folder import MANIFEST, RUNS, ReportFolder
from resprof.answers.report.page import document, index
from resprof.errors import EnvironmentMissing
from resprof.model.recipe import Workload
from resprof.render.document import Exhibit
from resprof.render.drawing import is_available, png, svg
from resprof.render.formats import forms
from resprof.render.page import check_available as check_page_available
from resprof.render.page import page_html
from resprof.render.table import Table

Texts = dict[str, str]
"""Texts by their path below the report's folder."""

INDEX, INDEX_MD = "index.html", "index.md"
_SUFFIXES = ("csv", "json", "md", "svg", "png")
_NOT_DRAWN = "no charts are drawn: altair and vl-convert-python are not installed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a report wrote: its folder, its files, the run file, and what was measured.

    ``run_file`` is None where nothing was to be measured, ``measured`` where no run is known.
    """

    folder: Path
    files: tuple[str, ...]
    run_file: Path | None
    measured: Table | None
    failed: tuple[BenchResult, ...]
    notes: tuple[str, ...]


def write_report(
    folder: Path,
    *,
    quick: bool = False,
    force: bool = False,
    measure: bool = True,
    tell: Tell = silent,
) -> Report:
    """Counts, checks, measures and predicts, and writes all of it below ``folder``.

    Files of an earlier report, named in its manifest, are replaced, and removed where this one is
    whole and has none of that name. A file of the same name that is not in it raises
    ``UsageError`` before any work, unless ``force``, and so does a link below ``folder`` where a
    file would be written. Run files are never replaced. Without
    ``measure`` the runs in the folder are all that is shown of measurements.
    """
    check_page_available()
    opened = ReportFolder.opened(folder, force=force)
    networks = PREDICTED[:1] if quick else PREDICTED
    tell(0, 0, "counting every network")
    costs = counted()
    listed = list(counted_exhibits(costs))
    stems = [*(each.stem for each in listed), *predicted_stems(networks)]
    opened.refuse_foreign([*_names(stems), INDEX, INDEX_MD, MANIFEST])
    opened.refuse_in_the_way(["measured", *([RUNS] if measure else []), *opened.owned])
    drawn = is_available()
    run_file: Path | None = None
    failed: tuple[BenchResult, ...] = ()
    if measure:
        with new_run_file(folder / RUNS, otherwise="name another folder with --out") as run_file:
            texts = _texts(listed, drawn=drawn)
            opened = opened.claimed(texts)
            opened.write(texts)
            failed = _measure(run_file, quick=quick, tell=tell)
    foretold, unpredicted = _predicted(networks, tell)
    devices, unread = latest_runs(folder / RUNS, run_file)
    content = ReportContent(counted=costs, predicted=foretold, measured=devices)
    files = written_files(content, tell=tell)
    opened.refuse_foreign(files)
    opened = opened.claimed(files)
    opened.write(files)
    incomplete = [*unpredicted, *unread, *([] if drawn else [_NOT_DRAWN])]
    # What this machine or a run file lacks today, or nobody asked for, is no reason to lose what
    # was made before.
    removed = 0 if incomplete or quick else opened.settled(files)
    return Report(
        folder=folder,
        files=(*files, MANIFEST),
        run_file=run_file,
        measured=_first_table(devices),
        failed=failed,
        notes=(*incomplete, *_removed(removed)),
    )


def written_files(content: ReportContent, *, tell: Tell = silent) -> dict[str, str | bytes]:
    """Everything that is written of a report's content: tables, charts and pages."""
    shown = exhibits(content)
    drawn = is_available()
    files: dict[str, str | bytes] = {**_texts(shown, drawn=drawn)}
    charts = [(each.stem, each.chart) for each in shown if drawn and each.chart is not None]
    pictures: Texts = {}
    for number, (stem, chart) in enumerate(charts):
        tell(number, len(charts), f"drawing {chart.name}")
        pictures[stem] = svg(chart)
        files[f"{stem}.svg"] = pictures[stem]
        files[f"{stem}.png"] = png(pictures[stem])
    page = document(content, shown)
    tables = [placed.item for placed in page.front if isinstance(placed.item, Table)]
    files[INDEX_MD] = index(shown, front=tables, drawn=drawn)
    files[INDEX] = page_html(page, pictures)
    return files


def _measure(run_file: Path, *, quick: bool, tell: Tell) -> tuple[BenchResult, ...]:
    """Fills the run file; returns what could not be measured."""

    def progress(done: int, total: int, workload: Workload) -> None:
        recipe = workload.recipe
        tell(done, total, f"measuring {workload.model} {recipe.mode} batch {recipe.batch}")

    options = LaunchOptions(plan=QUICK_PLAN if quick else PLAN)
    benched = bench(workloads(quick=quick), run_file, options, predict=False, progress=progress)
    return tuple(result for result in benched.results if result.outcome in NOT_MEASURED)


def _predicted(networks: Sequence[str], tell: Tell) -> tuple[Predicted | None, list[str]]:
    """What is predicted, or why nothing is: a report of runs can be made without torch."""
    try:
        return predicted(networks, tell=tell), []
    except EnvironmentMissing as error:
        return None, [f"no predictions: {error.message}"]


def _removed(files: int) -> list[str]:
    if not files:
        return []
    what = "1 file" if files == 1 else f"{files} files"
    return [f"removed files of an earlier report: {what}"]


def _first_table(devices: Sequence[MeasuredDevice]) -> Table | None:
    if not devices:
        return None
    return measured_table(devices[0].environment, devices[0].results)


def _texts(exhibits: Iterable[Exhibit], *, drawn: bool) -> Texts:
    return {
        name: text for exhibit in exhibits for name, text in forms(exhibit, drawn=drawn).items()
    }


def _names(stems: Iterable[str]) -> list[str]:
    return [f"{stem}.{suffix}" for stem in stems for suffix in _SUFFIXES]
